import IC0

/// The subnet's own rules for modules, beyond valid Wasm (imports, exports, custom sections, counts).
struct ModuleRules {
    private(set) var methods: [String: PreparedModule.MethodKind] = [:]
    private(set) var hooks: Set<String> = []
    private(set) var customSections: [PreparedModule.CustomSection] = []

    private static let hookNames: Set<String> = [
        "canister_init", "canister_inspect_message", "canister_pre_upgrade", "canister_post_upgrade",
        "canister_heartbeat", "canister_global_timer", "canister_on_low_wasm_memory",
    ]

    /// Throws the first rule that is broken.
    init(
        _ module: WasmModule, _ bytes: UnsafeBufferPointer<UInt8>, limits: SubnetConfiguration.Limits
    ) throws(WasmError) {
        guard module.codeBytes <= limits.codeSectionBytes else {
            throw WasmError("code section of \(module.codeBytes) bytes, at most \(limits.codeSectionBytes)", at: 0)
        }
        guard module.functions.count <= limits.functions else {
            throw WasmError("\(module.functions.count) functions, at most \(limits.functions)", at: 0)
        }
        guard module.globals.count <= limits.globals else {
            throw WasmError("\(module.globals.count) globals, at most \(limits.globals)", at: 0)
        }
        for global in module.globals where !(0x7b...0x7f).contains(global.type) {
            throw WasmError("globals must be i32, i64, f32, f64 or v128", at: global.whole.lowerBound)
        }
        guard module.tables.count <= 1 else { throw WasmError("more than one table", at: 0) }
        for table in module.tables where table.limits.minimum > limits.tableElements {
            throw WasmError("table of \(table.limits.minimum) elements, at most \(limits.tableElements)", at: table.whole.lowerBound)
        }
        if let memory = module.memory {
            let cap = (memory.wide ? limits.heap64Bytes : limits.heap32Bytes) >> 16
            guard memory.minimum <= cap else {
                throw WasmError("initial memory of \(memory.minimum) pages, at most \(cap)", at: 0)
            }
        }
        try checkImports(module)
        try checkExports(module, limits)
        try checkCustomSections(module, bytes, limits)
        try checkData(module)
    }

    private func checkImports(_ module: WasmModule) throws(WasmError) {
        for entry in module.imports {
            let name = String(decoding: entry.name, as: UTF8.self)
            let from = String(decoding: entry.module, as: UTF8.self)
            guard from == "ic0" else {
                throw WasmError("import of \(from).\(name): only functions of ic0 can be imported", at: entry.offset)
            }
            guard let call = SystemCall(name: entry.name), let parameters = call.parameters(wide: module.isWide) else {
                throw WasmError("unknown system function ic0.\(name)", at: entry.offset)
            }
            guard entry.type < UInt32(module.types.count) else {
                throw WasmError("import with unknown type \(entry.type)", at: entry.offset)
            }
            let expected = WasmModule.FunctionType(
                parameters: parameters.map(\.rawValue), results: call.results(wide: module.isWide).map(\.rawValue))
            guard module.types[Int(entry.type)] == expected else {
                throw WasmError("ic0.\(name) is imported with a wrong signature", at: entry.offset)
            }
        }
    }

    private mutating func checkExports(
        _ module: WasmModule, _ limits: SubnetConfiguration.Limits
    ) throws(WasmError) {
        var nameBytes = 0
        for export in module.exports {
            let name = String(decoding: export.name, as: UTF8.self)
            guard !name.hasPrefix("__persistent_mutable_global_"), name != "stable_memory",
                !name.hasPrefix("canister counter_"), name != Instrumentation.startName
            else { throw WasmError("export \(name) has a reserved name", at: export.offset) }
            guard export.kind == 0, name.hasPrefix("canister_") else { continue }
            guard module.type(ofFunction: export.index) == WasmModule.FunctionType(parameters: [], results: []) else {
                throw WasmError("export \(name) must take and return nothing", at: export.offset)
            }
            if Self.hookNames.contains(name) {
                hooks.insert(name)
                continue
            }
            guard let (kind, method) = Self.method(name) else {
                throw WasmError("export \(name) is not a known kind of canister function", at: export.offset)
            }
            guard methods.updateValue(kind, forKey: method) == nil else {
                throw WasmError("method \(method) is exported more than once", at: export.offset)
            }
            nameBytes += method.utf8.count
        }
        guard methods.count <= limits.publicMethods else {
            throw WasmError("\(methods.count) public methods, at most \(limits.publicMethods)", at: 0)
        }
        guard nameBytes <= limits.publicMethodNameBytes else {
            throw WasmError("names of public methods have \(nameBytes) bytes, at most \(limits.publicMethodNameBytes)", at: 0)
        }
    }

