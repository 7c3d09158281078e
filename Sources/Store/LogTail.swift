import POSIX

/// The thread that follows one log whose writes pass by.
///
/// While commits flow it looks every half millisecond; when none came for some looks, it sleeps until the file is written to.
final class LogTail: Sendable {
    private static let pause = Duration.microseconds(500)
    /// Looks without a commit before the thread sleeps.
    private static let patience = 20

    private let watch: FileWatch?
    private let thread: Thread

    /// Starts the thread.
    ///
    /// - Parameters:
    ///   - database: whose log it is.
    ///   - path: of the log.
    init(_ database: Database, path: String) {
        let watch = try? FileWatch()
        self.watch = watch
        thread = Thread("tail-\(database.name)") { [weak database] in
            var looks = 0
            while true {
                let start = MonotonicTime.now
                guard let found = database?.followTail() else { return }
                // A long transaction without a wal-index is read anew each time: that may take a tenth of the time.
                let pause = found > 0 ? Self.pause : max(Self.pause, (MonotonicTime.now - start) * 10)
                looks = found > 0 ? 0 : looks + 1
                if looks < Self.patience || pause > Self.pause {
                    CurrentThread.sleep(pause)
                    continue
                }
                // Armed first, then looked once more: what is written in between is found.
                watch?.arm(path)
                guard let last = database?.followTail() else { return }
                if last == 0 {
                    if let watch { watch.wait() } else { CurrentThread.sleep(.milliseconds(5)) }
                }
                looks = 0
            }
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
