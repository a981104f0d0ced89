/// Reads a folder with the IDX files of a training set and, where present, a test set.
///
/// The files are found by how their names begin: `train-images`, `train-labels`, and `t10k-` or `test-` for
/// the test set, plain or `.gz`. Class names come from `labels.txt` (one per line) or are known for the name.
struct IDXFolder {
    let name: String
    let location: String

    /// The names of the files of one part.
    struct Part: Equatable {
        let images: String
        let labels: String
    }

    /// The parts among the files of a folder; nil when there is no training set.
    static func parts(among names: [String]) -> (train: Part, test: Part?)? {
        func find(_ prefixes: [String]) -> String? {
            // Byte order puts a plain file before the same name with .gz.
            names.first { name in prefixes.contains { name.hasPrefix($0) } }
        }
        guard let images = find(["train-images"]), let labels = find(["train-labels"]) else { return nil }
        let test = find(["t10k-images", "test-images"]).flatMap { images in
            find(["t10k-labels", "test-labels"]).map { Part(images: images, labels: $0) }
        }
        return (Part(images: images, labels: labels), test)
    }

    func load() throws(DatasetError) -> Dataset {
        guard let parts = IDXFolder.parts(among: try HostFile.names(in: location)) else {
            throw .invalid(location: location, reason: "expected the files train-images… and train-labels…")
        }
        let train = try load(parts.train)
        var test: LabelledImages?
        if let part = parts.test {
            let images = try load(part)
            guard images.geometry == train.geometry else {
                throw .invalid(
                    location: location,
                    reason: "training images are \(train.geometry), test images \(images.geometry)")
            }
            test = images
        }
        let highest = Int(max(train.targets.max() ?? 0, test?.targets.max() ?? 0))
        let labels = try LabelFile.labels(location: location, name: name, highest: highest)
        return Dataset(
            name: name, location: location, format: .idx, labels: labels, train: train, test: test)
    }

    /// The sizes that the headers promise.
    func summary() throws(DatasetError) -> (train: Int, test: Int, geometry: ImageGeometry, labels: [String])
    {
        guard let parts = IDXFolder.parts(among: try HostFile.names(in: location)) else {
            throw .invalid(location: location, reason: "expected the files train-images… and train-labels…")
        }
        let train = try header(parts.train.images)
        let test = try parts.test.map { part throws(DatasetError) in try header(part.images).count } ?? 0
        let labels = try LabelFile.labels(location: location, name: name, highest: 0)
        return (train.count, test, train.geometry, labels.count > 1 ? labels : [])
    }

    private func header(_ file: String) throws(DatasetError) -> (count: Int, geometry: ImageGeometry) {
        let path = location + "/" + file
        let sizes = try named(path, IDX.sizes(prefixOf:), try HostFile.prefix(path, count: 4096))
        return (sizes[0], try geometry(sizes, path: path))
    }

    private func load(_ part: Part) throws(DatasetError) -> LabelledImages {
        let imagesPath = location + "/" + part.images
        let labelsPath = location + "/" + part.labels
        let images = try read(imagesPath)
        let labels = try read(labelsPath)
        let geometry = try geometry(images.sizes, path: imagesPath)
        guard labels.sizes.count == 1 else {
            throw .corrupt(
                file: labelsPath, offset: 3, reason: "labels have one dimension, found \(labels.sizes.count)")
        }
        guard labels.sizes[0] == images.sizes[0] else {
            throw .invalid(
                location: location,
                reason:
                    "\(part.images) has \(images.sizes[0]) images, \(part.labels) has \(labels.sizes[0]) labels"
            )
        }
        guard images.sizes[0] > 0 else {
            throw .corrupt(file: imagesPath, offset: 4, reason: "it holds no images")
        }
        return LabelledImages(geometry: geometry, pixels: images.elements, targets: labels.elements)
    }

    private func read(_ path: String) throws(DatasetError) -> IDX {
        let bytes = try HostFile.read(path)
        do {
            return try IDX(bytes)
        } catch {
            throw .corrupt(file: path, offset: error.offset, reason: error.reason)
        }
    }

    private func geometry(_ sizes: [Int], path: String) throws(DatasetError) -> ImageGeometry {
        let channels = sizes.count == 4 ? sizes[3] : 1
        guard (3...4).contains(sizes.count), channels == 1 || channels == 3 else {
            throw .corrupt(
                file: path, offset: 3,
                reason:
                    "images have sizes count, height, width and possibly channels (1 or 3), found \(sizes)")
        }
        let limits = PNGFile.limits
        guard (1...limits.maximumHeight).contains(sizes[1]), (1...limits.maximumWidth).contains(sizes[2])
        else {
            throw .corrupt(
                file: path, offset: 8, reason: "images of \(sizes[1])x\(sizes[2]) pixels are not supported")
        }
        return ImageGeometry(height: sizes[1], width: sizes[2], channels: channels)
    }
}

/// The names of classes.
enum LabelFile {
    /// The lines of a text without empty ones.
    static func lines(_ bytes: [UInt8]) -> [String] {
        String(decoding: bytes, as: UTF8.self).split(whereSeparator: \.isNewline).map(String.init)
    }

    /// The names for an IDX folder: from its labels.txt, well known, or the numbers 0 to `highest`.
    static func labels(location: String, name: String, highest: Int) throws(DatasetError) -> [String] {
        let path = location + "/labels.txt"
        var labels = wellKnown[name] ?? []
        if HostFile.exists(path) { labels = lines(try HostFile.read(path, limit: 1 << 20)) }
        if labels.isEmpty { labels = (0...highest).map(String.init) }
        guard highest < labels.count else {
            throw .invalid(
                location: location,
                reason: "a label is \(highest), but there are names for only \(labels.count) classes")
        }
        return labels
    }

    /// Class names that the published data sets document but do not contain.
    static let wellKnown: [String: [String]] = [
        "fashion-mnist": [
            "T-shirt/top", "Trouser", "Pullover", "Dress", "Coat", "Sandal", "Shirt", "Sneaker", "Bag",
            "Ankle boot",
        ],
        "mnist": (0...9).map(String.init),
    ]
}
