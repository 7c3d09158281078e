import CFuse3
import CShims
import Glibc
import POSIX
import Synchronization

/// How a session is set up.
public struct SessionOptions: Sendable {
    /// Users other than the one who mounts may use the mount.
    public var allowOther: Bool
    /// The kernel checks permission bits; without, the file system decides alone.
    public var checksPermissions: Bool
    /// Files may pass through, where the kernel can.
    public var allowPassthrough: Bool
    /// libfuse prints every request on standard error.
    public var debug: Bool
    /// Threads that take requests.
    public var threads: Int

    /// Options with their values.
    public init(
        allowOther: Bool,
        checksPermissions: Bool = false,
        allowPassthrough: Bool = false,
        debug: Bool = false,
        threads: Int = 8
    ) {
        self.allowOther = allowOther
        self.checksPermissions = checksPermissions
        self.allowPassthrough = allowPassthrough
        self.debug = debug
        self.threads = threads
    }
}

/// A FUSE session: a descriptor of `/dev/fuse`, a mount made for it, and the threads that serve it.
///
/// The mount is invisible until `attach(at:)`; before that, and at any time after, `root` reaches it by `openat`.
/// End with `detach()`, then `stop()`.
public final class FUSESession: Sendable {
    /// Requests so far.
    public let counters: RequestCounters

    // SAFETY: libfuse's session is thread-safe for receive, process and notify; it is destroyed after all threads ended.
    private nonisolated(unsafe) let session: OpaquePointer
    private let channel: Channel
    private let threads: [Thread]
    private let state: Mutex<State>

    private struct State: ~Copyable {
        var mount: DetachedMount?
        var path: String?
    }

    /// Longest request or answer, in bytes of file content.
    static let maximumIO = 1 << 20

    /// Makes the session and starts to serve `fileSystem`.
    public init(_ fileSystem: any FileSystem, options: SessionOptions) throws(MountError) {
        let device: FileDescriptor
        do throws(Errno) {
            device = try FileDescriptor.open("/dev/fuse", .readWrite)
        } catch {
            throw .noDevice(error)
        }
        let mount = try DetachedMount(
            device: device,
            allowOther: options.allowOther,
            checksPermissions: options.checksPermissions
        )
        let counters = RequestCounters()
        // libfuse closes the device when the session is destroyed: nobody else may.
        let deviceNumber = device.release()
        channel = Channel(
            device: deviceNumber,
            fileSystem: fileSystem,
            counters: counters,
            passthrough: Passthrough(device: deviceNumber, isWanted: options.allowPassthrough)
        )
        self.counters = counters

        guard let session = Channel.makeSession(channel, debug: options.debug) else {
            _ = FileDescriptor(owning: deviceNumber)
            throw .cannotStartSession
        }
        self.session = session
        nonisolated(unsafe) let served = session
        let stopping = channel
        threads = (0..<options.threads)
            .map { number in
                Thread("fuse-\(number)", interruptible: true) {
                    var buffer = fuse_buf()
                    while !stopping.isStopping {
                        let result = fuse_session_receive_buf(served, &buffer)
                        if result == -EINTR { continue }
                        if result <= 0 { break }
                        fuse_session_process_buf(served, &buffer)
                    }
                    free(buffer.mem)
                }
            }
        state = Mutex(State(mount: mount, path: nil))
    }

    /// Whether files on the mount can pass through to the file of this descriptor, and those beside it.
    ///
    /// Waits until the kernel has answered, for some seconds at most.
    public func passthrough(to file: Int32) -> PassthroughSupport {
        let support = channel.passthrough.support(deadline: .now + .seconds(5))
        guard support == .available else { return support }
        do throws(Errno) {
            // A number that no inode has.
            _ = try channel.passthrough.opened(.max, backedBy: file)
            channel.passthrough.closed(.max)
            return .available
        } catch .tooManyLinks {
            return .unavailable("the data directory is on a file system that is stacked on another one")
        } catch .notPermitted {
            return .unavailable("it needs the capability CAP_SYS_ADMIN in the first user namespace")
        } catch {
            return .unavailable("the kernel does not take the data directory's files: \(error)")
        }
    }

    /// Descriptor of the root folder, for `openat`.
    ///
    /// Valid until `detach()`.
    public var root: Int32 {
        state.withLock { state in
            guard state.mount != nil else { return -1 }
            return state.mount?.root.rawValue ?? -1
        }
    }

    /// Makes the mount visible at `path`, a folder.
    public func attach(at path: String) throws(MountError) {
        let result = state.withLock { state -> Result<Void, MountError> in
            state.path = path
            return Result { () throws(MountError) in try state.mount?.attach(at: path) }
        }
        try result.get()
        raiseReadAhead(path)
    }

