import Glibc

/// Reads in a loop, opening the database anew from time to time, until a file exists; any error, and any state that no
/// commit left, counts.
struct Reader {
    let path: String
    let stopPath: String

    /// Prints `reads N errors N changes N slowest N`, the last in milliseconds, at the end, and each error as it comes.
    func run() {
        var (reads, errors, changes) = (0, 0, 0)
        var last: Int64 = -1
        var slowest: Int64 = 0
        while access(stopPath, F_OK) != 0 {
            var start = milliseconds()
            do {
                // Where a mount goes and comes back, a reader must not make a database in the bare folder.
                let database = try Database(path, isMade: false)
                // Where another connection closes, SQLite itself holds the database for a moment; later nothing may.
                _ = try database.number("SELECT count(*) FROM ledger")
                database.setBusyTimeout(milliseconds: 0)
                for _ in 0..<20 {
                    try database.run("BEGIN")
                    let difference = try database.number(
                        "SELECT (SELECT total(v) FROM giving) - (SELECT total(v) FROM taking)"
                    )
                    let count = try database.number("SELECT count(*) FROM ledger")
                    let highest = try database.number("SELECT max(n) FROM ledger")
                    try database.run("COMMIT")
                    reads += 1
                    if difference != 0 || count != highest || highest < last {
                        errors += 1
                        say(
                            "error: difference \(difference), \(count) rows, highest \(highest), before \(last)"
                        )
                    }
                    if highest != last { changes += 1 }
                    last = highest
                    let now = milliseconds()
                    slowest = max(slowest, now - start)
                    start = now
                }
            } catch {
                errors += 1
                say("error: \(error)")
            }
        }
        say("reads \(reads) errors \(errors) changes \(changes) slowest \(slowest)")
    }

    private func milliseconds() -> Int64 {
        var now = timespec()
        clock_gettime(CLOCK_MONOTONIC, &now)
        return Int64(now.tv_sec) * 1000 + Int64(now.tv_nsec) / 1_000_000
    }
}
