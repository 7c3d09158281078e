import CFuse3
import Glibc
import POSIX

/// A request that libfuse hands over; it is answered once, by the function that received it.
private struct Request {
    let pointer: fuse_req_t
    /// Found at the beginning: libfuse frees the request with the answer, also one that the kernel does not take.
    let channel: Channel

    init(pointer: fuse_req_t) {
        self.pointer = pointer
        channel = Channel.of(fuse_req_userdata(pointer))
    }

    var fileSystem: any FileSystem { channel.fileSystem }

    var caller: Caller {
        let context = fuse_req_ctx(pointer).pointee
        return Caller(
            threadID: context.pid,
            userID: context.uid,
            groupID: context.gid,
            isRepeated: RequestContext.current.isRepeated
        )
    }

    func fail(_ errno: Errno) {
        // ENOSYS would switch the operation off for the whole mount.
        fuse_reply_err(pointer, errno == .notImplemented ? EIO : errno.rawValue)
    }

    func succeed() { fuse_reply_err(pointer, 0) }

    /// Runs an operation that has no result.
    func answer(_ body: () throws(Errno) -> Void) {
        do throws(Errno) {
            try body()
            succeed()
        } catch {
            fail(error)
        }
    }

    func reply(_ entry: Entry) {
        var parameter = parameter(entry)
        if fuse_reply_entry(pointer, &parameter) != 0 { fileSystem.forget(entry.inode, count: 1) }
    }

    func parameter(_ entry: Entry) -> fuse_entry_param {
        var parameter = fuse_entry_param()
        parameter.ino = entry.inode
        parameter.attr = entry.attributes.status
        parameter.attr_timeout = entry.attributes.timeout
        parameter.entry_timeout = entry.timeout
        return parameter
    }
}

/// The name as text; nil when it is not UTF-8.
private func text(_ name: UnsafePointer<CChar>?) -> String? {
    name.flatMap { String(validatingCString: $0) }
}

/// Open flags that concern a file system.
private func openFlags(_ information: UnsafeMutablePointer<fuse_file_info>?) -> OpenFlags {
    OpenFlags(rawValue: information?.pointee.flags ?? 0)
}

extension Request {
    /// Writes cache policy and number of the open file into the answer to open and create, which must be given next; if it throws, the
    /// file is closed again.
    fileprivate func apply(
        _ policy: CachePolicy,
        of inode: InodeNumber,
        to information: UnsafeMutablePointer<fuse_file_info>
    ) throws(Errno) {
        var backing: Int32 = 0
        switch policy {
        case .keep: information.pointee.keep_cache = 1
        case .fresh: break
        case .direct: information.pointee.direct_io = 1
        case .passThrough(let file):
            do throws(Errno) {
                backing = try channel.passthrough.opened(inode, backedBy: file)
                channel.passthrough.answering(with: backing)
            } catch {
                fileSystem.release(inode)
                throw error
            }
        }
        let request = RequestContext.current.request
        information.pointee.fh = channel.openFiles.add(inode, request: request, backing: backing)
        // A close must not ask: that of the daemon's own files when it is killed would wait for an answer that nobody gives.
        information.pointee.noflush = 1
    }

    /// Writes the answer to open and create when the file is open already, because an earlier process carried the request out.
    ///
    /// Returns the inode; nil when it was not.
    fileprivate func applyRepeated(
        to information: UnsafeMutablePointer<fuse_file_info>
    ) -> InodeNumber? {
        let context = RequestContext.current
        guard context.isRepeated, let file = channel.openFiles.opened(by: context.request) else {
            return nil
        }
        information.pointee.fh = file.number
        information.pointee.noflush = 1
        if file.backing != 0 {
            channel.passthrough.answering(with: file.backing)
        } else if fileSystem.isDirect(file.inode) {
            information.pointee.direct_io = 1
        } else {
            information.pointee.keep_cache = 1
        }
        return file.inode
    }

    /// Undoes an open: the kernel did not take the answer, or the file was closed.
    fileprivate func close(_ information: UnsafeMutablePointer<fuse_file_info>?) {
        guard let file = channel.openFiles.remove(information?.pointee.fh ?? 0) else { return }
        if file.backing != 0 { channel.passthrough.closed(file.inode) }
        fileSystem.release(file.inode)
    }
}

/// Memory for the answers of one thread's reads, kept as long as the thread.
private enum ReadBuffer {
    private static let key: pthread_key_t = {
        var key = pthread_key_t()
        pthread_key_create(&key) { free($0) }
        return key
    }()

