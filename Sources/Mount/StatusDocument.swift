import JSON
import LTX
import Store

/// The content of `.litefs/NAME.json`: what a reader on this node has to know of a database, as one line of JSON.
///
/// It always has the same size, filled up with blanks before the newline: a program that asks for the size first and reads so many bytes
/// has all of it, whatever happened in between.
enum StatusDocument {
    /// More than all members take at their longest, without the name.
    private static let room = 256

    /// Size of the content in bytes.
    static func byteCount(of name: DatabaseName) -> Int {
        var writer = JSONWriter()
        writer.string(name.text)
        return room + writer.bytes.count
    }

    /// The content as it is now.
    ///
    /// Invariant: the generation is read before and after the rest, so that a position is never told with the generation of a file
    /// that does not have it.
    static func bytes(of database: Database, _ node: any NodeStatus) -> [UInt8] {
        var facts = database.fileFacts
        var summary = database.summary
        for _ in 0..<8 {
            let again = database.fileFacts
            if again?.generation == facts?.generation { break }
            (facts, summary) = (again, database.summary)
        }
        var writer = JSONWriter()
        writer.object { writer in
            writer.member("name", database.name.text)
            writer.member("role", node.isPrimary ? "primary" : "replica")
            writer.member("position", "\(summary.position)")
            writer.member("txid", summary.position.txid.rawValue)
            writer.member("generation", hexadecimal(facts?.generation ?? 0))
            writer.member("journalMode", facts?.journalMode ?? "delete")
            writer.member("pageSize", summary.pageSize)
            writer.member("pages", summary.pageCount)
            writer.name("lagMs")
            if let lag = node.lagMilliseconds(of: database.name) {
                writer.integer(lag)
            } else {
                writer.null()
            }
            writer.member("ready", facts != nil && summary.isShown && summary.pageCount > 0)
        }
        let blanks = byteCount(of: database.name) - writer.bytes.count - 1
        return writer.bytes + [UInt8](repeating: UInt8(ascii: " "), count: max(0, blanks)) + [
            UInt8(ascii: "\n")
        ]
    }

    private static func hexadecimal(_ number: UInt64) -> String {
        let digits = String(number, radix: 16)
        return String(repeating: "0", count: 16 - digits.count) + digits
    }
}
