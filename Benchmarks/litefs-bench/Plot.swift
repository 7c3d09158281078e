import POSIX

/// The shares of native speed as a picture (SVG): a bar for each, and a mark where the project wants to be.
struct Plot {
    let report: Report

    private static let width = 860
    private static let labels = 430
    private static let row = 30
    private static let bar = 18
    private static let top = 34
    /// What the right edge means; faster than native is cut there.
    private static let limit = 1.2

    private var shares: [Measurement] { report.measurements.filter { $0.unit == .ofNative } }

    /// The picture.
    var svg: String {
        let height = Self.top + shares.count * Self.row + 30
        var lines = [
            "<svg xmlns=\"http://www.w3.org/2000/svg\" viewBox=\"0 0 \(Self.width) \(height)\" font-family=\"sans-serif\" "
                + "font-size=\"13\">",
            "<title>Speed on the mount, as a share of a native folder</title>",
            "<rect width=\"100%\" height=\"100%\" fill=\"#ffffff\"/>",
        ]
        for share in [0.0, 0.25, 0.5, 0.75, 1] {
            let x = place(share)
            lines.append(
                "<line x1=\"\(x)\" y1=\"\(Self.top - 8)\" x2=\"\(x)\" y2=\"\(height - 26)\" stroke=\"\(share == 1 ? "#555555" : "#dddddd")\"/>"
            )
            lines.append(
                "<text x=\"\(x)\" y=\"\(Self.top - 14)\" text-anchor=\"middle\" fill=\"#555555\">\(share == 1 ? "native" : share == 0 ? "0" : decimal(share))</text>"
            )
        }
        for (index, item) in shares.enumerated() { lines += draw(item, at: Self.top + index * Self.row) }
        lines.append(
            "<text x=\"12\" y=\"\(height - 8)\" fill=\"#777777\" font-size=\"11\">\(escaped(report.machine.description)); the marks are the targets</text>"
        )
        return (lines + ["</svg>", ""]).joined(separator: "\n")
    }

    private func draw(_ item: Measurement, at y: Int) -> [String] {
        let isMet = item.target.map { $0.isMet(by: item.value) } ?? true
        let end = place(min(item.value, Self.limit))
        let middle = y + Self.row / 2 + 4
        let isLong = end > Self.labels + 60
        var lines = [
            "<text x=\"12\" y=\"\(middle)\" fill=\"#222222\">\(escaped(item.title))</text>",
            "<rect x=\"\(Self.labels)\" y=\"\(y + (Self.row - Self.bar) / 2)\" width=\"\(max(1, end - Self.labels))\" "
                + "height=\"\(Self.bar)\" fill=\"\(isMet ? "#3b82c4" : "#d08a3c")\"/>",
            isLong
                ? "<text x=\"\(Self.labels + 8)\" y=\"\(middle)\" fill=\"#ffffff\">\(decimal(item.value))</text>"
                : "<text x=\"\(end + 6)\" y=\"\(middle)\" fill=\"#222222\">\(decimal(item.value))</text>",
        ]
        if case .atLeast(let bound) = item.target {
            let x = place(bound)
            lines.append(
                "<line x1=\"\(x)\" y1=\"\(y + 3)\" x2=\"\(x)\" y2=\"\(y + Self.row - 3)\" stroke=\"#222222\" stroke-width=\"2\"/>"
            )
        }
        return lines
    }

    private func place(_ share: Double) -> Int {
        Self.labels + Int((share / Self.limit * Double(Self.width - Self.labels - 50)).rounded())
    }

    private func escaped(_ text: String) -> String {
        text.replacing("&", with: "&amp;").replacing("<", with: "&lt;").replacing(">", with: "&gt;")
    }
}
