import HTTP
import POSIX

/// The events of one listener, a line each (application/x-ndjson in all but name).
final class EventStream: ResponseBody {
    private struct State {
        var lines: [[UInt8]] = []
        /// Bytes of the first line that were read.
        var offset = 0
        var isEnded = false
        var isOverrun = false
    }

    /// The listener's address.
    let remoteAddress: String
    private let state = Guarded(State())

    init(remoteAddress: String) {
        self.remoteAddress = remoteAddress
    }

    /// Nothing may be sent for hours: that the listener is gone must be noticed without it.
    var endsWithPeer: Bool { true }

    /// Whether it ended because its listener did not read.
    var isOverrun: Bool { state.withLock { $0.pointee.isOverrun } }

    /// Adds a line; false when the stream has ended.
    @discardableResult
    func add(_ line: [UInt8]) -> Bool {
        let isOpen = state.withLock { state in
            guard !state.pointee.isEnded else { return false }
            guard state.pointee.lines.count < EventHub.queueBound else {
                state.pointee.isOverrun = true
                state.pointee.isEnded = true
                return false
            }
            state.pointee.lines.append(line)
            return true
        }
        state.wakeAll()
        return isOpen
    }

    /// Ends the stream.
    func end() {
        state.withLock { $0.pointee.isEnded = true }
        state.wakeAll()
    }

    /// Waits for an event, and gives as many whole or begun lines as fit.
    func read(into buffer: UnsafeMutableRawBufferPointer) throws -> Int {
        state.withLock { state in
            while state.pointee.lines.isEmpty, !state.pointee.isEnded { self.state.wait() }
            guard !state.pointee.isOverrun else { return 0 }
            var count = 0
            while let line = state.pointee.lines.first, count < buffer.count {
                let part = line[state.pointee.offset...].prefix(buffer.count - count)
                part.withUnsafeBytes { bytes in
                    UnsafeMutableRawBufferPointer(rebasing: buffer[count..<count + bytes.count])
                        .copyMemory(from: bytes)
                }
                count += part.count
                state.pointee.offset += part.count
                guard state.pointee.offset == line.count else { break }
                state.pointee.lines.removeFirst()
                state.pointee.offset = 0
            }
            return count
        }
    }

    /// The listener is gone.
    func cancel() { end() }
}
