import CShims
import Glibc

/// An open file descriptor that is closed exactly once: when it is consumed by `close()`, or when its owner goes.
///
/// All calls may be made from any thread at once; offsets are explicit, so there is no shared position.
public struct FileDescriptor: ~Copyable, Sendable {
    /// The number the kernel knows it by.
    ///
    /// Valid as long as this value lives; do not close it.
    public let rawValue: Int32

    /// Takes ownership of an open descriptor.
    public init(owning rawValue: Int32) {
        precondition(rawValue >= 0, "a descriptor is never negative")
        self.rawValue = rawValue
    }

    deinit {
        _ = Glibc.close(rawValue)
    }

    /// Opens `path`, relative to the folder `directory` when one is given.
    ///
    /// `O_CLOEXEC` is always set.
    public static func open(
        _ path: String,
        _ flags: OpenFlags,
        mode: UInt32 = 0o644,
        in directory: Int32 = AT_FDCWD
    ) throws(Errno) -> FileDescriptor {
        let fd = try retrying {
            Int(cshims_openat(directory, path, flags.rawValue | O_CLOEXEC, mode))
        }
        return FileDescriptor(owning: Int32(fd))
    }

    /// Closes the descriptor and reports what close(2) said.
    public consuming func close() throws(Errno) {
        let fd = rawValue
        discard self
        if Glibc.close(fd) != 0 {
            let errno = Errno.last
            if errno != .interrupted { throw errno }
        }
    }

    /// Gives the descriptor away: whoever takes it closes it.
    public consuming func release() -> Int32 {
        let fd = rawValue
        discard self
        return fd
    }

    /// Reads at most `buffer.count` bytes at `offset`; fewer at the end of the file.
    ///
    /// Returns the number of bytes.
    public func read(into buffer: UnsafeMutableRawBufferPointer, at offset: Int64) throws(Errno) -> Int {
        var done = 0
        while done < buffer.count {
            let count = try retrying {
                pread(
                    rawValue,
                    buffer.baseAddress.map { $0 + done },
                    buffer.count - done,
                    off_t(offset) + done
                )
            }
            if count == 0 { break }
            done += count
        }
        return done
    }

    /// Writes all of `bytes` at `offset`.
    ///
    /// After an error part of it may have been written.
    public func write(_ bytes: UnsafeRawBufferPointer, at offset: Int64) throws(Errno) {
        var done = 0
        while done < bytes.count {
            done += try retrying {
                pwrite(
                    rawValue,
                    bytes.baseAddress.map { $0 + done },
                    bytes.count - done,
                    off_t(offset) + done
                )
            }
        }
    }

    /// Writes all of `bytes` at `offset`.
    ///
    /// After an error part of it may have been written.
    public func write(_ bytes: [UInt8], at offset: Int64) throws(Errno) {
        let result = bytes.withUnsafeBytes { buffer in
            Result { () throws(Errno) in try write(buffer, at: offset) }
        }
        try result.get()
    }

    /// Writes all of `bytes` at the descriptor's own position (pipes, sockets, event counters).
    public func append(_ bytes: UnsafeRawBufferPointer) throws(Errno) {
        var done = 0
        while done < bytes.count {
            done += try retrying {
                Glibc.write(rawValue, bytes.baseAddress.map { $0 + done }, bytes.count - done)
            }
        }
    }

    /// Has the kernel begin to write what was written to a range, and waits for nothing (sync_file_range).
    ///
    /// Says nothing about what is on disk: it only leaves less to do for a sync that follows. Not every file system can; then nothing happens.
    public func beginWriting(from offset: Int64, count: Int64) {
        _ = cshims_begin_writing(rawValue, offset, count)
    }

    /// Waits until data and needed metadata are on disk (fdatasync).
    public func synchronizeData() throws(Errno) {
        _ = try retrying { Int(fdatasync(rawValue)) }
    }

    /// Waits until data and all metadata are on disk (fsync).
    public func synchronize() throws(Errno) {
        _ = try retrying { Int(fsync(rawValue)) }
    }

