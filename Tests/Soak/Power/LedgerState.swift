import CSQLite
import Harness
import POSIX

/// What a database of the workload holds on a node.
enum LedgerState: Equatable {
    /// No database, or one without a ledger, or an empty one.
    case nothing
    /// A sound one up to a number.
    case highest(Int)
    /// SQLite finds it damaged, or the numbers do not agree.
    case damaged(String)

    /// The highest number; nil when damaged.
    var highest: Int? {
        switch self {
        case .nothing: 0
        case .highest(let number): number
        case .damaged: nil
        }
    }

    /// Reads it through the mount.
    static func read(_ path: String, flags: Int32 = SQLITE_OPEN_READWRITE) throws -> LedgerState {
        guard Files.exists(path) else { return .nothing }
        do {
            let connection = try SQLiteConnection(path, flags: flags)
            let tables = try connection.value(
                "SELECT count(*) FROM sqlite_schema WHERE name IN ('ledger', 'giving', 'taking')"
            )
            let check = try connection.run("PRAGMA integrity_check").joined(separator: "; ")
            guard check == "ok" else { return .damaged(check) }
            guard tables == "3" else { return .nothing }
            let row = try connection.value(
                """
                SELECT coalesce(max(n), 0), count(*) = coalesce(max(n) - min(n) + 1, 0) AND total(square) = total(n * n),
                (SELECT total(v) FROM giving) = (SELECT total(v) FROM taking) FROM ledger
                """
            )
            let fields = row.split(separator: "|")
            guard fields.count == 3, let highest = Int(fields[0]), fields[1] == "1", fields[2] == "1" else {
                return .damaged("sums do not agree: \(row)")
            }
            return highest == 0 ? .nothing : .highest(highest)
        } catch let failure as SQLiteConnection.Failure
            where [SQLITE_CORRUPT, SQLITE_NOTADB].contains(failure.code & 0xff)
        {
            return .damaged("\(failure)")
        }
    }
}
