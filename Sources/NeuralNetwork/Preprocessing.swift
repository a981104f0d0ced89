import Kernels

/// How a pixel becomes a number: x = (pixel − zeroPoints[channel]) · scale.
///
/// Zero points are integers in 0…255, so that the zero padding of a convolution is an exact integer too.
public struct Preprocessing: Equatable, Sendable {
    /// One for each channel.
    public var zeroPoints: [Int32]
    public var scale: Float

    public init(zeroPoints: [Int32], scale: Float) {
        self.zeroPoints = zeroPoints
        self.scale = scale
    }

    package func check(_ architecture: Architecture) throws(LearnerError) {
        guard zeroPoints.count == architecture.inputChannels else {
            throw .preprocessing(channels: architecture.inputChannels, zeroPoints: zeroPoints.count)
        }
    }

    /// Writes the numbers of `pixels`, channels innermost.
    public func apply(
        _ pixels: UnsafeBufferPointer<UInt8>, to output: UnsafeMutableBufferPointer<Float>, workers: Workers
    ) {
        precondition(output.count >= pixels.count, "no room for the numbers")
        guard let source = pixels.baseAddress, let target = output.baseAddress else { return }
        let channels = zeroPoints.count
        zeroPoints.withUnsafeBufferPointer { zeroPoints in
            workers.forEachRange(pixels.count / channels, grain: max(1, 16_384 / channels)) { range in
                for channel in 0..<channels {
                    let zeroPoint = zeroPoints[channel]
                    for pixel in range {
                        let place = pixel &* channels &+ channel
                        target[place] = Float(Int32(source[place]) &- zeroPoint) * scale
                    }
                }
            }
        }
    }
}
