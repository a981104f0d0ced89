import Digests
import Foundation
import Testing
import Training

/// The PNG sample that comes with the repository.
@Suite struct SampleTests {
    @Test func isComplete() throws {
        let catalog = DatasetCatalog(roots: [(sampleLocation as NSString).deletingLastPathComponent])
        let dataset = try catalog.load("fashion-mnist-sample")
        #expect(dataset.labels.first == "T-shirt/top" && dataset.labels.last == "Ankle boot")
        #expect(dataset.geometry == ImageGeometry(height: 28, width: 28, channels: 1))
        #expect(dataset.train.count == 1000)
        #expect(dataset.test?.count == 200)
        for target in 0..<10 { #expect(dataset.train.targets.count { $0 == target } == 100) }
        #expect(catalog.entries().first { $0.name == "fashion-mnist-sample" }?.testImages == 200)
    }

    @Test func matchesItsHashes() throws {
        let list = try String(contentsOfFile: sampleLocation + "/SHA256SUMS", encoding: .utf8)
        let lines = list.split(separator: "\n")
        #expect(lines.count == 1201)
        for line in lines {
            let path = line.dropFirst(66)
            let bytes = try Data(contentsOf: URL(fileURLWithPath: sampleLocation + "/" + path))
            #expect(hexadecimal(SHA256.hash([UInt8](bytes))) == line.prefix(64), "\(path)")
        }
    }

    /// Writing a data set as PNG files and reading them gives the same images, labels and content hash.
    @Test func writtenSetsReadBackTheSame() throws {
        let folder = try TemporaryFolder()
        var dataset = patches(train: 12, test: 4)
        // In the order of the folders, as a tree is read.
        let train = dataset.train.targets.indices.sorted {
            dataset.train.targets[$0] < dataset.train.targets[$1]
        }
        dataset = Dataset(
            name: "p", location: "", format: .idx, labels: ["b/B", "a", "A", "ü"],
            train: dataset.train.subset(train.map { Int32($0) }), test: dataset.test)
        let writer = SampleWriter(trainPerClass: 100, testPerClass: 100)
        #expect(try writer.write(dataset, to: folder.path + "/out") == 17)
        let read = try ImageFolder(name: "p", location: folder.path + "/out").load()
        #expect(read.labels == dataset.labels)
        #expect(read.contentHash() == dataset.contentHash())
        #expect(throws: DatasetError.self) { try writer.write(dataset, to: folder.path + "/out") }
    }
}
