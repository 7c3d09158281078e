import JSON
import POSIX

/// The results, as a table and as JSON.
struct Report {
    let machine: Machine
    let isQuick: Bool
    var measurements: [Measurement] = []
    /// Scenarios that could not run here, and why.
    var skipped: [(name: String, reason: String)] = []

    /// The table with its machine line.
    var table: String {
        let header = ["", "native", "litefs", "median", "target", ""]
        let rows = measurements.map { item in
            [
                item.title, item.native, item.litefs, "\(decimal(item.value)) \(item.unit.rawValue)",
                item.target?.text ?? "",
                item.target.map { $0.isMet(by: item.value) ? "met" : "not met" } ?? "",
            ]
        }
        let widths = header.indices.map { column in ([header] + rows).map { $0[column].count }.max() ?? 0 }
        let lines = ([header] + rows)
            .map { row in
                let cells = row.indices.map { column in
                    let space = String(repeating: " ", count: widths[column] - row[column].count)
                    return column == 0 || column >= 4 ? row[column] + space : space + row[column]
                }
                return trimmed(cells.joined(separator: "  "))
            }
        let notes = skipped.map { "\($0.name): not measured, \($0.reason)" }
        let size = isQuick ? " (quick: smaller databases)" : ""
        return (lines + notes + ["", "machine: " + machine.description + size]).joined(separator: "\n")
    }

    private func trimmed(_ line: String) -> String {
        var line = line
        while line.last == " " { line.removeLast() }
        return line
    }

    /// Writes the results to a file.
    func writeJSON(to path: String) throws {
        var writer = JSONWriter(style: .pretty, escapesHTML: false)
        writer.object { json in
            json.name("machine")
            json.object { json in
                json.member("processor", machine.processor)
                json.member("cores", machine.cores)
                json.member("memoryMiB", machine.memoryMebibytes)
                json.member("kernel", machine.kernel)
                json.member("fileSystem", machine.fileSystem)
                json.member("sqlite", machine.sqlite)
            }
            json.member("quick", isQuick)
            json.name("results")
            json.array { json in
                for item in measurements { json.object { write(item, to: &$0) } }
            }
            json.name("notMeasured")
            json.array { json in
                for item in skipped {
                    json.object { json in
                        json.member("name", item.name)
                        json.member("reason", item.reason)
                    }
                }
            }
        }
        writer.newline()
        try Files.replace(path, with: writer.bytes)
    }

    private func write(_ item: Measurement, to json: inout JSONWriter) {
        json.member("name", item.name)
        json.member("title", item.title)
        if !item.native.isEmpty { json.member("native", item.native) }
        if !item.litefs.isEmpty { json.member("litefs", item.litefs) }
        json.name("value")
        json.number(item.value)
        json.member("unit", item.unit.rawValue)
        if let target = item.target {
            json.member("target", target.text)
            json.member("met", target.isMet(by: item.value))
        }
        json.name("samples")
        json.array { json in
            for value in item.samples { json.number(value) }
        }
    }
}
