import Foundation
import Images

/// Reads a tree of PNG files with one folder per class.
///
/// Either `train/CLASS/*.png` with an optional `test/CLASS/*.png`, or `CLASS/*.png` alone. Classes are the
/// folders in byte order, unless a file `labels.txt` beside them lists the folders line by line, each
/// with an optional tab and the name to show.
public struct ImageFolder: Sendable {
    /// What to do with a file that cannot be decoded.
    public enum Unreadable: String, Sendable, CaseIterable { case stop, skip }

    public var name: String
    public var location: String
    /// The geometry that every image is brought to; nil means that of the first image, in colour if any image is.
    public var geometry: ImageGeometry?
    public var unreadable: Unreadable

    public init(
        name: String, location: String, geometry: ImageGeometry? = nil, unreadable: Unreadable = .stop
    ) {
        self.name = name
        self.location = location
        self.geometry = geometry
        self.unreadable = unreadable
    }

    /// Reads all images.
    public func load() throws(DatasetError) -> Dataset {
        let hasParts = HostFile.isDirectory(location + "/train")
        let trainRoot = hasParts ? location + "/train" : location
        let classes = try classes(in: trainRoot)
        let trainFiles = try files(of: classes, in: trainRoot)
        let testRoot = location + "/test"
        let testFiles =
            hasParts && HostFile.isDirectory(testRoot) ? try self.testFiles(of: classes, in: testRoot) : nil

        let target: ImageGeometry
        if let geometry { target = geometry } else { target = try commonGeometry(trainFiles) }
        var skipped: [String] = []
        let train = try load(trainFiles, as: target, skipped: &skipped)
        var test: LabelledImages?
        if let testFiles { test = try load(testFiles, as: target, skipped: &skipped) }
        return Dataset(
            name: name, location: location, format: .png, labels: classes.map(\.label), train: train,
            test: test, skipped: skipped)
    }

    /// The number of PNG files per part and the names of the classes, without decoding anything.
    func summary() throws(DatasetError) -> (train: Int, test: Int, labels: [String], first: String) {
        let hasParts = HostFile.isDirectory(location + "/train")
        let trainRoot = hasParts ? location + "/train" : location
        let classes = try classes(in: trainRoot)
        let train = try files(of: classes, in: trainRoot)
        let testRoot = location + "/test"
        let test =
            hasParts && HostFile.isDirectory(testRoot) ? try testFiles(of: classes, in: testRoot).count : 0
        return (train.count, test, classes.map(\.label), train[0].path)
    }

    struct Class: Equatable {
        let folder: String
        let label: String
    }

    struct File {
        let path: String
        let target: UInt8
    }

    // MARK: The tree

    private func classes(in root: String) throws(DatasetError) -> [Class] {
        let folders = try HostFile.names(in: root).filter { HostFile.isDirectory(root + "/" + $0) }
        guard !folders.isEmpty else {
            throw .invalid(
                location: root, reason: "it has no folders; expected one folder of PNG files per class")
        }
        guard folders.count <= 256 else {
            throw .invalid(
                location: root, reason: "it has \(folders.count) class folders; at most 256 are supported")
        }
        let list = location + "/labels.txt"
        guard HostFile.exists(list) else { return folders.map { Class(folder: $0, label: $0) } }
        let classes = LabelFile.lines(try HostFile.read(list, limit: 1 << 20)).map { line in
            let fields = line.split(separator: "\t", maxSplits: 1).map(String.init)
            return Class(folder: fields[0], label: fields.count > 1 ? fields[1] : fields[0])
        }
        let listed = classes.map(\.folder)
        if let missing = listed.first(where: { !folders.contains($0) }) {
            throw .invalid(
                location: root, reason: "labels.txt names the class folder “\(missing)”, which is not there")
        }
        if let extra = folders.first(where: { !listed.contains($0) }) {
            throw .invalid(location: root, reason: "the class folder “\(extra)” is not listed in labels.txt")
        }
        guard Set(listed).count == listed.count else {
            throw .invalid(location: list, reason: "a class folder is listed twice")
        }
        return classes
    }

