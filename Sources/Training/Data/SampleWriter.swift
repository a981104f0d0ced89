import Digests
import Foundation

/// Writes a small PNG copy of a data set: class folders, labels.txt and the SHA-256 of every file.
public struct SampleWriter: Sendable {
    public var trainPerClass: Int
    public var testPerClass: Int

    public init(trainPerClass: Int, testPerClass: Int) {
        self.trainPerClass = trainPerClass
        self.testPerClass = testPerClass
    }

    /// Writes the first images of every class of `dataset` below `folder`, which must not hold a sample yet.
    ///
    /// A file is called after the position of its image in the source, so that it can be traced.
    /// Returns the number of files written.
    public func write(_ dataset: Dataset, to folder: String) throws -> Int {
        for part in ["train", "test", "labels.txt", "SHA256SUMS"] where HostFile.exists(folder + "/" + part) {
            throw DatasetError.invalid(
                location: folder, reason: "“\(part)” is already there; remove it or choose another folder")
        }
        func makeFolder(_ path: String) throws(RunError) {
            do {
                try FileManager.default.createDirectory(atPath: path, withIntermediateDirectories: true)
            } catch {
                let isFile = HostFile.exists(path) && !HostFile.isDirectory(path)
                throw .notWritten(
                    file: path,
                    reason: isFile ? "it is a file, not a folder" : "the folder cannot be made (\(HostFile.lastError()))")
            }
        }
        var sums: [String] = []
        func put(_ bytes: [UInt8], at path: String) throws {
            try AtomicFile.write(bytes, to: folder + "/" + path, durable: false)
            sums.append(hexadecimal(SHA256.hash(bytes)) + "  " + path)
        }
        let folders = SampleWriter.folderNames(dataset.labels)
        let lines = zip(folders, dataset.labels).map { $0 + "\t" + $1 + "\n" }
        try makeFolder(folder)
        try put(Array(lines.joined().utf8), at: "labels.txt")
        let parts = [("test", dataset.test, testPerClass), ("train", dataset.train, trainPerClass)]
        for (part, images, perClass) in parts {
            guard let images, perClass > 0 else { continue }
            for (target, name) in folders.enumerated() {
                try makeFolder(folder + "/" + part + "/" + name)
                let chosen = images.targets.indices.lazy.filter { Int(images.targets[$0]) == target }.prefix(
                    perClass)
                for index in chosen {
                    let size = images.geometry.byteCount
                    let png = try PNGFile.encode(
                        images.pixels[(index * size)..<((index + 1) * size)], geometry: images.geometry)
                    let number = String(index)
                    let padded = String(repeating: "0", count: max(0, 5 - number.count)) + number
                    try put(png, at: "\(part)/\(name)/\(padded).png")
                }
            }
        }
        let text = sums.map { $0 + "\n" }.joined()
        try AtomicFile.write(Array(text.utf8), to: folder + "/SHA256SUMS", durable: false)
        return sums.count
    }

    /// Labels as folder names: lower-case letters, digits and hyphens, made distinct by number.
    static func folderNames(_ labels: [String]) -> [String] {
        var used = Set<String>()
        return labels.enumerated().map { index, label in
            let words = label.lowercased().split { !($0.isASCII && ($0.isLetter || $0.isNumber)) }
            var name = words.joined(separator: "-")
            if name.isEmpty || used.contains(name) { name += "\(name.isEmpty ? "" : "-")\(index)" }
            used.insert(name)
            return name
        }
    }
}

/// Lower-case hexadecimal digits.
public func hexadecimal(_ bytes: [UInt8]) -> String {
    String(decoding: Hex.encode(bytes), as: UTF8.self)
}