    static func get() -> UnsafeMutableRawPointer? {
        if let memory = pthread_getspecific(key) { return memory }
        var memory: UnsafeMutableRawPointer?
        guard posix_memalign(&memory, 4096, FUSESession.maximumIO) == 0 else { return nil }
        pthread_setspecific(key, memory)
        return memory
    }
}

/// The C table of operations.
///
/// Operations that are missing here are answered by libfuse with ENOSYS, which the kernel remembers: no
/// flush, no access checks, no extended attributes, no forwarded locks.
func lowLevelOperations() -> fuse_lowlevel_ops {
    var table = fuse_lowlevel_ops()
    table.`init` = { _, connection in
        guard let connection else { return }
        connection.pointee.max_write = UInt32(FUSESession.maximumIO)
        connection.pointee.max_readahead = UInt32(FUSESession.maximumIO)
        // The kernel must not drop cached pages because a time stamp moved: all changes pass through it.
        connection.pointee.want &= ~UInt32(FUSE_CAP_AUTO_INVAL_DATA)
        // Truncation comes as setattr, in one place.
        connection.pointee.want &= ~UInt32(FUSE_CAP_ATOMIC_O_TRUNC)
        connection.pointee.want &= ~UInt32(FUSE_CAP_READDIRPLUS)
        connection.pointee.max_background = 64
        connection.pointee.congestion_threshold = 48
    }
    table.lookup = { pointer, parent, name in
        guard let pointer else { return }
        let request = Request(pointer: pointer)
        guard let name = text(name) else { return request.fail(.noEntry) }
        do throws(Errno) {
            switch try request.fileSystem.lookup(name, in: parent, caller: request.caller) {
            case .found(let entry):
                request.reply(entry)
            case .absent(let timeout):
                guard timeout > 0 else { return request.fail(.noEntry) }
                var parameter = fuse_entry_param()
                parameter.entry_timeout = timeout
                fuse_reply_entry(pointer, &parameter)
            }
        } catch {
            request.fail(error)
        }
    }
    table.forget = { pointer, inode, count in
        guard let pointer else { return }
        Request(pointer: pointer).fileSystem.forget(inode, count: count)
        fuse_reply_none(pointer)
    }
    table.forget_multi = { pointer, count, list in
        guard let pointer else { return }
        let fileSystem = Request(pointer: pointer).fileSystem
        for index in 0..<count {
            if let item = list?[index] { fileSystem.forget(item.ino, count: item.nlookup) }
        }
        fuse_reply_none(pointer)
    }
    table.getattr = { pointer, inode, _ in
        guard let pointer else { return }
        let request = Request(pointer: pointer)
        do throws(Errno) {
            var attributes = try request.fileSystem.attributes(of: inode)
            fuse_reply_attr(pointer, &attributes.status, attributes.timeout)
        } catch {
            request.fail(error)
        }
    }
    table.setattr = { pointer, inode, status, mask, _ in
        guard let pointer, let status else { return }
        let request = Request(pointer: pointer)
        do throws(Errno) {
            let changes = AttributeChanges(status.pointee, mask: mask)
            var attributes = try request.fileSystem.setAttributes(of: inode, changes, caller: request.caller)
            fuse_reply_attr(pointer, &attributes.status, attributes.timeout)
        } catch {
            request.fail(error)
        }
    }
    table.open = { pointer, inode, information in
        guard let pointer, let information else { return }
        let request = Request(pointer: pointer)
        if request.applyRepeated(to: information) != nil {
            if fuse_reply_open(pointer, information) != 0 { request.close(information) }
            return
        }
        do throws(Errno) {
            let flags = openFlags(information)
            let policy = try request.fileSystem.open(inode, flags: flags, caller: request.caller)
            try request.apply(policy, of: inode, to: information)
            if fuse_reply_open(pointer, information) != 0 { request.close(information) }
        } catch {
            request.fail(error)
        }
    }
    table.create = { pointer, parent, name, mode, information in
        guard let pointer, let information else { return }
        let request = Request(pointer: pointer)
        guard let name = text(name) else { return request.fail(.illegalByteSequence) }
        do throws(Errno) {
            if let inode = request.applyRepeated(to: information) {
                var parameter = request.parameter(try request.fileSystem.entry(of: inode))
                if fuse_reply_create(pointer, &parameter, information) != 0 { request.close(information) }
                return
            }
            let (entry, policy) = try request.fileSystem.create(
                name,
                in: parent,
                mode: mode,
                flags: openFlags(information),
                caller: request.caller
            )
            do throws(Errno) {
                try request.apply(policy, of: entry.inode, to: information)
            } catch {
                request.fileSystem.forget(entry.inode, count: 1)
                throw error
            }
            var parameter = request.parameter(entry)
            if fuse_reply_create(pointer, &parameter, information) != 0 {
                request.close(information)
                request.fileSystem.forget(entry.inode, count: 1)
            }
        } catch {
            request.fail(error)
        }
    }
    table.release = { pointer, _, information in
        guard let pointer else { return }
        let request = Request(pointer: pointer)
        request.close(information)
        request.succeed()
    }
    table.read = { pointer, inode, size, offset, _ in
        guard let pointer else { return }
        let request = Request(pointer: pointer)
        guard size <= FUSESession.maximumIO, let memory = ReadBuffer.get() else {
            return request.fail(.outOfMemory)
        }
        do throws(Errno) {
            let buffer = UnsafeMutableRawBufferPointer(start: memory, count: size)
            let count = try request.fileSystem.read(inode, into: buffer, at: Int64(offset))
            fuse_reply_buf(pointer, memory, count)
        } catch {
            request.fail(error)
        }
    }
    table.write = { pointer, inode, bytes, size, offset, _ in
        guard let pointer else { return }
        let request = Request(pointer: pointer)
        do throws(Errno) {
            let buffer = UnsafeRawBufferPointer(start: bytes, count: size)
            try request.fileSystem.write(inode, buffer, at: Int64(offset), caller: request.caller)
            fuse_reply_write(pointer, size)
        } catch {
            request.fail(error)
        }
    }
    addNameOperations(to: &table)
    return table
}

