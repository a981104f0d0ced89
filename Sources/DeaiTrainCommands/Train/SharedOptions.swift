import ArgumentParser
import Export
import Foundation
import Inference
import Kernels
import Training

/// The number of threads, on every command that computes.
struct ThreadOptions: ParsableArguments {
    @Option(help: "Number of threads; the result does not depend on it. Default: one per core.")
    var threads: Int?

    func validate() throws {
        if let threads, !(1...1024).contains(threads) {
            throw ValidationError("--threads must be between 1 and 1024, found \(threads).")
        }
    }

    var workers: Workers { workers(processes: 1) }

    /// - Parameter processes: how many compute on this machine; by default they share its cores.
    func workers(processes: Int) -> Workers {
        let info = ProcessInfo.processInfo
        // The cores that this process may use can be its share already.
        return .threads(threads ?? max(1, min(info.activeProcessorCount, info.processorCount / processes)))
    }
}

/// How a PNG tree is read.
struct ImageOptions: ParsableArguments {
    @Option(
        help:
            "Bring PNG images to HEIGHTxWIDTH or HEIGHTxWIDTHxCHANNELS. Default: the size of the first image."
    )
    var input: ImageGeometry?

    @Flag(help: "Leave out images that cannot be read (each is named) instead of stopping.")
    var skipUnreadable = false

    var unreadable: ImageFolder.Unreadable { skipUnreadable ? .skip : .stop }
}

extension ImageGeometry: ExpressibleByArgument {
    /// `28x28`, `28x28x1` or `32x32x3`.
    public init?(argument: String) {
        let sizes = argument.split(separator: "x", omittingEmptySubsequences: false).map { Int($0) }
        guard (2...3).contains(sizes.count), let height = sizes[0], let width = sizes[1] else { return nil }
        let channels = sizes.count == 3 ? sizes[2] : 1
        guard let channels, (1...4096).contains(height), (1...4096).contains(width),
            [1, 3].contains(channels)
        else { return nil }
        self.init(height: height, width: width, channels: channels)
    }
}

/// Reads a data set, says which files were left out, and checks that there is what is asked for.
func loadDataset(
    _ name: String, geometry: ImageGeometry? = nil, unreadable: ImageFolder.Unreadable = .stop, silently: Bool = false
) throws -> Dataset {
    let dataset = try DatasetCatalog.standard().load(name, geometry: geometry, unreadable: unreadable)
    if silently { return dataset }
    for reason in dataset.skipped { Console.note("left out: " + reason) }
    return dataset
}

/// Reads the data set of a run again, from the folder it was in or, when that is gone, by its name.
func loadDataset(
    of configuration: RunConfiguration, orNamed name: String?, silently: Bool = false
) throws -> Dataset {
    let record = configuration.dataset
    let isThere = FileManager.default.fileExists(atPath: record.location)
    return try loadDataset(
        name ?? (isThere ? record.location : record.name), geometry: configuration.network.input,
        unreadable: configuration.unreadable, silently: silently)
}

/// Reads the data set that a model is measured on, as the run did that it comes from.
func loadDataset(for model: QuantizedModel, named name: String) throws -> Dataset {
    try loadDataset(
        name, geometry: model.geometry,
        unreadable: Provenance(model)?.dataset.skipsUnreadable == true ? .skip : .stop)
}

/// A share as a percentage with two digits.
func percentage(_ fraction: Double) -> String { String(format: "%.2f %%", fraction * 100) }

/// Rows of a table with columns padded to equal width, numbers to the right.
func table(_ rows: [[String]], rightAligned: Set<Int>) -> [String] {
    let columns = rows.map(\.count).max() ?? 0
    let widths = (0..<columns).map { column in
        rows.map { column < $0.count ? $0[column].count : 0 }.max() ?? 0
    }
    return rows.map { row in
        let cells = row.enumerated().map { column, text in
            let space = String(repeating: " ", count: widths[column] - text.count)
            return rightAligned.contains(column) ? space + text : text + space
        }
        let line = cells.joined(separator: "  ")
        return String(line.reversed().drop { $0 == " " }.reversed())
    }
}
