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
            while !queue.isEmpty, logFailure == nil, monitor.wait(until: deadline) {}
            if !context.options.isPrimary { isClosing = true }
        }
        monitor.wakeAll()
    }

    /// Refuses further changes, ends the log writer, saves the checksums.
    func close() {
        finishWriting()
        let writer = locked { () -> Thread? in
            isClosing = true
            defer { logWriter = nil }
            return logWriter
        }
        monitor.wakeAll()
        writer?.join()
        locked {
            do throws(StoreError) {
                try saveChecksums()
            } catch {
                context.logger.warning(
                    "database \"\(name)\": the next start will read it as a whole: \(error)"
                )
            }
        }
    }
}
