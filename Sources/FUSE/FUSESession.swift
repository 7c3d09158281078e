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
    /// Programs open no file before `openGate()`, while a session is taken over.
    public var holdsOpensBack = false
    /// Requests that an earlier process had at hand may come again; without, as before Linux 6.9, they get an error.
    public var allowResend = true
    /// Tells the daemon's own threads by their number.
    public var isOwn: @Sendable (Int32) -> Bool = { _ in false }

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

    /// What another process needs to go on with a session.
    public struct Inheritance: ~Copyable, Sendable {
        /// The connection, a descriptor of `/dev/fuse`.
        public let device: FileDescriptor
        /// The mount's root folder.
        public let root: FileDescriptor
        /// What the session must not lose.
        public let memory: SessionMemory

        /// Joins them.
        public init(
            device: consuming FileDescriptor,
            root: consuming FileDescriptor,
            memory: SessionMemory
        ) {
            self.device = device
            self.root = root
            self.memory = memory
        }
    }

    /// Makes the session and starts to serve `fileSystem`.
    ///
    /// What it must not lose goes to `memory`, which is new.
    public convenience init(
        _ fileSystem: any FileSystem,
        memory: SessionMemory,
        options: SessionOptions
    ) throws(MountError) {
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
        try self.init(fileSystem, device, mount, memory, options, isContinued: false)
    }

    /// Goes on with the session of a process that is gone.
    ///
    /// The kernel hears nothing of it. Requests that the other process had at hand come again, where the kernel can do that; elsewhere
    /// whoever made them gets an error.
    ///
    /// - Returns: when requests are served.
    public convenience init(
        _ fileSystem: any FileSystem,
        continuing inheritance: consuming Inheritance,
        path: String,
        options: SessionOptions,
        lost: (Int) -> Void
    ) throws(MountError) {
        let memory = inheritance.memory
        guard !memory.initRequest.isEmpty else {
            throw .cannotContinue("it ended before the kernel had its answer")
        }
        let requests = memory.takeRequests()
        try self.init(
            fileSystem,
            inheritance.device,
            DetachedMount(continuing: inheritance.root),
            memory,
            options,
            isContinued: true
        )
        state.withLock { $0.path = path }
        if !options.allowResend || !channel.passthrough.canResend.load(ordering: .relaxed) {
            // The kernel knows nothing of those that were answered in the last moment.
            let failed = requests.filter { channel.fail($0) }
            if !failed.isEmpty { lost(failed.count) }
        }
    }

    private init(
        _ fileSystem: any FileSystem,
        _ device: consuming FileDescriptor,
        _ mount: consuming DetachedMount,
        _ memory: SessionMemory,
        _ options: SessionOptions,
        isContinued: Bool
    ) throws(MountError) {
        let counters = RequestCounters()
        // libfuse closes the device when the session is destroyed: nobody else may.
        let deviceNumber = device.release()
        channel = Channel(
            device: deviceNumber,
            fileSystem: fileSystem,
            counters: counters,
            passthrough: Passthrough(device: deviceNumber, isWanted: options.allowPassthrough),
            memory: memory,
            gate: Gate(isClosed: isContinued && options.holdsOpensBack, isOwn: options.isOwn)
        )
        self.counters = counters

        guard let session = Channel.makeSession(channel, debug: options.debug) else {
            _ = FileDescriptor(owning: deviceNumber)
            throw .cannotStartSession
        }
        self.session = session
        nonisolated(unsafe) let served = session
        let serving = channel
        if isContinued {
            serving.replayInitialisation(of: served)
            // Before anybody takes a request: one that is at hand here would come a second time.
            if options.allowResend, serving.passthrough.canResend.load(ordering: .relaxed) {
                serving.sendAgain()
            }
        }
        threads = (0..<options.threads)
            .map { number in
                Thread("fuse-\(number)", interruptible: true) {
                    let context = RequestContext(memory, thread: number)
                    var buffer = fuse_buf()
                    context.withCurrent {
                        while !serving.isStopping {
                            let result = fuse_session_receive_buf(served, &buffer)
                            if result == -EINTR { continue }
                            if result <= 0 { break }
                            fuse_session_process_buf(served, &buffer)
                            context.end()
                        }
                    }
                    free(buffer.mem)
                }
            }
        state = Mutex(State(mount: consume mount, path: nil))
    }

    /// Runs `body` with what another process needs to go on with the session: `/dev/fuse` and the root folder.
    public func withDescriptors<Result>(_ body: (_ device: Int32, _ root: Int32) -> Result) -> Result {
        body(channel.device, root)
    }

    /// Lets programs open files; only needed for a session that is continued with `holdsOpensBack`.
    public func openGate() {
        let requests = channel.gate.open()
        guard !requests.isEmpty else { return }
        let context = RequestContext(channel.memory, thread: SessionMemory.threads - 1)
        context.withCurrent {
            for var request in requests {
                request.withUnsafeMutableBytes { bytes in
                    guard let base = bytes.baseAddress else { return }
                    context.begin(base.loadUnaligned(fromByteOffset: 8, as: UInt64.self))
                    var buffer = fuse_buf()
                    buffer.mem = base
                    buffer.size = bytes.count
                    fuse_session_process_buf(session, &buffer)
                    context.end()
                }
            }
        }
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
        // Whoever goes on with the session later needs INIT.
        guard channel.passthrough.waitUntilAgreed(deadline: .now + .seconds(5)) else {
            throw .cannotStartSession
        }
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

    /// Lets go of the mount, which another process goes on with.
    ///
    /// Afterwards `detach()` does nothing, and `stop()` answers the requests at hand and takes no more.
    public func leave() {
        state.withLock { state in
            state.mount = nil
            state.path = nil
        }
    }

    /// Ends the threads and, when nobody else has it open, the connection; whoever still uses a file gets ENOTCONN then.
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
    let openFiles: OpenFiles
    let memory: SessionMemory
    let gate: Gate
    private let stopping = Atomic<Bool>(false)
    /// INIT is being answered for a second time, by no read and to nobody.
    private let replaying = Atomic<Bool>(false)

    init(
        device: Int32,
        fileSystem: any FileSystem,
        counters: RequestCounters,
        passthrough: Passthrough,
        memory: SessionMemory,
        gate: Gate
    ) {
        self.device = device
        self.fileSystem = fileSystem
        self.counters = counters
        self.passthrough = passthrough
        self.memory = memory
        self.gate = gate
        openFiles = OpenFiles(memory)
        passthrough.restore(openFiles.all)
    }

    var isStopping: Bool { stopping.load(ordering: .relaxed) }

    func stop() { stopping.store(true, ordering: .relaxed) }

    /// The next request for the calling thread: 0 when there are no more.
    private func receive(_ fd: Int32, _ buffer: UnsafeMutableRawPointer?, _ count: Int) -> Int {
        while true {
            if isStopping { return 0 }
            let result = Glibc.read(fd, buffer, count)
            guard result >= 40, let buffer else { return result }
            counters.count(buffer.load(fromByteOffset: 4, as: UInt32.self))
            let request = UnsafeRawBufferPointer(start: buffer, count: result)
            switch gate.judge(request) {
            case .passes: break
            case .waits: continue
            case .comesAgain:
                _ = send(code: -EINTR, unique: buffer.load(fromByteOffset: 8, as: UInt64.self))
                continue
            }
            RequestContext.current.begin(buffer.load(fromByteOffset: 8, as: UInt64.self))
            if passthrough.received(request) { memory.keep(initRequest: request) }
            return result
        }
    }

    /// Has libfuse answer the INIT request that an earlier process answered, so that it knows what the kernel knows.
    ///
    /// Before any other thread uses the session.
    func replayInitialisation(of session: OpaquePointer) {
        replaying.store(true, ordering: .relaxed)
        defer { replaying.store(false, ordering: .relaxed) }
        let context = RequestContext(memory, thread: 0)
        var request = memory.initRequest
        request.withUnsafeMutableBytes { bytes in
            _ = passthrough.received(UnsafeRawBufferPointer(bytes))
            var buffer = fuse_buf()
            buffer.mem = bytes.baseAddress
            buffer.size = bytes.count
            context.withCurrent { fuse_session_process_buf(session, &buffer) }
        }
    }

    /// Asks the kernel for all requests again that were read and not answered (FUSE_NOTIFY_RESEND).
    func sendAgain() { _ = send(code: 7, unique: 0) }

    /// Answers a request that nobody can carry out any more; false when the kernel does not wait for it.
    func fail(_ unique: UInt64) -> Bool { send(code: -EIO, unique: unique) }

    /// A message of a `struct fuse_out_header` alone.
    ///
    /// Returns whether the kernel took it.
    private func send(code: Int32, unique: UInt64) -> Bool {
        withUnsafeTemporaryAllocation(byteCount: 16, alignment: 8) { bytes in
            bytes.storeBytes(of: 16, toByteOffset: 0, as: UInt32.self)
            bytes.storeBytes(of: code, toByteOffset: 4, as: Int32.self)
            bytes.storeBytes(of: unique, toByteOffset: 8, as: UInt64.self)
            return Glibc.write(device, bytes.baseAddress, bytes.count) == bytes.count
        }
    }

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
        io.read = { fd, buffer, count, data in Channel.of(data).receive(fd, buffer, count) }
        io.writev = { fd, vector, count, data in
            let channel = Channel.of(data)
            let parts = UnsafeMutableBufferPointer(start: vector, count: Int(count))
            let isInitialisation = channel.passthrough.amend(parts)
            let result =
                channel.replaying.load(ordering: .relaxed)
                ? parts.reduce(0) { $0 + Int($1.iov_len) } : Glibc.writev(fd, vector, count)
            if isInitialisation { channel.passthrough.agreed() }
            return result
        }
        guard fuse_session_custom_io(session, &io, channel.device) == 0 else {
            fuse_session_destroy(session)
            return nil
        }
        return session
    }
}
