import Foundation

/// The pictures of a report.
enum Charts {
    private struct Series {
        let name: String
        let color: Drawing.Color
        /// By epoch, counted from 1.
        let values: [(epoch: Int, value: Double)]
    }

    /// Loss and accuracy of every epoch, side by side.
    static func curves(_ epochs: [TrainingEvent.Epoch], best: Int) -> Drawing {
        func series(
            _ name: String, _ color: Drawing.Color, _ value: (TrainingEvent.Epoch) -> Double?
        ) -> Series {
            Series(
                name: name, color: color,
                values: epochs.compactMap { epoch in
                    value(epoch).flatMap { $0.isFinite ? (epoch.epoch, $0) : nil }
                })
        }
        var drawing = Drawing(width: 900, height: 320)
        panel(
            "Loss", at: 0,
            [
                series("training", .blue) { $0.trainLoss },
                series("validation", .orange) { $0.validationLoss },
            ], best: best, percent: false, &drawing)
        panel(
            "Accuracy", at: 450,
            [
                series("training", .blue) { $0.trainAccuracy * 100 },
                series("validation", .orange) { $0.validationAccuracy.map { $0 * 100 } },
            ], best: best, percent: true, &drawing)
        return drawing
    }

    private static func panel(
        _ title: String, at left: Double, _ series: [Series], best: Int, percent: Bool,
        _ drawing: inout Drawing
    ) {
        let (x0, y0, width, height) = (left + 60, 44.0, 370.0, 226.0)
        drawing.text(title, x0, 26, size: 16)
        let values = series.flatMap(\.values)
        guard let low = values.map(\.value).min(), let high = values.map(\.value).max() else { return }
        let last = Double(max(values.map(\.epoch).max() ?? 1, 2))
        let ticks = Charts.ticks(from: low, to: high, count: 5, limit: percent ? 100 : .infinity)
        let (bottom, top) = (ticks.first ?? 0, ticks.last ?? 1)
        func place(_ epoch: Double, _ value: Double) -> Drawing.Point {
            Drawing.Point(
                x0 + (epoch - 1) / (last - 1) * width,
                y0 + height - (value - bottom) / (top - bottom) * height)
        }
        for tick in ticks {
            let y = place(1, tick).y
            drawing.line([Drawing.Point(x0, y), Drawing.Point(x0 + width, y)], .grid)
            let label = Charts.label(tick, step: ticks[1] - ticks[0]) + (percent ? " %" : "")
            drawing.text(label, x0 - 8, y + 4, size: 11, .muted, .end)
        }
        for tick in Charts.ticks(from: 1, to: last, count: 8)
        where tick >= 1 && tick <= last && tick == tick.rounded() {
            let x = place(tick, bottom).x
            drawing.text(String(Int(tick)), x, y0 + height + 18, size: 11, .muted, .middle)
        }
        drawing.text("epoch", x0 + width / 2, y0 + height + 38, size: 11, .muted, .middle)
        if best >= 1, Double(best) <= last {
            let x = place(Double(best), bottom).x
            drawing.line([Drawing.Point(x, y0), Drawing.Point(x, y0 + height)], .muted)
            let late = Double(best) > last / 2
            drawing.text(
                "best", x + (late ? -5 : 5), y0 + (percent ? height - 8 : 12), size: 11, .muted,
                late ? .end : .start)
        }
        var legend = x0 + width
        for series in series.reversed() where !series.values.isEmpty {
            let points = series.values.map { place(Double($0.epoch), $0.value) }
            drawing.line(points, series.color, width: 2)
            if points.count <= 40 {
                for point in points { drawing.disc(point.x, point.y, radius: 2.6, series.color) }
            }
            legend -= Double(series.name.count) * 6.4
            drawing.text(series.name, legend, 26, size: 12, series.color)
            drawing.disc(legend - 8, 22, radius: 3.5, series.color)
            legend -= 28
        }
    }

