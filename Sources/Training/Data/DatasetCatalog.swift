import Foundation

/// Finds data sets by name in a list of folders, or at a path.
public struct DatasetCatalog: Sendable {
    /// The folders searched, first match wins.
    public let roots: [String]

    public init(roots: [String]) {
        self.roots = roots
    }

    /// The folders of DEAI_DATASETS (separated by colons), `datasets` here, and where Debian puts data sets.
    public static func standard(environment: [String: String] = ProcessInfo.processInfo.environment)
        -> DatasetCatalog
    {
        let own = (environment["DEAI_DATASETS"] ?? "").split(separator: ":").map(String.init)
        return DatasetCatalog(roots: own + ["datasets", "/usr/local/share/datasets", "/usr/share/datasets"])
    }

    /// What a listing says about one data set.
    public struct Entry: Sendable, Equatable, Codable {
        public let name: String
        public let location: String
        /// Nil when `problem` says why the folder cannot be used.
        public let format: Dataset.Format?
        public let trainImages: Int
        public let testImages: Int
        public let geometry: ImageGeometry?
        public let classes: Int
        public let problem: String?
    }

    /// Every folder below the roots that looks like a data set, by name within each root.
    ///
    /// A name that an earlier root already has is hidden, as it is when loading.
    public func entries() -> [Entry] {
        var seen = Set<String>()
        var entries: [Entry] = []
        for root in roots {
            guard let names = try? HostFile.names(in: root) else { continue }
            for name in names where HostFile.isDirectory(root + "/" + name) && !seen.contains(name) {
                guard let entry = entry(name: name, location: root + "/" + name) else { continue }
                seen.insert(name)
                entries.append(entry)
            }
        }
        return entries
    }

    /// Where the data set called `name` is: a path as it stands, a name below the first root that has it.
    public func locate(_ name: String) throws(DatasetError) -> (name: String, location: String) {
        if name.contains("/") || name == "." || name == ".." {
            guard HostFile.isDirectory(name) else {
                if HostFile.exists(name) { throw .invalid(location: name, reason: "it is a file, not a folder") }
                throw .unreadable(file: name, reason: "there is no such folder")
            }
            let trimmed = (name as NSString).standardizingPath
            return ((trimmed as NSString).lastPathComponent, trimmed)
        }
        for root in roots where HostFile.isDirectory(root + "/" + name) {
            return (name, root + "/" + name)
        }
        if HostFile.isDirectory(name) { return (name, name) }
        if HostFile.exists(name) { throw .invalid(location: name, reason: "it is a file, not a folder") }
        let known = entries().map(\.name)
        throw .notFound(name: name, searched: roots, close: CloseNames.suggestions(for: name, among: known))
    }

    /// Reads the data set called `name`.
    ///
    /// `geometry` is what PNG images are resized to (nil: the size of the first); IDX images must have it already.
    public func load(
        _ name: String, geometry: ImageGeometry? = nil, unreadable: ImageFolder.Unreadable = .stop
    ) throws(DatasetError) -> Dataset {
        let (name, location) = try locate(name)
        guard IDXFolder.parts(among: try HostFile.names(in: location)) != nil else {
            return try ImageFolder(name: name, location: location, geometry: geometry, unreadable: unreadable)
                .load()
        }
        let dataset = try IDXFolder(name: name, location: location).load()
        return geometry.map(dataset.fitted(to:)) ?? dataset
    }

    private func entry(name: String, location: String) -> Entry? {
        guard let names = try? HostFile.names(in: location) else { return nil }
        do {
            if IDXFolder.parts(among: names) != nil {
                let summary = try IDXFolder(name: name, location: location).summary()
                return Entry(
                    name: name, location: location, format: .idx, trainImages: summary.train,
                    testImages: summary.test, geometry: summary.geometry, classes: summary.labels.count,
                    problem: nil)
            }
            guard names.contains(where: { HostFile.isDirectory(location + "/" + $0) }) else { return nil }
            let summary = try ImageFolder(name: name, location: location).summary()
            let first = try HostFile.read(summary.first, limit: PNGFile.maximumFileBytes)
            return Entry(
                name: name, location: location, format: .png, trainImages: summary.train,
                testImages: summary.test, geometry: try named(summary.first, PNGFile.geometry, first),
                classes: summary.labels.count, problem: nil)
        } catch {
            return Entry(
                name: name, location: location, format: nil, trainImages: 0, testImages: 0, geometry: nil,
                classes: 0, problem: "\(error)")
        }
    }
}
