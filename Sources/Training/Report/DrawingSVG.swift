import Foundation

extension Drawing {
    /// The picture as an SVG element that needs nothing from outside; `title` is for screen readers.
    func svg(title: String) -> String {
        var text = "<svg viewBox=\"0 0 \(number(width)) \(number(height))\" width=\"\(number(width))\" "
        text += "role=\"img\" aria-label=\"\(HTML.escaped(title))\" font-family=\"system-ui, sans-serif\">"
        for item in items { text += "\n" + svg(item) }
        return text + "\n</svg>"
    }

    private func svg(_ item: Item) -> String {
        switch item {
        case .rectangle(let at, let width, let height, let color):
            return "<rect x=\"\(number(at.x))\" y=\"\(number(at.y))\" width=\"\(number(width))\" "
                + "height=\"\(number(height))\" fill=\"\(hex(color))\"/>"
        case .line(let points, let color, let width):
            let path = points.map { "\(number($0.x)),\(number($0.y))" }.joined(separator: " ")
            return "<polyline points=\"\(path)\" fill=\"none\" stroke=\"\(hex(color))\" "
                + "stroke-width=\"\(number(width))\" stroke-linejoin=\"round\"/>"
        case .disc(let at, let radius, let color):
            return
                "<circle cx=\"\(number(at.x))\" cy=\"\(number(at.y))\" r=\"\(number(radius))\" fill=\"\(hex(color))\"/>"
        case .text(let text, let at, let size, let color, let anchor, let turned):
            let place = "x=\"\(number(at.x))\" y=\"\(number(at.y))\""
            let turn = turned ? " transform=\"rotate(-90 \(number(at.x)) \(number(at.y)))\"" : ""
            return "<text \(place) font-size=\"\(number(size))\" fill=\"\(hex(color))\" "
                + "text-anchor=\"\(anchor.rawValue)\"\(turn)>\(HTML.escaped(text))</text>"
        case .image(let pixels, let geometry, let at, let width, let height):
            // A picture that cannot be encoded is left out; the shapes around it stay.
            guard let png = try? PNGFile.encode(pixels[...], geometry: geometry) else { return "" }
            return "<image x=\"\(number(at.x))\" y=\"\(number(at.y))\" width=\"\(number(width))\" "
                + "height=\"\(number(height))\" preserveAspectRatio=\"none\" style=\"image-rendering: pixelated\" "
                + "href=\"data:image/png;base64,\(Data(png).base64EncodedString())\"/>"
        }
    }

    private func number(_ value: Double) -> String {
        let rounded = (value * 100).rounded() / 100
        return rounded == rounded.rounded() ? String(Int(rounded)) : String(rounded)
    }

    private func hex(_ color: Color) -> String {
        String(format: "#%02x%02x%02x", color.red, color.green, color.blue)
    }
}

/// Texts in a page.
enum HTML {
    static func escaped(_ text: String) -> String {
        text.replacing("&", with: "&amp;").replacing("<", with: "&lt;").replacing(">", with: "&gt;")
            .replacing("\"", with: "&quot;")
    }
}