    /// How often images of each class (rows) were taken for each class (columns).
    static func confusion(_ confusion: [[Int]], labels: [String]) -> Drawing {
        let classes = labels.count
        let cell = min(max(560 / Double(classes), 3), 52)
        let names = classes <= 48
        let longest =
            names ? labels.map { StrokeFont.strokes(String($0.prefix(24)), size: 12).width }.max() ?? 0 : 0
        let (left, top) = (longest + 58, 54.0)
        let side = cell * Double(classes)
        var drawing = Drawing(width: max(left + side + 20, 300), height: top + side + longest + 30)
        drawing.text("Actual class by row, predicted class by column", 16, 26, size: 16)
        for (row, counts) in confusion.enumerated() {
            let total = counts.reduce(0, +)
            let y = top + Double(row) * cell
            for (column, count) in counts.enumerated() {
                let x = left + Double(column) * cell
                let share = total == 0 ? 0 : Double(count) / Double(total)
                let strong = row == column ? Drawing.Color.blue : .orange
                // The square root shows rare mistakes, too.
                let color = Drawing.Color(0xF3F5F7).mixed(
                    strong, (row == column ? share : share.squareRoot()))
                let gap = cell > 8 ? 1.0 : 0
                drawing.rectangle(x, y, cell - gap, cell - gap, color)
                if cell >= 26, count > 0 {
                    let dark = (row == column ? share : share.squareRoot()) > 0.55
                    drawing.text(
                        String(count), x + cell / 2, y + cell / 2 + 4, size: cell >= 40 ? 12 : 9,
                        dark ? .white : .ink, .middle)
                }
            }
            guard names else { continue }
            let name = String(labels[row].prefix(24))
            drawing.text(name, left - 8, y + cell / 2 + 4, size: min(12, cell), .ink, .end)
            drawing.text(
                name, left + (Double(row) + 0.5) * cell + 4, top + side + 8, size: min(12, cell), .ink, .end,
                turned: true)
        }
        return drawing
    }

    /// Accuracy against confidence.
    static func calibration(_ calibration: Calibration) -> Drawing {
        var drawing = Drawing(width: 430, height: 340)
        let (x0, y0, side) = (64.0, 44.0, 240.0)
        let width = 330.0
        drawing.text("Confidence and accuracy", x0, 26, size: 16)
        for tick in stride(from: 0.0, through: 1.0, by: 0.2) {
            let y = y0 + side * (1 - tick)
            drawing.line([Drawing.Point(x0, y), Drawing.Point(x0 + width, y)], .grid)
            let label = "\(Int((tick * 100).rounded())) %"
            drawing.text(label, x0 - 8, y + 4, size: 11, .muted, .end)
            drawing.text(label, x0 + width * tick, y0 + side + 18, size: 11, .muted, .middle)
        }
        drawing.text("probability of the answer", x0 + width / 2, y0 + side + 40, size: 11, .muted, .middle)
        drawing.text("right answers", 16, y0 + side / 2, size: 11, .muted, .middle, turned: true)
        let most = calibration.bins.map(\.images).max() ?? 1
        let count = Double(calibration.bins.count)
        for (index, bin) in calibration.bins.enumerated() where bin.images > 0 {
            let x = x0 + width * Double(index) / count
            // Bins with few images are pale: they say little.
            let strength = 0.25 + 0.75 * (Double(bin.images) / Double(max(most, 1))).squareRoot()
            drawing.rectangle(
                x + 1, y0 + side * (1 - bin.accuracy), width / count - 2, side * bin.accuracy,
                Drawing.Color.white.mixed(.blue, strength))
        }
        drawing.line([Drawing.Point(x0, y0 + side), Drawing.Point(x0 + width, y0)], .orange, width: 1.5)
        return drawing
    }

    /// The wrong answers as pictures with both classes.
    static func mistakes(
        _ mistakes: [Mistake], _ images: LabelledImages, labels: [String], columns: Int = 8
    ) -> Drawing {
        let geometry = images.geometry
        let tile = 96.0
        let longer = Double(max(geometry.height, geometry.width))
        let (imageWidth, imageHeight) = (
            tile * Double(geometry.width) / longer, tile * Double(geometry.height) / longer
        )
        let (stepX, stepY) = (tile + 18, tile + 54)
        let rows = max((mistakes.count + columns - 1) / columns, 1)
        var drawing = Drawing(width: Double(columns) * stepX + 14, height: Double(rows) * stepY + 44)
        drawing.text(
            "Most wrong answers: actual class, then the answer and its probability", 16, 26, size: 16)
        for (index, mistake) in mistakes.enumerated() {
            let x = 16 + Double(index % columns) * stepX
            let y = 44 + Double(index / columns) * stepY
            let size = geometry.byteCount
            drawing.image(
                Array(images.pixels[(mistake.image * size)..<((mistake.image + 1) * size)]), geometry,
                x + (tile - imageWidth) / 2, y + (tile - imageHeight) / 2, imageWidth, imageHeight)
            drawing.text(shortened(labels[mistake.actual], 14), x, y + tile + 15, size: 11)
            let percent =
                mistake.confidence >= 0.995 ? ">99 %" : "\(Int((mistake.confidence * 100).rounded())) %"
            drawing.text(shortened(labels[mistake.predicted], 10), x, y + tile + 31, size: 11, .orange)
            drawing.text(percent, x + tile + 8, y + tile + 31, size: 11, .muted, .end)
        }
        if mistakes.isEmpty { drawing.text("None.", 16, 60) }
        return drawing
    }

