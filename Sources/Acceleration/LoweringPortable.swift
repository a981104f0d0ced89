import Autodiff
import Kernels

extension Lowering {
    /// Runs the gathered nodes with the portable kernels, as one plan of their own.
    func flush() throws(AccelerationError) {
        guard !pending.isEmpty else { return }
        let nodes = pending
        pending = []
        let part = Graph()
        var places: [Int: Value] = [:]
        var arguments: [(outside: Int, leaf: Value)] = []
        for index in nodes {
            let node = node(index)
            var inputs: [Value] = []
            for input in node.inputs {
                if let present = places[input] {
                    inputs.append(present)
                } else {
                    let leaf = part.input(shape(input))
                    places[input] = leaf
                    arguments.append((input, leaf))
                    inputs.append(leaf)
                }
            }
            places[index] = part.append(node.op, node.shape, inputs)
        }
        let inside = Set(nodes)
        let results = nodes.filter { index in
            uses.isOutput[index] || uses.users[index].contains { !inside.contains($0) }
        }
        let plan: Plan
        do {
            plan = try Plan(part, outputs: (results + arguments.map { $0.outside }).compactMap { places[$0] })
        } catch {
            preconditionFailure("a part of a sound graph is not sound")
        }
        let executor = PortableExecutor(plan, workers: .threads(library.threads))
        var copies: [(from: Storage, to: UnsafeMutableRawPointer, bytes: Int)] = []
        for (outside, leaf) in arguments {
            let source = try tensor(outside, as: .rowMajor(leaf.shape))
            copies.append(
                (source.storage, UnsafeMutableRawPointer(executor.address(of: leaf)), leaf.shape.count * 4))
        }
        var touched = copies.map { $0.from }
        for index in results {
            guard let value = places[index] else { continue }
            let storage = Storage(
                byteCount: value.shape.count * 4, at: UnsafeMutableRawPointer(executor.address(of: value)),
                of: executor)
            hold(index, Tensor(.rowMajor(value.shape), storage))
            touched.append(storage)
        }
        add("portable", touched) {
            let copies = copies.map { ($0.from.pointer, $0.to, $0.bytes) }
            return {
                for (from, to, bytes) in copies { to.copyMemory(from: from, byteCount: bytes) }
                executor.run()
            }
        }
    }
}

extension PortableExecutor {
    fileprivate func address(of value: Value) -> UnsafeMutablePointer<Float> {
        guard let address = buffer(of: value).baseAddress else {
            preconditionFailure("an array without elements")
        }
        return address
    }
}