    /// Removes the mount.
    ///
    /// When files on it are still in use it is detached: it vanishes from the folder now, and for its users
    /// when they close their files. Returns whether it was in use. All own descriptors on it must be closed
    /// before.
    public func detach() -> Bool {
        let path = state.withLock { state -> String? in
            state.mount = nil
            defer { state.path = nil }
            return state.path
        }
        guard let path else { return false }
        if cshims_unmount(path, 0) == 0 { return false }
        _ = cshims_unmount(path, 1)
        return true
    }

    /// Ends the threads and the connection; whoever still uses a file gets ENOTCONN.
    public func stop() {
        channel.stop()
        for thread in threads { thread.interruptAndJoin() }
        fuse_session_destroy(session)
    }

    /// Makes the kernel forget what it knows of a name.
    ///
    /// Not on a thread that serves a request.
    public func invalidate(name: String, in parent: InodeNumber) {
        _ = fuse_lowlevel_notify_inval_entry(session, parent, name, name.utf8.count)
    }

    /// Makes the kernel forget the attributes and cached content of an inode.
    ///
    /// Not on a thread that serves a request.
    public func invalidate(_ inode: InodeNumber) {
        _ = fuse_lowlevel_notify_inval_inode(session, inode, 0, 0)
    }

    /// Asks the kernel for longer reads ahead than its default of 128 KiB, so that scans come in few requests.
    private func raiseReadAhead(_ path: String) {
        guard let status = try? Files.status(path) else { return }
        let device = dev_t(status.device)
        let (major, minor) = (cshims_device_major(device), cshims_device_minor(device))
        let file = "/sys/class/bdi/\(major):\(minor)/read_ahead_kb"
        guard let descriptor = try? FileDescriptor.open(file, .writeOnly) else { return }
        try? descriptor.write(Array("1024".utf8), at: 0)
    }
}

/// What stands between the kernel and libfuse.
final class Channel: Sendable {
    /// Belongs to libfuse's session.
    let device: Int32
    let fileSystem: any FileSystem
    let counters: RequestCounters
    let passthrough: Passthrough
    private let stopping = Atomic<Bool>(false)

    init(device: Int32, fileSystem: any FileSystem, counters: RequestCounters, passthrough: Passthrough) {
        self.device = device
        self.fileSystem = fileSystem
        self.counters = counters
        self.passthrough = passthrough
    }

    var isStopping: Bool { stopping.load(ordering: .relaxed) }

    func stop() { stopping.store(true, ordering: .relaxed) }

    // SAFETY: the session holds an unretained pointer to the channel; FUSESession owns both and destroys the session first.
    static func of(_ data: UnsafeMutableRawPointer?) -> Channel {
        guard let data else { preconditionFailure("a FUSE session always has its channel") }
        return Unmanaged<Channel>.fromOpaque(data).takeUnretainedValue()
    }

    static func makeSession(_ channel: Channel, debug: Bool) -> OpaquePointer? {
        let words = debug ? ["litefs", "-d"] : ["litefs"]
        var pointers: [UnsafeMutablePointer<CChar>?] = words.map { strdup($0) }
        defer { for pointer in pointers { free(pointer) } }
        let count = Int32(pointers.count)
        let data = Unmanaged.passUnretained(channel).toOpaque()
        let session = pointers.withUnsafeMutableBufferPointer { buffer -> OpaquePointer? in
            var arguments = fuse_args(argc: count, argv: buffer.baseAddress, allocated: 0)
            var operations = lowLevelOperations()
            defer { fuse_opt_free_args(&arguments) }
            return fuse_session_new(&arguments, &operations, MemoryLayout<fuse_lowlevel_ops>.size, data)
        }
        guard let session else { return nil }
        var io = fuse_custom_io()
        io.read = { fd, buffer, count, data in
            let channel = Channel.of(data)
            if channel.isStopping { return 0 }
            let result = Glibc.read(fd, buffer, count)
            if result >= 40, let buffer {
                channel.counters.count(buffer.load(fromByteOffset: 4, as: UInt32.self))
                channel.passthrough.received(UnsafeRawBufferPointer(start: buffer, count: result))
            }
            return result
        }
        io.writev = { fd, vector, count, data in
            let passthrough = Channel.of(data).passthrough
            let isInitialisation = passthrough.amend(
                UnsafeMutableBufferPointer(start: vector, count: Int(count))
            )
            let result = Glibc.writev(fd, vector, count)
            if isInitialisation { passthrough.agreed() }
            return result
        }
        guard fuse_session_custom_io(session, &io, channel.device) == 0 else {
            fuse_session_destroy(session)
            return nil
        }
        return session
    }
}
