/// A picture as a list of shapes, drawn as SVG in the page and as pixels in PNG files. Units are pixels at scale 1.
struct Drawing {
    struct Color: Equatable {
        var red: UInt8
        var green: UInt8
        var blue: UInt8

        init(_ hex: UInt32) {
            (red, green, blue) = (UInt8(hex >> 16 & 255), UInt8(hex >> 8 & 255), UInt8(hex & 255))
        }

        /// `share` of `other`, the rest of this colour.
        func mixed(_ other: Color, _ share: Double) -> Color {
            func mix(_ a: UInt8, _ b: UInt8) -> UInt32 {
                UInt32((Double(a) + (Double(b) - Double(a)) * min(max(share, 0), 1)).rounded())
            }
            return Color(
                mix(red, other.red) << 16 | mix(green, other.green) << 8 | mix(blue, other.blue))
        }

        static let white = Color(0xFFFFFF)
        static let ink = Color(0x24292F)
        static let muted = Color(0x6E7781)
        static let grid = Color(0xE3E6EA)
        static let blue = Color(0x2563C9)
        static let orange = Color(0xD9622B)
    }

    struct Point: Equatable {
        var x: Double
        var y: Double

        init(_ x: Double, _ y: Double) {
            self.x = x
            self.y = y
        }
    }

    enum Anchor: String { case start, middle, end }

    enum Item {
        case rectangle(Point, width: Double, height: Double, Color)
        case line([Point], Color, width: Double)
        case disc(Point, radius: Double, Color)
        /// `at` is on the baseline; `turned` texts read upwards.
        case text(String, at: Point, size: Double, Color, Anchor, turned: Bool)
        /// Enlarged without smoothing.
        case image([UInt8], ImageGeometry, at: Point, width: Double, height: Double)
    }

    let width: Double
    let height: Double
    private(set) var items: [Item] = []

    init(width: Double, height: Double) {
        self.width = width
        self.height = height
    }

    mutating func rectangle(_ x: Double, _ y: Double, _ width: Double, _ height: Double, _ color: Color) {
        items.append(.rectangle(Point(x, y), width: width, height: height, color))
    }

    mutating func line(_ points: [Point], _ color: Color, width: Double = 1) {
        items.append(.line(points, color, width: width))
    }

    mutating func disc(_ x: Double, _ y: Double, radius: Double, _ color: Color) {
        items.append(.disc(Point(x, y), radius: radius, color))
    }

    mutating func text(
        _ text: String, _ x: Double, _ y: Double, size: Double = 12, _ color: Color = .ink,
        _ anchor: Anchor = .start, turned: Bool = false
    ) {
        items.append(.text(text, at: Point(x, y), size: size, color, anchor, turned: turned))
    }

    mutating func image(
        _ pixels: [UInt8], _ geometry: ImageGeometry, _ x: Double, _ y: Double, _ width: Double,
        _ height: Double
    ) {
        items.append(.image(pixels, geometry, at: Point(x, y), width: width, height: height))
    }
}