    private static func method(_ export: String) -> (PreparedModule.MethodKind, String)? {
        for (prefix, kind) in [
            ("canister_update ", PreparedModule.MethodKind.update), ("canister_query ", .query),
            ("canister_composite_query ", .compositeQuery),
        ] where export.hasPrefix(prefix) {
            return (kind, String(export.dropFirst(prefix.count)))
        }
        return nil
    }

    private mutating func checkCustomSections(
        _ module: WasmModule, _ bytes: UnsafeBufferPointer<UInt8>, _ limits: SubnetConfiguration.Limits
    ) throws(WasmError) {
        for section in module.customs {
            let name = String(decoding: section.name, as: UTF8.self)
            if name == "name" { try checkFunctionNames(section.content, bytes, limits) }
            guard name.hasPrefix("icp:") else { continue }
            let isPublic = name.hasPrefix("icp:public ")
            guard isPublic || name.hasPrefix("icp:private ") else {
                throw WasmError("custom section \(name): icp: must be followed by public or private", at: section.content.lowerBound)
            }
            let short = String(name.dropFirst(isPublic ? 11 : 12))
            guard !customSections.contains(where: { $0.name == short }) else {
                throw WasmError("two custom sections of name \(short)", at: section.content.lowerBound)
            }
            customSections.append(
                PreparedModule.CustomSection(name: short, isPublic: isPublic, content: Array(bytes[section.content])))
        }
        guard customSections.count <= limits.customSections else {
            throw WasmError("\(customSections.count) icp: sections, at most \(limits.customSections)", at: 0)
        }
        let total = customSections.reduce(0) { $0 + $1.name.utf8.count + $1.content.count }
        guard total <= limits.customSectionBytes else {
            throw WasmError("icp: sections of \(total) bytes, at most \(limits.customSectionBytes)", at: 0)
        }
    }

    /// Names of functions in the name section; one that does not parse is ignored, as everywhere.
    private func checkFunctionNames(
        _ content: Range<Int>, _ bytes: UnsafeBufferPointer<UInt8>, _ limits: SubnetConfiguration.Limits
    ) throws(WasmError) {
        var longest: (bytes: Int, offset: Int) = (0, 0)
        do throws(WasmError) {
            var reader = WasmReader(bytes, content)
            while !reader.isAtEnd {
                let kind = try reader.byte()
                let end = reader.position + Int(try reader.u32())
                guard end <= content.upperBound else { break }
                guard kind == 1 else {
                    reader.position = end
                    continue
                }
                for _ in 0..<(try reader.u32()) {
                    _ = try reader.u32()
                    let count = Int(try reader.u32())
                    if count > longest.bytes { longest = (count, reader.position) }
                    reader.position += count
                    guard reader.position <= content.upperBound else { return }
                }
                break
            }
        } catch { return }
        guard longest.bytes <= limits.functionNameBytes else {
            throw WasmError("function name of \(longest.bytes) bytes, at most \(limits.functionNameBytes)", at: longest.offset)
        }
    }

    private func checkData(_ module: WasmModule) throws(WasmError) {
        let size = (module.memory?.minimum ?? 0) << 16
        for segment in module.data {
            guard let address = segment.address else { continue }
            let start = module.isWide ? address : UInt64(UInt32(truncatingIfNeeded: address))
            guard start <= size, UInt64(segment.content.count) <= size - start else {
                throw WasmError("data segment does not fit the initial memory", at: segment.offset)
            }
        }
    }
}
