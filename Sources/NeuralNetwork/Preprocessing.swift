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

    /// Writes the numbers of `pixels`, channels innermost.
    func apply(_ pixels: UnsafeBufferPointer<UInt8>, to output: UnsafeMutablePointer<Float>) {
        let channels = zeroPoints.count
        var channel = 0
        for i in 0..<pixels.count {
            output[i] = Float(Int32(pixels[i]) &- zeroPoints[channel]) * scale
            channel &+= 1
            if channel == channels { channel = 0 }
        }
    }
}
