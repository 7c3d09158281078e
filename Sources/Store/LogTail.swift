import POSIX

/// The thread that follows one log whose writes pass by.
///
/// While commits flow it looks every half millisecond. When none came for some looks, it sleeps until the file is written to.
///
/// A writer publishes its commit after the last write, and of that nothing is heard: so it goes on to look after a write, at intervals
/// that grow to a second, as long as the log has more than was captured.
final class LogTail: Sendable {
    private static let shortRest = Duration.microseconds(500)
    /// Looks without a commit before the thread sleeps.
    private static let patience = 20
    /// Longest share of the time that looks in vain may take: a long transaction without a wal-index is read anew each time.
    private static let restPerLook = 10
    private static let longestRest = Duration.milliseconds(50)
    private static let firstSleep = Duration.milliseconds(5)
    private static let longestSleep = Duration.seconds(1)

    private let watch: FileWatch?
    private let thread: Thread

    /// Starts the thread.
    ///
    /// - Parameters:
    ///   - database: whose log it is.
    ///   - paths: of the log's files.
    init(_ database: Database, paths: [String]) {
        let watch = try? FileWatch()
        self.watch = watch
        thread = Thread("tail-\(database.name)") { [weak database] in
            while let database, Self.follow(database, paths, watch) {}
        }
    }

    /// Looks while commits come, then sleeps until there may be more.
    ///
    /// Returns false when the database closes.
    private static func follow(_ database: Database, _ paths: [String], _ watch: FileWatch?) -> Bool {
        var looks = 0
        while looks < patience {
            let start = MonotonicTime.now
            guard let look = database.followTail() else { return false }
            looks = look.commits > 0 ? 0 : looks + 1
            let rest =
                look.commits > 0 ? shortRest : min((MonotonicTime.now - start) * restPerLook, longestRest)
            pause(max(shortRest, rest))
        }
        var sleep = firstSleep
        while true {
            // Armed first, then looked once more: what is written in between is found.
            for path in paths { watch?.arm(path) }
            guard let look = database.followTail() else { return false }
            if look.commits > 0 { return true }
            if let watch {
                if watch.wait(look.isAtEnd ? nil : sleep) { return true }
            } else {
                pause(firstSleep)
            }
            sleep = min(sleep * 2, longestSleep)
        }
    }

    /// Has the thread look now.
    func wake() { watch?.wake() }

    /// Waits for the end of the thread, whose database is closing.
    func join() {
        wake()
        thread.join()
    }
}
