import DeaiTrainCommands
import Foundation
import Testing

/// `deai-train meter` on modules in all three forms, against counts that follow from the price table.
@Suite struct MeterCommandTests {
    /// Stores what the performance counter says and replies with it.
    static let text = """
        (module
          (import "ic0" "msg_reply" (func $reply))
          (import "ic0" "msg_reply_data_append" (func $append (param i32 i32)))
          (import "ic0" "msg_arg_data_size" (func $size (result i32)))
          (import "ic0" "performance_counter" (func $counter (param i32) (result i64)))
          (import "ic0" "accept_message" (func $accept))
          (memory 1)
          (func (export "canister_init") (i32.store (i32.const 0) (call $size)))
          (func $answer
            (i64.store (i32.const 8) (call $counter (i32.const 0)))
            (call $append (i32.const 8) (i32.const 8)) (call $reply))
          (func (export "canister_update count") (call $answer))
          (func (export "canister_query count_too") (call $answer))
          (func (export "canister_query init_size") (call $append (i32.const 0) (i32.const 4)) (call $reply))
          (func (export "canister_update fail") unreachable)
          (func (export "canister_inspect_message") (call $accept)))
        """

    static func withModule(_ body: (String) throws -> Void) throws {
        let file = FileManager.default.temporaryDirectory.appendingPathComponent("deai-\(UUID().uuidString).wat")
        try Data(text.utf8).write(to: file)
        defer { try? FileManager.default.removeItem(at: file) }
        try body(file.path)
    }

    static func measure(_ arguments: [String]) throws -> MeterCommand.Row {
        try MeterCommand.parse(arguments).measure()
    }

    static let hasWabt = (ProcessInfo.processInfo.environment["PATH"] ?? "").split(separator: ":")
        .contains { FileManager.default.isExecutableFile(atPath: "\($0)/wat2wasm") }

    /// function 1, local call 5 and function 1, then const 1, const 1, call 5 + 200, store 1 (counter is read here);
    /// const 1, const 1, call 5 are of the same run, append 500 + 8 × 50, call 5 and reply 500 too.
    @Test(.enabled(if: hasWabt, "wat2wasm is missing: install wabt")) func performanceCounterAgrees() throws {
        try Self.withModule { path in
            let update = try Self.measure([path, "--method", "canister_update count"])
            let counted = try #require(update.reply_hex)
            let bytes = stride(from: 0, to: 16, by: 2).map { UInt64(counted.dropFirst($0).prefix(2), radix: 16) ?? 0 }
            let read = bytes.enumerated().reduce(0) { $0 | $1.element << UInt64(8 * $1.offset) }
            #expect(update.mode == "update")
            #expect(update.dirty_pages == 1)
            #expect(update.instructions == read + 900 + 500 + 1000)
            #expect(update.cycles == 5_000_000 + update.instructions)
            let query = try Self.measure([path, "--method", "canister_query count_too"])
            #expect(query.mode == "query")
            #expect(query.instructions == read + 900 + 500)
            #expect(query.cycles == 0)
            let replicated = try Self.measure([path, "--method", "canister_query count_too", "--mode", "update"])
            #expect(replicated.instructions == update.instructions)
            let inspected = try Self.measure([path, "--method", "canister_inspect_message"])
            #expect(inspected.mode == "inspect")
            #expect(inspected.instructions == 1 + 5 + 500)
        }
    }

    @Test(.enabled(if: hasWabt, "wat2wasm is missing: install wabt")) func failuresAreMeasuredToo() throws {
        try Self.withModule { path in
            let row = try Self.measure([path, "--method", "canister_update fail"])
            #expect(row.error_code == "IC0502")
            #expect(row.reject_code == 5)
            #expect(row.instructions == 2)
            #expect(row.lines[1].contains("unreachable"))
            let sized = try Self.measure([path, "--method", "canister_query init_size", "--init-arg-hex", "00ff00"])
            #expect(sized.reply_hex == "03000000")
        }
    }

    /// A module without imports whose one method does nothing: 1 instruction, in plain and in gzip form.
    static let nothing: [UInt8] =
        [0, 0x61, 0x73, 0x6d, 1, 0, 0, 0, 1, 4, 1, 0x60, 0, 0, 3, 2, 1, 0, 7, 0x18, 1, 0x14]
        + Array("canister_update test".utf8) + [0, 0, 10, 4, 1, 2, 0, 0x0b]

    static var gzipped: [UInt8] {
        // One stored deflate block with its header and trailer.
        var crc: UInt32 = 0xffff_ffff
        for byte in nothing {
            crc ^= UInt32(byte)
            for _ in 0..<8 { crc = crc & 1 == 1 ? crc >> 1 ^ 0xedb8_8320 : crc >> 1 }
        }
        let count = UInt16(nothing.count)
        func little(_ value: some FixedWidthInteger) -> [UInt8] { withUnsafeBytes(of: value.littleEndian) { Array($0) } }
        return [0x1f, 0x8b, 8, 0, 0, 0, 0, 0, 0, 3, 1] + little(count) + little(~count) + nothing + little(~crc)
            + little(UInt32(nothing.count))
    }

    @Test(arguments: [nothing, gzipped]) func binaryAndCompressed(bytes: [UInt8]) throws {
        let file = FileManager.default.temporaryDirectory.appendingPathComponent("deai-\(UUID().uuidString).wasm")
        try Data(bytes).write(to: file)
        defer { try? FileManager.default.removeItem(at: file) }
        let row = try Self.measure([file.path, "--method", "canister_update test", "--json"])
        #expect(row.instructions == 1)
        #expect(row.slices == 1)
        #expect(row.error_code == "IC0506")
    }

    @Test func badInputIsToldApart() throws {
        let file = FileManager.default.temporaryDirectory.appendingPathComponent("deai-\(UUID().uuidString).wasm")
        try Data(Self.nothing.dropLast()).write(to: file)
        defer { try? FileManager.default.removeItem(at: file) }
        func status(_ arguments: [String]) -> Int32? {
            do {
                _ = try Self.measure(arguments)
                return 0
            } catch { return (error as? CommandFailure)?.exitStatus.rawValue }
        }
        #expect(status([file.path, "--method", "canister_update test"]) == 65)
        #expect(status(["/nonexistent.wasm", "--method", "x"]) == 74)
        try Data(Self.nothing).write(to: file)
        #expect(status([file.path, "--method", "canister_update test"]) == 0)
        #expect(status([file.path, "--method", "canister_query nothing"]) == 64)
        #expect(throws: (any Error).self) { try MeterCommand.parse([file.path, "--method", "x", "--arg-hex", "abc"]) }
        #expect(throws: (any Error).self) { try MeterCommand.parse([file.path]) }
    }
}
