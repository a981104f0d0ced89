/// Draws a `Drawing` as pixels, lines with smooth edges.
struct Raster {
    private let width: Int
    private let height: Int
    private let scale: Double
    private var pixels: [UInt8]

    /// The picture as a PNG file, `scale` times as large as its units say, on white.
    static func png(_ drawing: Drawing, scale: Double = 2) throws(DataFormatError) -> [UInt8] {
        var raster = Raster(drawing, scale: scale)
        for item in drawing.items { raster.draw(item) }
        return try PNGFile.encode(
            raster.pixels[...],
            geometry: ImageGeometry(height: raster.height, width: raster.width, channels: 3))
    }

    private init(_ drawing: Drawing, scale: Double) {
        self.scale = scale
        width = Int((drawing.width * scale).rounded(.up))
        height = Int((drawing.height * scale).rounded(.up))
        pixels = [UInt8](repeating: 255, count: width * height * 3)
    }

    private mutating func draw(_ item: Drawing.Item) {
        switch item {
        case .rectangle(let at, let width, let height, let color):
            let (left, top) = (Int((at.x * scale).rounded()), Int((at.y * scale).rounded()))
            let right = Int(((at.x + width) * scale).rounded())
            let bottom = Int(((at.y + height) * scale).rounded())
            for y in max(top, 0)..<max(min(bottom, self.height), max(top, 0)) {
                for x in max(left, 0)..<max(min(right, self.width), max(left, 0)) { blend(x, y, color, 1) }
            }
        case .line(let points, let color, let width):
            stroke([points], color, width: width * scale)
        case .disc(let at, let radius, let color):
            stroke([[at, at]], color, width: 2 * radius * scale)
        case .text(let text, let at, let size, let color, let anchor, let turned):
            let (lines, length) = StrokeFont.strokes(text, size: size)
            let back = anchor == .start ? 0 : anchor == .middle ? length / 2 : length
            let placed = lines.map { line in
                line.map { point in
                    turned
                        ? Drawing.Point(at.x + point.y, at.y - point.x + back)
                        : Drawing.Point(at.x + point.x - back, at.y + point.y)
                }
            }
            stroke(placed, color, width: max(size * 0.1 * scale, 1))
        case .image(let source, let geometry, let at, let width, let height):
            let (left, top) = (Int((at.x * scale).rounded()), Int((at.y * scale).rounded()))
            let (columns, rows) = (Int((width * scale).rounded()), Int((height * scale).rounded()))
            for y in 0..<rows {
                for x in 0..<columns {
                    let from =
                        (y * geometry.height / rows * geometry.width + x * geometry.width / columns)
                        * geometry.channels
                    let (grey, last) = (geometry.channels == 1, geometry.channels - 1)
                    let (g, b) = (grey ? from : from + 1, from + last)
                    let color = Drawing.Color(
                        UInt32(source[from]) << 16 | UInt32(source[g]) << 8 | UInt32(source[b]))
                    blend(left + x, top + y, color, 1)
                }
            }
        }
    }

    /// Lines with round ends; where some cross, the colour is laid on once.
    private mutating func stroke(_ lines: [[Drawing.Point]], _ color: Drawing.Color, width: Double) {
        let points = lines.flatMap { $0 }.map { Drawing.Point($0.x * scale, $0.y * scale) }
        guard let first = points.first else { return }
        let reach = width / 2 + 1
        let left = max(Int(points.reduce(first.x) { min($0, $1.x) } - reach), 0)
        let right = min(Int(points.reduce(first.x) { max($0, $1.x) } + reach) + 1, self.width - 1)
        let top = max(Int(points.reduce(first.y) { min($0, $1.y) } - reach), 0)
        let bottom = min(Int(points.reduce(first.y) { max($0, $1.y) } + reach) + 1, height - 1)
        guard left <= right, top <= bottom else { return }
        let columns = right - left + 1
        var coverage = [Double](repeating: 0, count: columns * (bottom - top + 1))
        for line in lines {
            let scaled = line.map { Drawing.Point($0.x * scale, $0.y * scale) }
            for (from, to) in zip(scaled, scaled.dropFirst()) {
                let (x0, x1) = (Int(min(from.x, to.x) - reach), Int(max(from.x, to.x) + reach) + 1)
                let (y0, y1) = (Int(min(from.y, to.y) - reach), Int(max(from.y, to.y) + reach) + 1)
                guard x0 <= right, x1 >= left, y0 <= bottom, y1 >= top else { continue }
                for y in max(y0, top)...min(y1, bottom) {
                    for x in max(x0, left)...min(x1, right) {
                        let distance = Raster.distance(Double(x) + 0.5, Double(y) + 0.5, from, to)
                        let at = (y - top) * columns + x - left
                        coverage[at] = max(coverage[at], min(max(width / 2 + 0.5 - distance, 0), 1))
                    }
                }
            }
        }
        for (at, share) in coverage.enumerated() where share > 0 {
            blend(left + at % columns, top + at / columns, color, share)
        }
    }

    /// From a point to the nearest point of the segment.
    private static func distance(_ x: Double, _ y: Double, _ a: Drawing.Point, _ b: Drawing.Point) -> Double {
        let (dx, dy) = (b.x - a.x, b.y - a.y)
        let square = dx * dx + dy * dy
        let t = square > 0 ? min(max(((x - a.x) * dx + (y - a.y) * dy) / square, 0), 1) : 0
        let (ex, ey) = (x - a.x - t * dx, y - a.y - t * dy)
        return (ex * ex + ey * ey).squareRoot()
    }

    private mutating func blend(_ x: Int, _ y: Int, _ color: Drawing.Color, _ share: Double) {
        guard x >= 0, y >= 0, x < width, y < height else { return }
        let at = (y * width + x) * 3
        for (offset, value) in [color.red, color.green, color.blue].enumerated() {
            let old = Double(pixels[at + offset])
            pixels[at + offset] = UInt8((old + (Double(value) - old) * share).rounded())
        }
    }
}
