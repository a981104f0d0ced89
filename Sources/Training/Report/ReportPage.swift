import Foundation
import NeuralNetwork

/// The page of a report: everything is in the one file, and nothing is fetched.
struct ReportPage {
    let report: RunReport
    /// Curves, confusion, calibration, mistakes.
    let drawings: [Drawing]

    var html: String {
        let title = "\(report.configuration.network.name) on \(report.configuration.dataset.name)"
        return """
            <!doctype html>
            <html lang="en">
            <head>
            <meta charset="utf-8">
            <meta name="viewport" content="width=device-width, initial-scale=1">
            <title>\(HTML.escaped(title))</title>
            <style>\(ReportPage.style)</style>
            </head>
            <body>
            <main>
            <h1>\(HTML.escaped(title))</h1>
            \(tiles)
            <section><h2>Training</h2>\(drawings[0].svg(title: "Loss and accuracy by epoch"))</section>
            <section><h2>Confusion</h2>\(drawings[1].svg(title: "Confusion matrix"))</section>
            <section><h2>Classes</h2>\(classes)</section>
            <section><h2>Calibration</h2>\(drawings[2].svg(title: "Confidence and accuracy"))
            <p>Expected calibration error \(percent(report.metrics.expectedCalibrationError)): how far the probability of an
            answer is from the share of right answers, on average. Bars above the line mean too little confidence, bars below too
            much; pale bars stand for few images.</p></section>
            <section><h2>Mistakes</h2>\(drawings[3].svg(title: "Most wrong answers"))</section>
            <section><h2>Settings</h2>\(settings)</section>
            </main>
            </body>
            </html>

            """
    }

    private static let style = """
        :root { color-scheme: light; }
        body { margin: 0; background: #f3f5f7; color: #24292f; font: 15px/1.5 system-ui, sans-serif; }
        main { max-width: 980px; margin: 0 auto; padding: 24px; }
        h1 { font-size: 26px; margin: 8px 0 16px; }
        h2 { font-size: 18px; margin: 0 0 12px; }
        section, .tile { background: #fff; border-radius: 10px; box-shadow: 0 1px 3px #0002; }
        section { padding: 20px; margin-top: 20px; overflow-x: auto; }
        svg { max-width: 100%; height: auto; display: block; }
        .tiles { display: grid; grid-template-columns: repeat(auto-fit, minmax(max(140px, 20%), 1fr)); gap: 14px; }
        .tile { padding: 12px 16px; }
        .tile b { display: block; font-size: 22px; font-weight: 600; font-variant-numeric: tabular-nums; }
        .tile span { color: #6e7781; font-size: 13px; }
        table { border-collapse: collapse; width: 100%; font-variant-numeric: tabular-nums; }
        th, td { text-align: right; padding: 5px 10px; border-bottom: 1px solid #e3e6ea; }
        th:first-child, td:first-child { text-align: left; white-space: nowrap; }
        th { color: #6e7781; font-weight: 500; }
        td.text { text-align: left; overflow-wrap: anywhere; }
        p { color: #57606a; max-width: 70ch; }
        """

    private var tiles: String {
        let metrics = report.metrics
        var tiles = [
            (percent(metrics.accuracy), "\(metrics.split) accuracy, \(grouped(metrics.images)) images"),
            (String(format: "%.4f", metrics.loss), "\(metrics.split) loss"),
            (percent(metrics.macroF1), "mean F1 of the classes"),
            (percent(metrics.expectedCalibrationError), "calibration error"),
        ]
        if let best = report.log.bestEpoch {
            tiles.append(("\(best.epoch) of \(report.log.epochs.last?.epoch ?? best.epoch)", "best epoch"))
            if let accuracy = best.validationAccuracy {
                tiles.append((percent(accuracy), "validation accuracy"))
            }
        }
        if let start = report.log.start { tiles.append((grouped(start.parameters), "parameters")) }
        tiles.append((String(format: "%.1f s", report.log.trainingSeconds), "training time"))
        let cells = tiles.map { "<div class=\"tile\"><b>\($0.0)</b><span>\(HTML.escaped($0.1))</span></div>" }
        return "<div class=\"tiles\">\n" + cells.joined(separator: "\n") + "\n</div>"
    }

    private var classes: String {
        let metrics = report.metrics
        let rows = metrics.classes.map {
            "<tr><td>\(HTML.escaped($0.label))</td><td>\(grouped($0.images))</td><td>\(percent($0.precision))</td>"
                + "<td>\(percent($0.recall))</td><td>\(percent($0.f1))</td></tr>"
        }
        return "<table><tr><th>Class</th><th>Images</th><th>Precision</th><th>Recall</th><th>F1</th></tr>\n"
            + rows.joined(separator: "\n")
            + "\n<tr><th>All, mean</th><th>\(grouped(metrics.images))</th><th>\(percent(metrics.macroPrecision))</th>"
            + "<th>\(percent(metrics.macroRecall))</th><th>\(percent(metrics.macroF1))</th></tr></table>"
    }

    private var settings: String {
        let configuration = report.configuration
        var rows = [
            ("network", configuration.network.summary),
            (
                "data set",
                "\(configuration.dataset.name), \(grouped(configuration.dataset.trainImages)) images to train on and to validate"
            ),
            ("data set SHA-256", configuration.dataset.sha256),
            ("executor", (configuration.executor ?? .portable).rawValue),
            ("toolkit", configuration.toolkitVersion),
        ]
        rows += configuration.hyperparameters.settings.map { ($0.name, $0.value) }
        if let finish = report.log.finish { rows.append(("weights SHA-256", finish.bestWeightHash)) }
        return "<table>"
            + rows.map {
                "<tr><td>\(HTML.escaped($0.0))</td><td class=\"text\">\(HTML.escaped($0.1))</td></tr>"
            }.joined(separator: "\n") + "</table>"
    }

    private func grouped(_ count: Int) -> String { count.formatted(.number.locale(Locale(identifier: "en_US"))) }

    private func percent(_ fraction: Double) -> String { String(format: "%.2f %%", fraction * 100) }
}
