import Logging
import POSIX

// The end: what is queued is stored, what is known is saved.
extension Database {
    /// Whether something is in doubt.
    var wantsReconcile: Bool { locked { (needsReconcile || isTableUnknown) && !isClosing } }

    /// Lets the log writer store what is queued, for at most some seconds; a full disk must not keep the node from stopping.
    func finishWriting() {
        let deadline = MonotonicTime.now + .seconds(5)
        locked {
            _ = try? captureTail()
            while !queue.isEmpty, logFailure == nil, monitor.wait(until: deadline) {}
            if !context.options.isPrimary { isClosing = true }
        }
        monitor.wakeAll()
    }

    /// Refuses further changes, ends the log writer, saves the checksums.
    ///
    /// With `handingOver` they are for a process that goes on with the mount, at once.
    func close(handingOver: Bool = false) {
        finishWriting()
        let (writer, follower) = locked { () -> (Thread?, LogTail?) in
            isClosing = true
            defer { (logWriter, tail) = (nil, nil) }
            return (logWriter, tail)
        }
        monitor.wakeAll()
        follower?.join()
        writer?.join()
        locked {
            do throws(StoreError) {
                if handingOver { try saveHandover() } else { try saveChecksums() }
            } catch {
                context.logger.warning(
                    "database \"\(name)\": the next start will read it as a whole: \(error)"
                )
            }
        }
    }
}
