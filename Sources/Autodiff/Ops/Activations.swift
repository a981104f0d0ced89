// Smooth functions of one number, and activations that are made of them.

/// 1 / (1 + e⁻ˣ) = y. Gradient: dy·y·(1 − y).
public func sigmoid(_ x: Value) -> Value { x.graph.append(.sigmoid, x.shape, [x]) }

/// Hyperbolic tangent y. Gradient: dy·(1 − y²).
public func tanh(_ x: Value) -> Value { x.graph.append(.tanh, x.shape, [x]) }

/// The error function, 2/√π ∫₀ˣ e^(−t²) dt. Gradient: dy·2/√π·e^(−x²).
public func erf(_ x: Value) -> Value { x.graph.append(.erf, x.shape, [x]) }

/// x to a constant power p; NaN for negative x unless p is an integer. Gradient: dy·p·x^(p − 1).
public func pow(_ x: Value, _ exponent: Float) -> Value { x.graph.append(.power(exponent), x.shape, [x]) }

/// min(max(x, 0), 6).
public func relu6(_ x: Value) -> Value { clamp(x, 0, 6) }

/// x·relu6(x + 3)/6 (Howard et al., "Searching for MobileNetV3", 2019).
public func hardSwish(_ x: Value) -> Value { x * relu6(x + 3) * (1 / 6.0) }

/// x·sigmoid(x), also called swish.
public func silu(_ x: Value) -> Value { x * sigmoid(x) }

/// x·Φ(x), Φ the normal distribution: x/2·(1 + erf(x/√2)) (Hendrycks and Gimpel, 2016).
public func gelu(_ x: Value) -> Value { x * 0.5 * (erf(x * 0.707_106_781_186_547_5) + 1) }

extension Gradients {
    func smooth(_ node: Graph.Node, _ y: Value, _ dy: Value) {
        let x = input(node, 0)
        switch node.op {
        case .sigmoid: add(dy * (y * (1 - y)), to: x)
        case .tanh: add(dy * (1 - y * y), to: x)
        case .erf: add(dy * (exp(-(x * x)) * 1.128_379_167_095_512_6), to: x)
        case .power(let exponent): if exponent != 0 { add(dy * (pow(x, exponent - 1) * exponent), to: x) }
        default: preconditionFailure("not a smooth function")
        }
    }
}