    /// Waits until everything on the file system that holds this file is on disk (syncfs).
    public func synchronizeFileSystem() throws(Errno) {
        _ = try retrying { Int(cshims_syncfs(rawValue)) }
    }

    /// Sets the file's size in bytes.
    public func truncate(to size: Int64) throws(Errno) {
        _ = try retrying { Int(ftruncate(rawValue, off_t(size))) }
    }

    /// The file's attributes.
    public func status() throws(Errno) -> FileStatus {
        var st = stat()
        _ = try retrying { Int(fstat(rawValue, &st)) }
        return FileStatus(st)
    }
}

/// How a file is opened, as in open(2).
public struct OpenFlags: OptionSet, Sendable {
    /// The bits as in `<fcntl.h>`.
    public let rawValue: Int32

    /// Wraps flags of `<fcntl.h>`.
    public init(rawValue: Int32) {
        self.rawValue = rawValue
    }

    /// `O_RDONLY` of open(2).
    public static let readOnly = OpenFlags([])
    /// `O_WRONLY` of open(2).
    public static let writeOnly = OpenFlags(rawValue: O_WRONLY)
    /// `O_RDWR` of open(2).
    public static let readWrite = OpenFlags(rawValue: O_RDWR)
    /// `O_CREAT` of open(2).
    public static let create = OpenFlags(rawValue: O_CREAT)
    /// `O_EXCL` of open(2).
    public static let exclusive = OpenFlags(rawValue: O_EXCL)
    /// `O_TRUNC` of open(2).
    public static let truncate = OpenFlags(rawValue: O_TRUNC)
    /// `O_APPEND` of open(2).
    public static let append = OpenFlags(rawValue: O_APPEND)
    /// `O_DIRECTORY` of open(2).
    public static let directory = OpenFlags(rawValue: O_DIRECTORY)
    /// `O_NOFOLLOW` of open(2).
    public static let noFollow = OpenFlags(rawValue: O_NOFOLLOW)
    /// `O_PATH` of open(2).
    public static let path = OpenFlags(rawValue: 0o10000000)
}

/// Attributes of a file.
public struct FileStatus: Sendable {
    /// The structure as the kernel filled it in.
    public let raw: stat

    init(_ raw: stat) {
        self.raw = raw
    }

    /// Size in bytes.
    public var size: Int64 { Int64(raw.st_size) }
    /// Bytes of the disk that it takes; fewer than `size` with holes or compression.
    public var allocatedByteCount: Int64 { Int64(raw.st_blocks) * 512 }
    /// Number of the inode.
    public var inode: UInt64 { UInt64(raw.st_ino) }
    /// Number of the device that holds it.
    public var device: UInt64 { UInt64(raw.st_dev) }
    /// Type and permission bits.
    public var mode: UInt32 { raw.st_mode }
    /// Time of the last change of content, in nanoseconds since 1970.
    public var modifiedNanoseconds: Int64 {
        clampedNanoseconds(seconds: Int64(raw.st_mtim.tv_sec), rest: Int64(raw.st_mtim.tv_nsec))
    }
    /// Time of the last change of content or attributes, in nanoseconds since 1970.
    public var changedNanoseconds: Int64 {
        clampedNanoseconds(seconds: Int64(raw.st_ctim.tv_sec), rest: Int64(raw.st_ctim.tv_nsec))
    }
    /// Whether it is a folder.
    public var isDirectory: Bool { raw.st_mode & S_IFMT == S_IFDIR }
    /// Whether it is a regular file.
    public var isRegularFile: Bool { raw.st_mode & S_IFMT == S_IFREG }
    /// Whether it is a symbolic link.
    public var isSymbolicLink: Bool { raw.st_mode & S_IFMT == S_IFLNK }
}

extension FileDescriptor {
    /// Reserves or releases space as fallocate(2) does.
    public func allocate(mode: Int32, offset: Int64, length: Int64) throws(Errno) {
        _ = try retrying { Int(cshims_fallocate(rawValue, mode, off_t(offset), off_t(length))) }
    }
}