/// Operations on names and folders.
private func addNameOperations(to table: inout fuse_lowlevel_ops) {
    table.fsync = { pointer, inode, dataOnly, _ in
        guard let pointer else { return }
        let request = Request(pointer: pointer)
        request.answer { () throws(Errno) in
            try request.fileSystem.synchronize(inode, dataOnly: dataOnly != 0, caller: request.caller)
        }
    }
    table.fsyncdir = { pointer, inode, _, _ in
        guard let pointer else { return }
        let request = Request(pointer: pointer)
        request.answer { () throws(Errno) in try request.fileSystem.synchronizeDirectory(inode) }
    }
    table.fallocate = { pointer, inode, mode, offset, length, _ in
        guard let pointer else { return }
        let request = Request(pointer: pointer)
        request.answer { () throws(Errno) in
            try request.fileSystem.allocate(inode, mode: mode, offset: Int64(offset), length: Int64(length))
        }
    }
    table.unlink = { pointer, parent, name in
        guard let pointer else { return }
        let request = Request(pointer: pointer)
        guard let name = text(name) else { return request.fail(.noEntry) }
        request.answer { () throws(Errno) in
            try request.fileSystem.unlink(name, in: parent, caller: request.caller)
        }
    }
    table.mkdir = { pointer, parent, name, mode in
        guard let pointer else { return }
        let request = Request(pointer: pointer)
        guard let name = text(name) else { return request.fail(.illegalByteSequence) }
        do throws(Errno) {
            request.reply(
                try request.fileSystem.makeDirectory(name, in: parent, mode: mode, caller: request.caller)
            )
        } catch {
            request.fail(error)
        }
    }
    table.rmdir = { pointer, parent, name in
        guard let pointer else { return }
        let request = Request(pointer: pointer)
        guard let name = text(name) else { return request.fail(.noEntry) }
        request.answer { () throws(Errno) in
            try request.fileSystem.removeDirectory(name, in: parent, caller: request.caller)
        }
    }
    table.rename = { pointer, parent, name, newParent, newName, flags in
        guard let pointer else { return }
        let request = Request(pointer: pointer)
        guard let name = text(name) else { return request.fail(.noEntry) }
        guard let newName = text(newName) else { return request.fail(.illegalByteSequence) }
        request.answer { () throws(Errno) in
            try request.fileSystem.rename(
                name,
                in: parent,
                to: newName,
                in: newParent,
                flags: flags,
                caller: request.caller
            )
        }
    }
    table.symlink = { pointer, target, parent, name in
        guard let pointer else { return }
        let request = Request(pointer: pointer)
        guard let name = text(name), let target = text(target) else {
            return request.fail(.illegalByteSequence)
        }
        do throws(Errno) {
            request.reply(
                try request.fileSystem.makeSymbolicLink(name, in: parent, to: target, caller: request.caller)
            )
        } catch {
            request.fail(error)
        }
    }
    table.readlink = { pointer, inode in
        guard let pointer else { return }
        let request = Request(pointer: pointer)
        do throws(Errno) {
            fuse_reply_readlink(pointer, try request.fileSystem.symbolicLink(inode))
        } catch {
            request.fail(error)
        }
    }
    // Kinds of files that have no meaning on this mount: EPERM, the errno that mknod(2) and link(2) name for it.
    table.mknod = { pointer, _, _, _, _ in if let pointer { fuse_reply_err(pointer, EPERM) } }
    table.link = { pointer, _, _, _ in if let pointer { fuse_reply_err(pointer, EPERM) } }
    table.statfs = { pointer, _ in
        guard let pointer else { return }
        let request = Request(pointer: pointer)
        do throws(Errno) {
            var statistics = try request.fileSystem.statistics()
            fuse_reply_statfs(pointer, &statistics)
        } catch {
            request.fail(error)
        }
    }
    table.readdir = { pointer, inode, size, offset, _ in
        guard let pointer else { return }
        let request = Request(pointer: pointer)
        do throws(Errno) {
            let names = try request.fileSystem.list(inode)
            reply(
                DirectoryStream.page(of: names, folder: inode, after: UInt64(bitPattern: Int64(offset))),
                size,
                request
            )
        } catch {
            request.fail(error)
        }
    }
}

