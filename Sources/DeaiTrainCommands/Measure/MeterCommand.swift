import ArgumentParser
import Emulator
import Foundation
import InternetComputer

/// `deai-train meter`: what one method of a module costs, to the exact instruction.
package struct MeterCommand: AsyncParsableCommand {
    package static let configuration = CommandConfiguration(
        commandName: "meter",
        abstract: "Count the instructions, changed pages and cycles of one method of a Wasm module.",
        discussion: """
            Installs the module in a throw-away canister, runs the exported function once and prints what the \
            Internet Computer would charge. A method that traps is measured up to its trap and ends with code 0. \
            With --repeat, a query is then answered that many times in-process, on all processors, and timed. With \
            --overhead, the instrumentation of the module is timed and, where it imports nothing, the method with and \
            without it.
            """)

    @Argument(help: "A module: .wasm, gzip-ed .wasm, or .wat when wat2wasm of wabt is installed.")
    var module: String

    @Option(help: "The export to run, for instance \"canister_update test\".")
    var method: String

    @Option(help: "Argument of the method, in hexadecimal digits.")
    var argHex = ""

    @Option(help: "Argument of canister_init, in hexadecimal digits.")
    var initArgHex = ""

    @Option(help: "How the method is called: update, query or inspect. By default what the export's name says.")
    var mode: Meter.Mode?

    @Option(help: "How often to answer the query, to measure how many a second there are.")
    var `repeat`: Int?

    @Flag(help: "Time the instrumentation of the module, and the method with and without it.")
    var overhead = false

    @Flag(help: "One JSON object on standard output.")
    var json = false

    package init() {}

    package func validate() throws {
        for (name, text) in [("--arg-hex", argHex), ("--init-arg-hex", initArgHex)] where Self.bytes(hex: text) == nil {
            throw ValidationError("\(name) must be an even number of hexadecimal digits")
        }
        if let count = `repeat` {
            guard method.hasPrefix("canister_query ") else { throw ValidationError("--repeat is for a canister_query") }
            guard count > 0, count <= 100_000_000 else {
                throw ValidationError("--repeat must be between 1 and 100000000")
            }
        }
    }

    package func run() async throws {
        let row = try measure()
        if json { Console.json(row) } else { for line in row.lines { Console.result(line) } }
        if overhead {
            let overhead = try measureOverhead()
            if json { Console.json(overhead) } else { Console.result(overhead.line) }
        }
        guard let count = `repeat` else { return }
        let rate = try await measureRate(count)
        if json { Console.json(rate) } else { Console.result(rate.line) }
    }

    /// Queries a second in-process; the names are those of the JSON output.
    struct Rate: Encodable {
        let queries: Int
        let threads: Int
        let queries_per_second: Double
        let processor_microseconds_per_query: Double

        var line: String {
            let rate = ProgressBar.grouped(Int(queries_per_second))
            let microseconds = String(format: "%.2f", processor_microseconds_per_query)
            return "\(rate) queries a second on \(threads) threads, \(microseconds) us of processor time each"
        }
    }

    /// What metering costs here; the names are those of the JSON output.
    struct Overhead: Encodable {
        let instrumentation_megabytes_per_second: Double
        let plain_seconds: Double?
        let metered_seconds: Double?
        let ratio: Double?

        init(_ measured: MeteringOverhead) {
            func rounded(_ value: Double, _ steps: Double) -> Double { (value * steps).rounded() / steps }
            instrumentation_megabytes_per_second = rounded(Double(measured.bytes) / 1e6 / measured.passSeconds, 10)
            plain_seconds = measured.callSeconds.map { rounded($0.plain, 1e6) }
            metered_seconds = measured.callSeconds.map { rounded($0.metered, 1e6) }
            ratio = measured.callSeconds.map { rounded($0.metered / $0.plain, 1000) }
        }

        var line: String {
            let pass = String(format: "instrumented at %.0f MB/s", instrumentation_megabytes_per_second)
            guard let plain_seconds, let metered_seconds, let ratio else { return pass }
            return pass + String(
                format: "; %.3f s of processor time unmetered, %.3f s metered: %.2f times", plain_seconds,
                metered_seconds, ratio)
        }
    }

    private func measureOverhead() throws -> Overhead {
        do {
            return Overhead(try MeteringOverhead.measure(try Self.load(module), export: method, rounds: 5))
        } catch let error as WasmError {
            throw CommandFailure(.badData, "\(module): \(error)")
        } catch let error as Rejection {
            throw CommandFailure(.failure, "\(module): \(error.error.text) \(error.message)")
        } catch let error as EngineError {
            throw CommandFailure(.unavailable, "\(error)")
        }
    }

    private func measureRate(_ count: Int) async throws -> Rate {
        do {
            let rate = try await QueryRate.measure(
                try Self.load(module), method: String(method.dropFirst("canister_query ".count)),
                argument: Self.bytes(hex: argHex) ?? [], initArgument: Self.bytes(hex: initArgHex) ?? [], count: count)
            return Rate(
                queries: rate.queries, threads: rate.threads,
                queries_per_second: (Double(rate.queries) / rate.seconds).rounded(),
                processor_microseconds_per_query: rate.processorSeconds / Double(rate.queries) * 1e6)
        } catch let error as Rejection {
            throw CommandFailure(.failure, "\(module): \(error.error.text) \(error.message)")
        } catch let error as EngineError {
            throw CommandFailure(.unavailable, "\(error)")
        }
    }

    /// One measurement; the names are those of the JSON output.
    package struct Row: Encodable, Equatable {
        package let method: String
        package let mode: String
        package let instructions: UInt64
        package let slices: Int
        package let dirty_pages: Int
        package let cycles: UInt64
        package let install_instructions: UInt64
        package let reply_hex: String?
        package let error_code: String?
        package let reject_code: UInt32?
        package let reject_message: String?

        /// What a person reads.
        package var lines: [String] {
            func counted(_ count: Int, _ unit: String) -> String { "\(count) \(unit)\(count == 1 ? "" : "s")" }
            let answer =
                if let reply_hex { "reply \(reply_hex.isEmpty ? "(empty)" : reply_hex)" } else {
                    "\(error_code ?? ""): \(reject_message ?? "")"
                }
            return [
                "\(method) as \(mode): \(Console.number(instructions)) instructions in \(counted(slices, "slice")), "
                    + "\(counted(dirty_pages, "changed page")), \(Console.number(cycles)) cycles",
                answer,
            ]
        }
    }

    /// Runs the measurement that the options describe.
    package func measure() throws -> Row {
        let mode = mode ?? Self.mode(ofExport: method)
        let report: Meter.Report
        do {
            let meter = try Meter(configuration: SubnetConfiguration(subnetID: .anonymous))
            report = try meter.measure(
                try Self.load(module), export: method, argument: Self.bytes(hex: argHex) ?? [],
                initArgument: Self.bytes(hex: initArgHex) ?? [], mode: mode)
        } catch let error as WasmError {
            throw CommandFailure(.badData, "\(module): \(error)")
        } catch let error as Rejection {
            throw CommandFailure(.failure, "\(module): the installation failed: \(error.error.text) \(error.message)")
        } catch let error as EngineError {
            throw CommandFailure(.unavailable, "\(error)")
        }
        if let rejection = report.rejection, rejection.message.hasSuffix("no exported function \(method)") {
            throw CommandFailure(
                .usage, "\(module) exports no function “\(method)”; exports are named as in \"canister_update test\"")
        }
        return Row(
            method: method, mode: mode.rawValue, instructions: report.instructions, slices: report.slices,
            dirty_pages: report.dirtyPages, cycles: UInt64(clamping: report.cycles),
            install_instructions: report.installInstructions, reply_hex: report.reply.map(Self.hex),
            error_code: report.rejection?.error.text, reject_code: report.rejection?.reject.rawValue,
            reject_message: report.rejection?.message)
    }

    /// What an export's name says about the way it is called.
    static func mode(ofExport name: String) -> Meter.Mode {
        if name.hasPrefix("canister_query ") || name.hasPrefix("canister_composite_query ") { return .query }
        return name == "canister_inspect_message" ? .inspect : .update
    }

    // MARK: Input

    /// The bytes of a module file; text format goes through wat2wasm.
    private static func load(_ path: String) throws -> [UInt8] {
        if path.hasSuffix(".wat") || path.hasSuffix(".wast") { return try assemble(path) }
        do { return [UInt8](try Data(contentsOf: URL(fileURLWithPath: path))) } catch {
            throw CommandFailure(.inputOutput, "\(path): the module cannot be read: \(error.localizedDescription)")
        }
    }

    private static func assemble(_ path: String) throws -> [UInt8] {
        let output = FileManager.default.temporaryDirectory.appendingPathComponent("deai-meter-\(UUID().uuidString).wasm")
        defer { try? FileManager.default.removeItem(at: output) }
        let process = Process()
        process.executableURL = URL(fileURLWithPath: "/usr/bin/env")
        process.arguments = ["wat2wasm", "--enable-all", path, "-o", output.path]
        let errors = Pipe()
        process.standardError = errors
        do { try process.run() } catch {
            throw CommandFailure(.unavailable, "\(path): wat2wasm cannot be started: \(error.localizedDescription)")
        }
        let text = String(decoding: errors.fileHandleForReading.readDataToEndOfFile(), as: UTF8.self)
        process.waitUntilExit()
        // env(1) answers 127 when there is no such program.
        guard process.terminationStatus != 127 else {
            throw CommandFailure(
                .unavailable, "\(path): text modules need wat2wasm; install the package wabt, or give a .wasm file.")
        }
        guard process.terminationStatus == 0, let data = try? Data(contentsOf: output) else {
            throw CommandFailure(.badData, "\(path): wat2wasm refused it: \(text.split(separator: "\n").first ?? "")")
        }
        return [UInt8](data)
    }

    static func bytes(hex text: String) -> [UInt8]? {
        let digits = text.utf8.map { Character(UnicodeScalar($0)).hexDigitValue }
        guard digits.count % 2 == 0 else { return nil }
        var bytes: [UInt8] = []
        for index in stride(from: 0, to: digits.count, by: 2) {
            guard let high = digits[index], let low = digits[index + 1] else { return nil }
            bytes.append(UInt8(high << 4 | low))
        }
        return bytes
    }

    private static func hex(_ bytes: [UInt8]) -> String {
        bytes.map { String($0 >> 4, radix: 16) + String($0 & 15, radix: 16) }.joined()
    }
}

extension Meter.Mode: ExpressibleByArgument {}

extension Console {
    fileprivate static func number(_ value: UInt64) -> String { ProgressBar.grouped(Int(clamping: value)) }
}