    private func files(of classes: [Class], in root: String) throws(DatasetError) -> [File] {
        var files: [File] = []
        for (index, entry) in classes.enumerated() {
            let folder = root + "/" + entry.folder
            let names = try HostFile.names(in: folder)
            if let other = names.first(where: ImageFolder.isOtherImage) {
                throw .corrupt(
                    file: folder + "/" + other, offset: nil,
                    reason: "only PNG images are read; convert it or move it away")
            }
            let images = names.filter { $0.lowercased().hasSuffix(".png") }
            guard !images.isEmpty else {
                throw .invalid(
                    location: folder,
                    reason: "the class folder holds no PNG files; add images or remove the folder")
            }
            files += images.map { File(path: folder + "/" + $0, target: UInt8(index)) }
        }
        return files
    }

    private func testFiles(of classes: [Class], in root: String) throws(DatasetError) -> [File] {
        let folders = try HostFile.names(in: root).filter { HostFile.isDirectory(root + "/" + $0) }
        if let extra = folders.first(where: { folder in !classes.contains { $0.folder == folder } }) {
            throw .invalid(
                location: root, reason: "the test class “\(extra)” has no folder in the training part")
        }
        if let missing = classes.first(where: { !folders.contains($0.folder) }) {
            throw .invalid(
                location: root, reason: "the class “\(missing.folder)” has no folder in the test part")
        }
        return try files(of: classes, in: root)
    }

    private static func isOtherImage(_ name: String) -> Bool {
        ["jpg", "jpeg", "gif", "bmp", "webp", "tif", "tiff"].contains(
            (name as NSString).pathExtension.lowercased())
    }

    // MARK: The images

    /// The size of the first readable image, in colour when any image has colour.
    private func commonGeometry(_ files: [File]) throws(DatasetError) -> ImageGeometry {
        var first: ImageGeometry?
        var channels = 1
        for file in files {
            do {
                let bytes = try HostFile.read(file.path, limit: PNGFile.maximumFileBytes)
                let found = try named(file.path, PNGFile.geometry, bytes)
                first = first ?? found
                channels = max(channels, found.channels)
            } catch {
                if unreadable == .stop { throw error }
            }
        }
        guard let first else { throw .invalid(location: location, reason: "none of its images can be read") }
        return ImageGeometry(height: first.height, width: first.width, channels: channels)
    }

    private func load(
        _ files: [File], as target: ImageGeometry, skipped: inout [String]
    ) throws(DatasetError) -> LabelledImages {
        var pixels: [UInt8] = []
        pixels.reserveCapacity(files.count * target.byteCount)
        var targets: [UInt8] = []
        for file in files {
            do {
                let image = try ImageFolder.image(file.path, as: target)
                pixels += image
                targets.append(file.target)
            } catch {
                if unreadable == .stop { throw error }
                skipped.append(error.description)
            }
        }
        return LabelledImages(geometry: target, pixels: pixels, targets: targets)
    }

    /// The pixels of one PNG file, brought to `target`.
    public static func image(_ path: String, as target: ImageGeometry) throws(DatasetError) -> [UInt8] {
        let bytes = try HostFile.read(path, limit: PNGFile.maximumFileBytes)
        let image = try named(path, PNGFile.decode, bytes)
        return image.fitted(width: target.width, height: target.height, channels: target.channels).pixels
    }
}

/// Runs a parser and puts the name of the file into its error.
func named<Result>(
    _ file: String, _ parse: ([UInt8]) throws(DataFormatError) -> Result, _ bytes: [UInt8]
) throws(DatasetError) -> Result {
    do {
        return try parse(bytes)
    } catch {
        throw .corrupt(file: file, offset: error.offset, reason: error.reason)
    }
}