extension FileDescriptor {
    /// Makes the file one that nobody can write to, cut, rename or remove, whoever has it open, or an ordinary one again.
    ///
    /// Not every file system can, and not every one holds for files that are open already.
    public func setImmutable(_ isImmutable: Bool) throws(Errno) {
        _ = try retrying { Int(cshims_set_immutable(rawValue, isImmutable ? 1 : 0)) }
    }

    /// A number that only this file has, for as long as it exists: another one differs, also when it got the same inode number.
    ///
    /// It is made of what the file system keeps about the file, so it is the same after a restart, whatever the file's name. A copy
    /// is another file.
    public func identity() throws(Errno) -> UInt64 {
        var parts: (UInt64, UInt64, UInt64, UInt64) = (0, 0, 0, 0)
        let descriptor = rawValue
        _ = try withUnsafeMutableBytes(of: &parts) { bytes in
            Result { () throws(Errno) in
                try retrying {
                    Int(cshims_identity(descriptor, bytes.assumingMemoryBound(to: UInt64.self).baseAddress))
                }
            }
        }
        .get()
        return [parts.0, parts.1, parts.2, parts.3].reduce(0) { Self.mixed($0 ^ $1) }
    }

    /// A permutation of the 64-bit numbers that scatters them (the finalizer of SplitMix64).
    private static func mixed(_ number: UInt64) -> UInt64 {
        var mixed = number &+ 0x9E37_79B9_7F4A_7C15
        mixed = (mixed ^ mixed >> 30) &* 0xBF58_476D_1CE4_E5B9
        mixed = (mixed ^ mixed >> 27) &* 0x94D0_49BB_1331_11EB
        return mixed ^ mixed >> 31
    }

    /// Whether an open file, of any process or mount, may write to the file, which is open for reading only here.
    ///
    /// - Throws: `EINVAL` where the file system has no leases, which tell it.
    public func isOpenForWriting() throws(Errno) -> Bool {
        try retrying { Int(cshims_is_open_for_writing(rawValue)) } == 1
    }

    /// Writes all content of another file to the beginning of this one, and returns how many bytes.
    public func copyContent(of source: borrowing FileDescriptor) throws(Errno) -> Int64 {
        let buffer = Buffer(count: 1 << 20)
        var offset: Int64 = 0
        while true {
            let count = try source.read(into: buffer.bytes, at: offset)
            if count == 0 { return offset }
            try write(
                UnsafeRawBufferPointer(rebasing: UnsafeRawBufferPointer(buffer.bytes)[..<count]),
                at: offset
            )
            offset += Int64(count)
        }
    }

    /// Sets the permission bits.
    public func setMode(_ mode: UInt32) throws(Errno) {
        _ = try retrying { Int(fchmod(rawValue, mode)) }
    }

    /// Sets owner and group; nil stays as it is.
    public func setOwner(user: UInt32?, group: UInt32?) throws(Errno) {
        _ = try retrying { Int(fchown(rawValue, user ?? .max, group ?? .max)) }
    }

    /// Sets times in nanoseconds since 1970; nil stays as it is.
    public func setTimes(accessed: Int64?, modified: Int64?) throws(Errno) {
        let times = [timespec(changingTo: accessed), timespec(changingTo: modified)]
        _ = try retrying { Int(futimens(rawValue, times)) }
    }
}

extension timespec {
    /// A time in nanoseconds since 1970 as utimensat(2) takes it; nil leaves a time as it is.
    init(changingTo nanoseconds: Int64?) {
        let omit = 0x3fff_fffe  // UTIME_OMIT
        guard let nanoseconds else {
            self.init(tv_sec: 0, tv_nsec: omit)
            return
        }
        // Before 1970 the rest counts forward from an earlier second: the kernel wants it positive.
        let (seconds, rest) = nanoseconds.quotientAndRemainder(dividingBy: 1_000_000_000)
        self =
            rest < 0
            ? timespec(tv_sec: Int(seconds) - 1, tv_nsec: Int(rest) + 1_000_000_000)
            : timespec(tv_sec: Int(seconds), tv_nsec: Int(rest))
    }
}
