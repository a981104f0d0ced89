import Foundation
import Testing
import Training

@Suite struct DatasetTests {
    static let geometry = ImageGeometry(height: 2, width: 2, channels: 1)

    func grey(_ values: [UInt8]) throws -> [UInt8] {
        try PNGFile.encode(values[...], geometry: DatasetTests.geometry)
    }

    /// Two classes of two training images and one test image each.
    func tree() throws -> TemporaryFolder {
        let folder = try TemporaryFolder()
        for (index, name) in [
            "train/cat/a.png", "train/cat/b.png", "train/dog/a.png", "train/dog/b.png", "test/cat/c.png",
            "test/dog/c.png",
        ].enumerated() {
            try folder.write(try grey([UInt8(index), 1, 2, 3]), name)
        }
        return folder
    }

    @Test func readsAClassTree() throws {
        let folder = try tree()
        let dataset = try ImageFolder(name: "pets", location: folder.path).load()
        #expect(dataset.labels == ["cat", "dog"])
        #expect(dataset.train.targets == [0, 0, 1, 1])
        #expect(dataset.train.pixels == [0, 1, 2, 3, 1, 1, 2, 3, 2, 1, 2, 3, 3, 1, 2, 3])
        #expect(dataset.test?.targets == [0, 1])
        #expect(dataset.geometry == DatasetTests.geometry)
    }

    @Test func labelFileOrdersAndNamesClasses() throws {
        let folder = try tree()
        try folder.write(Array("dog\tGood dog\ncat\n".utf8), "labels.txt")
        let dataset = try ImageFolder(name: "pets", location: folder.path).load()
        #expect(dataset.labels == ["Good dog", "cat"])
        #expect(dataset.train.targets == [0, 0, 1, 1])
        #expect(dataset.train.pixels[0] == 2)
        try folder.write(Array("dog\nbird\n".utf8), "labels.txt")
        let error = #expect(throws: DatasetError.self) {
            try ImageFolder(name: "pets", location: folder.path).load()
        }
        #expect(error?.description.contains("bird") == true)
    }

    @Test func oneColourImageMakesTheSetColourAndSizesFollowTheFirst() throws {
        let folder = try tree()
        let big = ImageGeometry(height: 4, width: 4, channels: 3)
        try folder.write(
            try PNGFile.encode([UInt8](repeating: 90, count: 48)[...], geometry: big), "train/dog/z.png")
        let dataset = try ImageFolder(name: "pets", location: folder.path).load()
        #expect(dataset.geometry == ImageGeometry(height: 2, width: 2, channels: 3))
        #expect(Array(dataset.train.pixels[..<6]) == [0, 0, 0, 1, 1, 1])
        #expect(Array(dataset.train.pixels.suffix(12)) == [UInt8](repeating: 90, count: 12))
    }

    @Test func namesTheFileOrFolderThatIsWrong() throws {
        let folder = try tree()
        func expect(_ text: String, sourceLocation: SourceLocation = #_sourceLocation) {
            let error = #expect(throws: DatasetError.self, sourceLocation: sourceLocation) {
                try ImageFolder(name: "pets", location: folder.path).load()
            }
            #expect(
                error?.description.contains(text) == true, "\(String(describing: error))",
                sourceLocation: sourceLocation)
        }
        try FileManager.default.createDirectory(
            atPath: folder.path + "/train/bird", withIntermediateDirectories: true)
        expect("train/bird")
        try FileManager.default.removeItem(atPath: folder.path + "/train/bird")
        try folder.write([0xff, 0xd8], "train/cat/photo.jpg")
        expect("photo.jpg")
        try FileManager.default.removeItem(atPath: folder.path + "/train/cat/photo.jpg")
        try folder.write(Array("no image".utf8), "test/dog/broken.png")
        expect("test/dog/broken.png")
        try folder.write(
            png(width: 60_000, height: 60_000, depth: 8, color: 0, rows: [0]), "test/dog/broken.png")
        expect("60000x60000")
        var lenient = ImageFolder(name: "pets", location: folder.path)
        lenient.unreadable = .skip
        let dataset = try lenient.load()
        #expect(dataset.test?.count == 2)
        #expect(dataset.skipped.count == 1 && dataset.skipped[0].contains("broken.png"))
        try FileManager.default.removeItem(atPath: folder.path + "/test/dog")
        expect("dog")
    }

    @Test func readsIDXFoldersPlainAndGzip() throws {
        let images = idx([3, 2, 2], (0..<12).map { UInt8($0) })
        let labels = idx([3], [2, 0, 1])
        let folder = try TemporaryFolder()
        try folder.write(images, "a/train-images-idx3-ubyte")
        try folder.write(gzip(labels), "a/train-labels-idx1-ubyte.gz")
        try folder.write(gzip(images), "a/t10k-images-idx3-ubyte.gz")
        try folder.write(labels, "a/t10k-labels-idx1-ubyte")
        let catalog = DatasetCatalog(roots: [folder.path])
        let dataset = try catalog.load("a")
        #expect(dataset.labels == ["0", "1", "2"])
        #expect(dataset.train.targets == [2, 0, 1])
        #expect(dataset.test?.pixels == dataset.train.pixels)
        #expect(catalog.entries().map(\.name) == ["a"])
        #expect(catalog.entries().first?.trainImages == 3)

        try folder.write(idx([2], [2, 0]), "a/t10k-labels-idx1-ubyte")
        let error = #expect(throws: DatasetError.self) { try catalog.load("a") }
        #expect(error?.description.contains("3 images") == true)
        try folder.write(Array(gzip(images).dropLast()), "a/t10k-images-idx3-ubyte.gz")
        let truncated = #expect(throws: DatasetError.self) { try catalog.load("a") }
        #expect(
            truncated?.description.contains(
                "t10k-images-idx3-ubyte.gz is damaged at byte \(gzip(images).count - 1)") == true)
    }

    @Test func unknownNamesListTheCloseOnes() throws {
        let folder = try tree()
        let root = (folder.path as NSString).deletingLastPathComponent
        let name = (folder.path as NSString).lastPathComponent
        let catalog = DatasetCatalog(roots: [root])
        #expect(try catalog.load(name).labels == ["cat", "dog"])
        let wrong = String(name.dropLast()) + "?"
        let error = #expect(throws: DatasetError.self) { try catalog.load(wrong) }
        #expect(error?.description.contains(name) == true)
        #expect(throws: DatasetError.self) { try catalog.load(root + "/nowhere") }
    }

    @Test func hashCoversEverything() throws {
        let base = patches(train: 8, test: 4)
        func changed(_ labels: [String]? = nil, train: LabelledImages? = nil, test: LabelledImages?? = nil)
            -> [UInt8]
        {
            Dataset(
                name: "other name", location: "elsewhere", format: .png, labels: labels ?? base.labels,
                train: train ?? base.train, test: test ?? base.test
            ).contentHash()
        }
        #expect(changed() == base.contentHash())
        #expect(changed(["patch 0", "patch 1", "patch 2", "patch 4"]) != base.contentHash())
        #expect(changed(train: base.train.subset([1, 0, 2, 3, 4, 5, 6, 7])) != base.contentHash())
        #expect(changed(train: base.train.relabelled([1, 0, 2, 3])) != base.contentHash())
        #expect(changed(test: .some(nil)) != base.contentHash())
    }
}
