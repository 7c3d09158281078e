import CShims
import Glibc
import POSIX
import Synchronization

/// Whether reads, writes and mappings of files can go straight to the files that back them.
public enum PassthroughSupport: Sendable, Equatable {
    /// They can.
    case available
    /// They cannot, for this reason.
    case unavailable(String)
}

/// Passthrough of the FUSE protocol 7.40 (Linux 6.9): the kernel reads, writes and maps a file that backs an inode, and asks nobody.
///
/// libfuse 3.14 does not know it. What is missing in its answers is added on their way to the kernel:
///
///     INIT           minor 40, flag FUSE_PASSTHROUGH, max_stack_depth 1
///     OPEN, CREATE   flag FOPEN_PASSTHROUGH, and the backing id where older headers have padding
///
/// All open files of an inode must agree: while one passes through, so do the others, with the same backing id. Thread-safe.
final class Passthrough: Sendable {
    private struct State {
        /// Number of the INIT request, until it is answered.
        var initRequest: UInt64?
        var isOffered = false
        var isAnswered = false
        /// What is registered for each inode, and how many open files use it.
        var backings: [InodeNumber: (id: Int32, users: Int)] = [:]
    }

    private let device: Int32
    private let isWanted: Bool
    private let state = Guarded(State())

    /// - Parameters:
    ///   - device: the connection, a descriptor of `/dev/fuse`.
    ///   - isWanted: whether to ask the kernel for it.
    init(device: Int32, isWanted: Bool) {
        self.device = device
        self.isWanted = isWanted
    }

    /// Takes over what an earlier process registered with the connection for files that are still open.
    func restore(_ files: [OpenFiles.OpenFile]) {
        state.withLock { state in
            for file in files where file.backing != 0 {
                state.pointee.backings[file.inode] = (
                    file.backing, (state.pointee.backings[file.inode]?.users ?? 0) + 1
                )
            }
        }
    }

    /// Waits until the kernel and the session have agreed; false when the time is up before.
    func waitUntilAgreed(deadline: MonotonicTime) -> Bool {
        state.withLock { state in
            while !state.pointee.isAnswered {
                guard self.state.wait(until: deadline) else { return false }
            }
            return true
        }
    }

    /// Whether files can pass through; waits until the kernel and the session have agreed.
    func support(deadline: MonotonicTime) -> PassthroughSupport {
        guard isWanted else { return .unavailable("it is switched off") }
        return state.withLock { state in
            while !state.pointee.isAnswered {
                guard self.state.wait(until: deadline) else {
                    return .unavailable("the kernel did not answer")
                }
            }
            return state.pointee.isOffered
                ? .available : .unavailable("this kernel cannot; Linux 6.9 and later can")
        }
    }

    // MARK: - Open files

    /// Registers a file as what backs an inode, for one more open file of it.
    ///
    /// - Throws: what the kernel says, `ELOOP` for a file system that is stacked on another one already.
    func opened(_ inode: InodeNumber, backedBy file: Int32) throws(Errno) -> Int32 {
        let result = state.withLock { state -> Result<Int32, Errno> in
            if let backing = state.pointee.backings[inode] {
                state.pointee.backings[inode] = (backing.id, backing.users + 1)
                return .success(backing.id)
            }
            let id = cshims_fuse_open_backing(device, file)
            guard id > 0 else { return .failure(Errno.last) }
            state.pointee.backings[inode] = (id, 1)
            return .success(id)
        }
        return try result.get()
    }

    /// One open file of the inode was closed.
    func closed(_ inode: InodeNumber) {
        state.withLock { state in
            guard let backing = state.pointee.backings[inode] else { return }
            if backing.users > 1 {
                state.pointee.backings[inode] = (backing.id, backing.users - 1)
            } else {
                state.pointee.backings[inode] = nil
                _ = cshims_fuse_close_backing(device, backing.id)
            }
        }
    }

    // MARK: - Messages

    /// Looks at a request: `struct fuse_in_header`, then `struct fuse_init_in`.
    ///
    /// Returns whether it is INIT.
    func received(_ request: UnsafeRawBufferPointer) -> Bool {
        guard request.count >= 40,
            request.loadUnaligned(fromByteOffset: 4, as: UInt32.self) == Message.initialise
        else { return false }
        let offered = Message.initialiseExtension & (request.count >= 56 ? request.word(at: 40 + 12) : 0) != 0
        let flags = offered && request.count >= 60 ? request.word(at: 40 + 16) : 0
        canResend.store(flags & Message.hasResend != 0, ordering: .relaxed)
        state.withLock { state in
            state.pointee.initRequest = request.loadUnaligned(fromByteOffset: 8, as: UInt64.self)
            state.pointee.isOffered = isWanted && flags & Message.passthrough != 0
        }
        return true
    }