    /// Smoothed loss by learning rate, with the suggestion.
    static func rates(_ result: RateFinder.Result) -> Drawing {
        var drawing = Drawing(width: 560, height: 330)
        let (x0, y0, width, height) = (66.0, 44.0, 470.0, 230.0)
        drawing.text("Loss by learning rate", x0, 26, size: 16)
        guard let first = result.points.first, let last = result.points.last else { return drawing }
        let losses = result.points.map(\.smoothed).filter(\.isFinite)
        let least = losses.min() ?? 0
        let ticks = ticks(from: least, to: min(losses.max() ?? 1, 4 * (losses.first ?? 1)), count: 5)
        let (bottom, top) = (ticks.first ?? 0, ticks.last ?? 1)
        let (low, high) = (log10(Double(first.learningRate)), log10(Double(last.learningRate)))
        func x(_ rate: Float) -> Double { x0 + (log10(Double(rate)) - low) / max(high - low, 1e-6) * width }
        func y(_ loss: Double) -> Double { y0 + height - (min(loss, top) - bottom) / (top - bottom) * height }
        for tick in ticks {
            drawing.line([Drawing.Point(x0, y(tick)), Drawing.Point(x0 + width, y(tick))], .grid)
            drawing.text(label(tick, step: ticks[1] - ticks[0]), x0 - 8, y(tick) + 4, size: 11, .muted, .end)
        }
        for power in Int(low.rounded(.up))...max(Int(high.rounded(.down)), Int(low.rounded(.up))) {
            let rate = Float(pow(10, Double(power)))
            guard rate <= last.learningRate * 1.001 else { break }
            drawing.text(
                power < -3 ? "1e\(power)" : "\(rate)", x(rate), y0 + height + 18, size: 11, .muted, .middle)
        }
        let place = x(max(result.suggestion, first.learningRate))
        drawing.line([Drawing.Point(place, y0), Drawing.Point(place, y0 + height)], .orange, width: 1.5)
        drawing.text(String(format: "%.2g", result.suggestion), place + 6, y0 + 12, size: 12, .orange)
        let finite = result.points.filter(\.smoothed.isFinite)
        drawing.line(finite.map { Drawing.Point(x($0.learningRate), y($0.smoothed)) }, .blue, width: 2)
        drawing.text("learning rate", x0 + width / 2, y0 + height + 40, size: 11, .muted, .middle)
        return drawing
    }

    private static func shortened(_ text: String, _ length: Int) -> String {
        text.count <= length ? text : text.prefix(length - 1) + "."
    }

    /// Round numbers around a range, about `count` of them and two at least; the last does not pass `limit`.
    static func ticks(from low: Double, to high: Double, count: Int, limit: Double = .infinity) -> [Double] {
        guard low.isFinite, high.isFinite, (high - low).isFinite else { return [0, 1] }
        let range = max(high - low, abs(high) * 0.01, 1e-6)
        let rough = range / Double(max(count - 1, 1))
        let power = pow(10, log10(rough).rounded(.down))
        let step = [1.0, 2, 2.5, 5, 10].map { $0 * power }.first { $0 >= rough * 0.999 } ?? rough
        var start = (low / step).rounded(.down)
        var end = (high / step).rounded(.up)
        if end <= start { end = start + 1 }
        // What is constant at the limit has its axis below.
        if start * step >= limit { (start, end) = ((limit / step).rounded(.up) - 1, (limit / step).rounded(.up)) }
        return stride(from: start, through: end, by: 1).map { min($0 * step, limit) }
    }

    private static func label(_ value: Double, step: Double) -> String {
        let digits = max(
            0, Int((-log10(step)).rounded(.up)) + (step * 10 == (step * 10).rounded() || step < 0.1 ? 0 : 1))
        return String(format: "%.\(min(digits, 6))f", value)
    }
}
