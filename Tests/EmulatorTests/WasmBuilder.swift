/// Builds the benchmark modules of the reference (templates T, C and S) as bytes.
struct BenchmarkModule {
    /// Operand of an ic0 call: an address (`I`), an i32 or an i64.
    enum Value { case address(Int64), i32(Int32), i64(Int64) }
    enum Kind { case i32, i64, address }
    struct Call {
        var name: String
        var arguments: [Value] = []
        var result: Kind?
    }

    var wide: Bool
    var loop = true
    var prologue: [Call] = []
    var body: [Call] = []
    /// Raw operators before the loop, for cases without calls.
    var operators: [UInt8] = []

    /// Content of the memory at address 100.
    var data: [UInt8] = []

    private func type(_ kind: Kind) -> UInt8 {
        switch kind {
        case .i32: 0x7f
        case .i64: 0x7e
        case .address: wide ? 0x7e : 0x7f
        }
    }

    var bytes: [UInt8] {
        var names: [Call] = []
        for call in prologue + body where !names.contains(where: { $0.name == call.name }) { names.append(call) }
        var types: [UInt8] = leb(names.count + 1) + [0x60, 0, 0]
        var imports: [UInt8] = leb(names.count)
        for (index, call) in names.enumerated() {
            let parameters = call.arguments.map { value -> UInt8 in
                switch value {
                case .address: type(.address)
                case .i32: 0x7f
                case .i64: 0x7e
                }
            }
            types += [0x60] + leb(parameters.count) + parameters + (call.result.map { [1, type($0)] } ?? [0])
            imports += text("ic0") + text(call.name) + [0] + leb(index + 1)
        }
        func emit(_ call: Call) -> [UInt8] {
            var code: [UInt8] = []
            for value in call.arguments {
                switch value {
                case .address(let value): code += [wide ? 0x42 : 0x41] + signed(value)
                case .i32(let value): code += [0x41] + signed(Int64(value))
                case .i64(let value): code += [0x42] + signed(value)
                }
            }
            let index = names.firstIndex { $0.name == call.name } ?? 0
            return code + [0x10] + leb(index) + (call.result == nil ? [] : [0x1a])
        }
        var code = operators + prologue.flatMap(emit)
        if loop {
            code += [0x03, 0x40, 0x20, 0, wide ? 0x42 : 0x41] + signed(1_000_000) + [wide ? 0x53 : 0x48, 0x04, 0x40]
            code += [0x20, 0, wide ? 0x42 : 0x41, 1, wide ? 0x7c : 0x6a, 0x21, 0]
            code += body.flatMap(emit) + [0x0c, 1, 0x0b, 0x0b]
        } else {
            code += body.flatMap(emit)
        }
        let function = [1, 2, type(.address)] + code + [0x0b]
        let memory: [UInt8] = wide ? [1, 4] + leb(131_072 / 2048) : [1, 0, 1]
        return [0, 0x61, 0x73, 0x6d, 1, 0, 0, 0] + section(1, types) + section(2, imports) + section(3, [1, 0])
            + section(5, memory)
            + section(7, [1] + text("canister_update test") + [0] + leb(names.count))
            + section(10, [1] + leb(function.count) + function)
            + (data.isEmpty
                ? [] : section(11, [1, 0, wide ? 0x42 : 0x41] + signed(100) + [0x0b] + leb(data.count) + data))
    }

    private func section(_ id: UInt8, _ content: [UInt8]) -> [UInt8] { [id] + leb(content.count) + content }
    private func text(_ text: String) -> [UInt8] { leb(text.utf8.count) + Array(text.utf8) }
    private func leb(_ value: Int) -> [UInt8] {
        var rest = value
        var bytes: [UInt8] = []
        repeat {
            bytes.append(UInt8(rest & 0x7f) | (rest > 0x7f ? 0x80 : 0))
            rest >>= 7
        } while rest > 0
        return bytes
    }
    private func signed(_ value: Int64) -> [UInt8] {
        var rest = value
        var bytes: [UInt8] = []
        while true {
            let low = UInt8(truncatingIfNeeded: rest & 0x7f)
            rest >>= 7
            if (rest == 0 && low & 0x40 == 0) || (rest == -1 && low & 0x40 != 0) { return bytes + [low] }
            bytes.append(low | 0x80)
        }
    }
}