    /// Whether the kernel sends requests again when it is asked to (FUSE_HAS_RESEND); known with INIT.
    let canResend = Atomic<Bool>(false)

    /// Says that the next answer of this thread is to OPEN or CREATE, and passes through.
    func answering(with backing: Int32) {
        pthread_setspecific(Self.pending, UnsafeRawPointer(bitPattern: Int(backing)))
    }

    /// Adds to an answer what libfuse does not know: `struct fuse_out_header`, then the answer's own structure.
    ///
    /// - Returns: whether it is the answer to INIT; call `agreed` when the kernel has it.
    func amend(_ parts: UnsafeMutableBufferPointer<iovec>) -> Bool {
        guard parts.count == 2, let header = parts[0].iov_base, parts[0].iov_len == 16,
            let body = parts[1].iov_base
        else { return false }
        let count = Int(parts[1].iov_len)
        if let backing = pthread_getspecific(Self.pending) {
            pthread_setspecific(Self.pending, nil)
            guard count >= 16 else { return false }
            // struct fuse_open_out, at the end of both answers: fh, open_flags, backing_id.
            let flags = body.load(fromByteOffset: count - 8, as: UInt32.self)
            let own = (flags & ~Message.keepCache) | Message.passesThrough
            body.storeBytes(of: own, toByteOffset: count - 8, as: UInt32.self)
            body.storeBytes(of: Int32(Int(bitPattern: backing)), toByteOffset: count - 4, as: Int32.self)
            return false
        }
        return amendInitialisation(
            unique: header.loadUnaligned(fromByteOffset: 8, as: UInt64.self),
            body,
            count
        )
    }

    /// `struct fuse_init_out`: major, minor, max_readahead, flags, 2 x 16 bits, max_write, time_gran, 2 x 16 bits, flags2,
    /// max_stack_depth.
    private func amendInitialisation(unique: UInt64, _ body: UnsafeMutableRawPointer, _ count: Int) -> Bool {
        // Looked at without the lock by every answer: only the first one of a connection can be it.
        guard !isInitialised.load(ordering: .relaxed) else { return false }
        return state.withLock { state in
            guard state.pointee.initRequest == unique else { return false }
            state.pointee.initRequest = nil
            if count < 40 { state.pointee.isOffered = false }
            guard state.pointee.isOffered else { return true }
            func add(_ value: UInt32, at offset: Int) {
                body.storeBytes(
                    of: body.load(fromByteOffset: offset, as: UInt32.self) | value,
                    toByteOffset: offset,
                    as: UInt32.self
                )
            }
            body.storeBytes(
                of: max(40, body.load(fromByteOffset: 4, as: UInt32.self)),
                toByteOffset: 4,
                as: UInt32.self
            )
            add(Message.initialiseExtension, at: 12)
            add(Message.passthrough, at: 32)
            body.storeBytes(of: 1, toByteOffset: 36, as: UInt32.self)
            return true
        }
    }

    /// The kernel has the answer to INIT, and does what it says.
    func agreed() {
        isInitialised.store(true, ordering: .relaxed)
        state.withLock { $0.pointee.isAnswered = true }
        state.wakeAll()
    }

    private let isInitialised = Atomic<Bool>(false)

    /// Numbers of the kernel's FUSE interface, `<linux/fuse.h>`.
    private enum Message {
        /// FUSE_INIT.
        static let initialise: UInt32 = 26
        /// FUSE_INIT_EXT.
        static let initialiseExtension: UInt32 = 1 << 30
        /// FUSE_PASSTHROUGH, in flags2.
        static let passthrough: UInt32 = 1 << (37 - 32)
        /// FUSE_HAS_RESEND, in flags2.
        static let hasResend: UInt32 = 1 << (39 - 32)
        /// FOPEN_KEEP_CACHE.
        static let keepCache: UInt32 = 1 << 1
        /// FOPEN_PASSTHROUGH.
        static let passesThrough: UInt32 = 1 << 7
    }

    /// The backing id of the answer that the thread is about to give.
    private static let pending: pthread_key_t = {
        var key = pthread_key_t()
        pthread_key_create(&key, nil)
        return key
    }()
}

extension UnsafeRawBufferPointer {
    fileprivate func word(at offset: Int) -> UInt32 { loadUnaligned(fromByteOffset: offset, as: UInt32.self) }
}
