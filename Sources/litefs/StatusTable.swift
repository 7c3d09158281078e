import JSON
import POSIX

/// What GET /info says, for people.
struct StatusTable {
    private let url: String
    private let document: JSONValue

    init(url: String, _ document: JSONValue) {
        self.url = url
        self.document = document
    }

    /// Whether the node is the primary or connected to it, and nothing is wrong with any database.
    var isWell: Bool {
        let isConnected = document["isPrimary"]?.boolean == true || !primaryHostname.isEmpty
        return isConnected && databases.allSatisfy { $0["faults"]?.elements?.isEmpty ?? true }
    }

    private var databases: [JSONValue] { document["databases"]?.elements ?? [] }

    private var primaryHostname: String { document["primary"]?["hostname"]?.string ?? "" }

    /// The node in two lines, then a row for each database.
    var lines: [String] {
        let head = [
            "\(url)  node \(text("nodeID"))  cluster \(text("clusterID"))",
            "\(role)\(text("path").isEmpty ? "" : ", databases at " + text("path"))",
        ]
        if databases.isEmpty { return head + ["no databases"] }
        return head + [""] + Self.aligned(Self.titles, databases.map(row))
            + databases.flatMap { database in
                (database["faults"]?.elements ?? []).compactMap(\.string)
                    .map { "! \(database["name"]?.string ?? ""): \($0)" }
            }
    }

    private func text(_ name: String) -> String { document[name]?.string ?? "" }

    private var role: String {
        if document["isPrimary"]?.boolean == true { return "primary" }
        if let problem = document["leaseProblem"]?.string {
            return "primary that takes no writes: \(problem)"
        }
        let lag = Self.lag(document["lag"])
        if !primaryHostname.isEmpty { return "replica of \(primaryHostname), \(lag) behind" }
        let reason = document["connectionError"]?.string.map { ": " + $0 } ?? ""
        return "replica, not connected to its primary\(reason)"
    }

    private static let titles = [
        "DATABASE", "TXID", "CHECKSUM", "SIZE", "MODE", "WAL", "LAG", "LAST WRITE (UTC)",
    ]

    private func row(_ database: JSONValue) -> [String] {
        let pages = database["pageCount"]?.integer ?? 0
        let pageSize = database["pageSize"]?.integer ?? 0
        let (size, isOverflow) = pages.multipliedReportingOverflow(by: pageSize)
        let timestamp = database["timestamp"]?.integer ?? 0
        return [
            database["name"]?.string ?? "",
            database["position"]?["txid"]?.string ?? "",
            database["position"]?["checksum"]?.string ?? "",
            pages == 0 ? "dropped" : isOverflow ? "?" : Self.bytes(size),
            database["journalMode"]?.string ?? "",
            Self.bytes(database["walBytes"]?.integer ?? 0),
            Self.lag(database["lag"]),
            timestamp == 0 ? "" : String(WallClock.text(milliseconds: timestamp).dropLast(5)),
        ]
    }

    private static func lag(_ value: JSONValue?) -> String {
        guard let milliseconds = value?.integer else { return "?" }
        return milliseconds < 10_000 ? "\(milliseconds) ms" : "\(milliseconds / 1000) s"
    }

    /// A size with three digits or so.
    static func bytes(_ count: Int64) -> String {
        guard count >= 1024 else { return "\(count) B" }
        var value = Double(count)
        var unit = "B"
        for next in ["KiB", "MiB", "GiB", "TiB"] where value >= 1024 {
            value /= 1024
            unit = next
        }
        let tenths = Int((value * 10).rounded())
        return value < 100 ? "\(tenths / 10).\(tenths % 10) \(unit)" : "\(Int(value.rounded())) \(unit)"
    }

    /// Rows in columns, the titles first.
    static func aligned(_ titles: [String], _ rows: [[String]]) -> [String] {
        let all = [titles] + rows
        let widths = titles.indices.map { column in all.map { $0[column].count }.max() ?? 0 }
        return all.map { row in
            var line = ""
            for (cell, width) in zip(row, widths) {
                line += cell + String(repeating: " ", count: width - cell.count + 2)
            }
            while line.last == " " { line.removeLast() }
            return line
        }
    }
}
