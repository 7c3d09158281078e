import Glibc

/// Commits numbered rows on the mount of a node that may or may not be the primary, again and again, until it is killed.
///
/// Each attempt has a number of its own, so that a row tells which call made it. Prints, with times of CLOCK_BOOTTIME in nanoseconds:
///
///     ack NUMBER CALLED RETURNED      the commit was acknowledged
///     refused NUMBER CODE MESSAGE     it was not, and the one before was, or failed in another way
struct Insister {
    let path: String
    /// Who writes, in the first column.
    let node: String
    /// Microseconds after a commit.
    let pause: UInt32
    /// Whether the database is opened again after each refusal; else one connection has to do for ever.
    let opensAgain: Bool

    /// Microseconds after a refusal.
    private static let patience: UInt32 = 10_000

    /// Goes on for ever, from a number.
    func run(from first: Int64) throws {
        var number = first
        var refusal: Int32 = 0
        var connection: Database?
        while true {
            do {
                let database = try connection ?? open()
                connection = database
                let called = bootTime()
                try database.run("INSERT INTO acknowledged VALUES('\(node)', \(number))")
                say("ack \(number) \(called) \(bootTime())")
                refusal = 0
                usleep(pause)
            } catch let error as Database.Failure {
                if refusal != error.code { say("refused \(number) \(error.code) \(error)") }
                refusal = error.code
                if opensAgain { connection = nil }
                usleep(Self.patience)
            }
            number += 1
        }
    }

    /// Opens it with a short log, which begins anew again and again.
    private func open() throws -> Database {
        let database = try Database(path, isMade: false)
        try database.run("PRAGMA wal_autocheckpoint=50")
        return database
    }

    private func bootTime() -> Int64 {
        var now = timespec()
        clock_gettime(CLOCK_BOOTTIME, &now)
        return Int64(now.tv_sec) * 1_000_000_000 + Int64(now.tv_nsec)
    }
}
