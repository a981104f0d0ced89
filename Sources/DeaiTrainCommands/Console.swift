import Foundation
import Synchronization

/// Where commands write: results on standard output, progress and diagnostics on standard error.
public enum Console {
    /// Whether standard error is a terminal, so that progress may be redrawn in place.
    public static let showsProgress = isatty(STDERR_FILENO) == 1

    /// Why a result did not get to standard output; a reader that has left is no failure.
    static let resultFailure = Mutex<String?>(nil)

    /// Writes one line of the result to standard output.
    public static func result(_ line: String) {
        let error = writeLine(line, to: STDOUT_FILENO)
        guard error != 0, error != EPIPE else { return }
        resultFailure.withLock { $0 = $0 ?? String(cString: strerror(error)) }
    }

    /// Gives standard descriptors that are closed to /dev/null, so that no file of a command gets their numbers.
    ///
    /// It is opened for reading: what is written to a closed standard output still fails.
    static func holdStandardDescriptors() {
        for descriptor in STDIN_FILENO...STDERR_FILENO where fcntl(descriptor, F_GETFD) < 0 {
            _ = open("/dev/null", O_RDONLY)
        }
    }

    /// Writes one diagnostic line to standard error.
    public static func note(_ line: String) {
        writeLine(line, to: STDERR_FILENO)
    }

    /// A terminal gets no control characters: names and texts out of files and from peers might steer it.
    ///
    /// Returns errno where not all could be written, else 0.
    @discardableResult
    private static func writeLine(_ line: String, to descriptor: Int32) -> Int32 {
        write((isatty(descriptor) == 1 ? printable(line) : line) + "\n", to: descriptor)
    }

    /// The text with � in place of control characters other than the end of a line and the tabulator.
    public static func printable(_ text: String) -> String {
        guard text.unicodeScalars.contains(where: steers) else { return text }
        var result = String.UnicodeScalarView()
        for scalar in text.unicodeScalars { result.append(steers(scalar) ? "\u{FFFD}" : scalar) }
        return String(result)
    }

    private static func steers(_ scalar: Unicode.Scalar) -> Bool {
        scalar.properties.generalCategory == .control && scalar != "\n" && scalar != "\t"
    }

    /// Writes one JSON Lines record with sorted keys to standard output.
    public static func json(_ record: some Encodable) {
        let encoder = JSONEncoder()
        encoder.outputFormatting = [.sortedKeys, .withoutEscapingSlashes]
        guard let bytes = try? encoder.encode(record) else { return }
        result(String(decoding: bytes, as: UTF8.self))
    }

    /// Width of the terminal in columns, 80 where it is unknown.
    public static var columns: Int {
        var size = winsize()
        guard ioctl(STDERR_FILENO, UInt(TIOCGWINSZ), &size) == 0, size.ws_col > 0 else { return 80 }
        return Int(size.ws_col)
    }

    /// Standard descriptors that were closed and that the runtime took for its own events before the program began.
    private static let taken = (STDIN_FILENO...STDERR_FILENO).filter { descriptor in
        let target = try? FileManager.default.destinationOfSymbolicLink(atPath: "/proc/self/fd/\(descriptor)")
        return target?.hasPrefix("anon_inode:") == true
    }

    /// Returns errno where not all could be written, else 0.
    @discardableResult
    static func write(_ text: String, to descriptor: Int32) -> Int32 {
        if taken.contains(descriptor) { return EBADF }
        var bytes = Array(text.utf8)[...]
        while !bytes.isEmpty {
            let written = bytes.withUnsafeBytes { Foundation.write(descriptor, $0.baseAddress, $0.count) }
            if written < 0 && errno == EINTR { continue }
            guard written > 0 else { return written < 0 ? errno : EIO }
            bytes = bytes.dropFirst(written)
        }
        return 0
    }
}

/// A progress line on a terminal, redrawn at most ten times a second; silent elsewhere.
public final class ProgressBar: Sendable {
    private let title: String
    private let unit: String
    private let enabled: Bool
    private let start = ContinuousClock.now
    private let lastDraw = Mutex<ContinuousClock.Instant?>(nil)

    /// - Parameters:
    ///   - title: what is going on, at the left of the line.
    ///   - unit: what is counted, e.g. `images` or `MB`.
    public init(_ title: String, unit: String, enabled: Bool = Console.showsProgress) {
        self.title = title
        self.unit = unit
        self.enabled = enabled
    }

    /// Shows `done` of `total` units, the rate since the start and the time that is left.
    public func update(_ done: Double, of total: Double, detail: String = "") {
        guard enabled else { return }
        let now = ContinuousClock.now
        let due = lastDraw.withLock { last in
            if let last, now - last < .milliseconds(100), done < total { return false }
            last = now
            return true
        }
        guard due else { return }
        let line = Self.line(
            title: title, unit: unit, done: done, total: total, seconds: (now - start) / .seconds(1),
            detail: detail, columns: Console.columns)
        Console.write("\r\u{1B}[2K" + line, to: STDERR_FILENO)
    }

    /// Removes the line, so that what is printed next stands alone.
    public func clear() {
        guard enabled else { return }
        Console.write("\r\u{1B}[2K", to: STDERR_FILENO)
    }

    /// The text of a progress line of at most `columns - 1` characters.
    public static func line(
        title: String, unit: String, done: Double, total: Double, seconds: Double, detail: String,
        columns: Int
    ) -> String {
        let fraction = total > 0 ? min(max(done / total, 0), 1) : 0
        let rate = seconds > 0 ? done / seconds : 0
        let left = rate > 0 ? max(total - done, 0) / rate : .infinity
        let tail = " \(percent(fraction)) \(quantity(rate)) \(unit)/s ETA \(duration(left))"
            + (detail.isEmpty ? "" : "  " + detail)
        let width = max(min(columns - 1 - title.count - tail.count - 3, 30), 0)
        let filled = Int((Double(width) * fraction).rounded(.down))
        let bar = width > 4
            ? " [" + String(repeating: "#", count: filled) + String(repeating: ".", count: width - filled) + "]"
            : ""
        return String((title + bar + tail).prefix(max(columns - 1, 0)))
    }

    static func percent(_ fraction: Double) -> String {
        let digits = String(Int((fraction * 100).rounded(.down)))
        return String(repeating: " ", count: max(0, 3 - digits.count)) + digits + "%"
    }

    /// A number with three significant digits or, from 1,000 on, with thousands separators.
    public static func quantity(_ value: Double) -> String {
        guard value.isFinite else { return "-" }
        if value < 10 { return String(format: "%.2f", value) }
        if value < 100 { return String(format: "%.1f", value) }
        return grouped(Int(value.rounded()))
    }

    /// An integer with commas between groups of three digits.
    public static func grouped(_ value: Int) -> String {
        let digits = Array(String(value.magnitude))
        var text = value < 0 ? "-" : ""
        for (index, digit) in digits.enumerated() {
            if index > 0 && (digits.count - index) % 3 == 0 { text.append(",") }
            text.append(digit)
        }
        return text
    }

    /// Seconds as `42s`, `3m05s` or `1h02m`; `-` where unknown.
    public static func duration(_ seconds: Double) -> String {
        guard seconds.isFinite else { return "-" }
        let whole = Int(seconds.rounded(.up))
        if whole < 60 { return "\(whole)s" }
        if whole < 3600 { return String(format: "%dm%02ds", whole / 60, whole % 60) }
        return String(format: "%dh%02dm", whole / 3600, whole % 3600 / 60)
    }
}
