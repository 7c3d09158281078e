import CMicrohttpd
import POSIX
import Synchronization

/// A body that is being sent.
final class ActiveBody: Sendable {
    private let body: any ResponseBody
    private let context: ServerContext
    /// The connection's socket.
    let socket: Int32
    /// Whether only a reset tells the peer that the answer is not complete.
    private let resetsOnFailure: Bool
    private let isCancelled = Atomic(false)

    init(_ body: any ResponseBody, context: ServerContext, socket: Int32, resetsOnFailure: Bool) {
        self.body = body
        self.context = context
        self.socket = socket
        self.resetsOnFailure = resetsOnFailure
    }

    /// Whether it is to be cancelled when the peer is gone.
    var endsWithPeer: Bool { body.endsWithPeer }

    /// Cancels the body, once.
    func cancel() {
        if !isCancelled.exchange(true, ordering: .acquiringAndReleasing) { body.cancel() }
    }

    /// The callback that asks for more; `cls` is an unowned reference, `buffer` is the library's.
    static let read: MHD_ContentReaderCallback = { cls, _, buffer, size in
        guard let cls, let buffer, size > 0 else { return cmhd_end_with_error() }
        // SAFETY: the response owns a reference until it calls `free`.
        let active = Unmanaged<ActiveBody>.fromOpaque(cls).takeUnretainedValue()
        let target = UnsafeMutableRawBufferPointer(start: buffer, count: size)
        do {
            let count = try active.body.read(into: target)
            precondition(count >= 0 && count <= size, "a response body returned more than the buffer holds")
            return count > 0 ? count : cmhd_end_of_stream()
        } catch {
            // The connection is cut off either way; a failed reset only leaves an orderly end.
            if active.resetsOnFailure { try? Socket.reset(active.socket) }
            return cmhd_end_with_error()
        }
    }

    /// The callback that gives back the response's reference.
    static let free: MHD_ContentReaderFreeCallback = { cls in
        guard let cls else { return }
        // SAFETY: consumes the reference that was made with the response, once.
        let active = Unmanaged<ActiveBody>.fromOpaque(cls).takeRetainedValue()
        active.context.remove(active)
    }
}