/// Packs as many names as fit into one answer.
private func reply(_ entries: [(cookie: UInt64, entry: ListedName)], _ size: Int, _ request: Request) {
    guard size <= FUSESession.maximumIO, let memory = ReadBuffer.get() else {
        return request.fail(.outOfMemory)
    }
    let buffer = memory.assumingMemoryBound(to: CChar.self)
    var used = 0
    for (cookie, entry) in entries {
        var status = stat()
        status.st_ino = ino_t(entry.inode)
        status.st_mode = entry.type
        let offset = off_t(bitPattern: UInt(cookie))
        let length = fuse_add_direntry(
            request.pointer,
            buffer + used,
            size - used,
            entry.name,
            &status,
            offset
        )
        if length > size - used { break }
        used += length
    }
    fuse_reply_buf(request.pointer, buffer, used)
}

/// Order and cookies of a listing.
///
/// There are no handles: a listing is made anew for every part of it, so a name's cookie must not depend on
/// the other names. It is a hash of the name, and names come in the order of their cookies.
enum DirectoryStream {
    /// The names whose cookie is greater than `cookie`, with `.` and `..` first.
    static func page(
        of names: [ListedName],
        folder: InodeNumber,
        after cookie: UInt64
    ) -> [(cookie: UInt64, entry: ListedName)] {
        var entries = [
            (cookie: UInt64(1), entry: ListedName(name: ".", inode: folder, type: S_IFDIR)),
            (cookie: UInt64(2), entry: ListedName(name: "..", inode: folder, type: S_IFDIR)),
        ]
        entries += names.map { (cookie: hash($0.name), entry: $0) }
        return entries.filter { $0.cookie > cookie }.sorted { $0.cookie < $1.cookie }
    }

    /// FNV-1a, folded into the range from 3 to 2^63 - 1.
    private static func hash(_ name: String) -> UInt64 {
        var hash: UInt64 = 0xcbf2_9ce4_8422_2325
        for byte in name.utf8 {
            hash = (hash ^ UInt64(byte)) &* 0x100_0000_01b3
        }
        return max(3, hash >> 1)
    }
}

extension AttributeChanges {
    /// What setattr's `mask` (`FUSE_SET_ATTR_…`) selects from `status`.
    fileprivate init(_ status: stat, mask: Int32) {
        func has(_ bit: Int32) -> Bool { mask & (1 << bit) != 0 }
        func nanoseconds(_ time: timespec) -> Int64 {
            clampedNanoseconds(seconds: Int64(time.tv_sec), rest: Int64(time.tv_nsec))
        }
        var now: Int64 { WallClock.milliseconds * 1_000_000 }
        if has(0) { mode = status.st_mode & 0o7777 }
        if has(1) { userID = status.st_uid }
        if has(2) { groupID = status.st_gid }
        if has(3) { size = Int64(status.st_size) }
        if has(4) { accessed = nanoseconds(status.st_atim) }
        if has(5) { modified = nanoseconds(status.st_mtim) }
        if has(7) { accessed = now }
        if has(8) { modified = now }
    }
}
