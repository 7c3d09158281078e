import Glibc
import POSIX
import SQLiteFormat

/// A file with the lock bytes of SQLite, by locks that belong to the open file, so that one process can have several connections.
final class LockedFile {
    let path: String
    let descriptor: FileDescriptor

    init(_ path: String, _ flags: OpenFlags = [.readWrite, .create]) throws {
        self.path = path
        descriptor = try FileDescriptor.open(path, flags, mode: 0o644)
    }

    func tryLock(_ kind: FileDescriptor.ByteLock, _ start: Int64, _ length: Int64 = 1) throws -> Bool {
        do {
            try descriptor.tryLock(kind, start: start, length: length)
            return true
        } catch .wouldBlock {
            return false
        }
    }

    /// Takes a lock that others hold for moments.
    func lock(_ kind: FileDescriptor.ByteLock, _ start: Int64, _ length: Int64 = 1) throws {
        let deadline = MonotonicTime.now + .seconds(10)
        while try !tryLock(kind, start, length) {
            guard MonotonicTime.now < deadline else { throw WAL2Error.busy("byte \(start) of \(path)") }
            pause(.microseconds(100))
        }
    }

    func unlock(_ start: Int64, _ length: Int64 = 1) {
        _ = try? descriptor.unlock(start: start, length: length)
    }

    func read(_ offset: Int64, _ count: Int) throws -> [UInt8] {
        try [UInt8](unsafeUninitializedCapacity: count) { buffer, filled in
            filled = try descriptor.read(into: UnsafeMutableRawBufferPointer(buffer), at: offset)
        }
    }
}

/// What a connection cannot do.
public enum WAL2Error: Error, Equatable {
    /// Somebody else has the lock.
    case busy(String)
    /// The wal-index changed since the transaction began to read.
    case busySnapshot
    /// The log may only be read.
    case readOnly
}

/// The `-shm` file, mapped as SQLite maps it.
final class MappedIndex {
    let file: LockedFile
    private(set) var index = WALIndex(regions: [])

    init(_ path: String) throws {
        file = try LockedFile(path)
        // The dead-man switch: who is alone empties the file.
        if try file.tryLock(.exclusive, LockBytes.WALIndex.deadManSwitch) {
            try file.descriptor.truncate(to: 3)
        }
        try file.lock(.shared, LockBytes.WALIndex.deadManSwitch)
    }

    deinit { for region in index.regions { munmap(region, WALIndex.regionSize) } }

    /// Maps regions, making the file longer where needed.
    func map(_ count: Int) throws {
        let size = Int64(count * WALIndex.regionSize)
        if try file.descriptor.status().size < size {
            // As SQLite does it: a byte in each block, so that a full disk is an error now.
            var end = (try file.descriptor.status().size / 4096 + 1) * 4096 - 1
            while end < size {
                try file.descriptor.write([0], at: end)
                end += 4096
            }
        }
        while index.regions.count < count {
            let region = mmap(
                nil,
                WALIndex.regionSize,
                PROT_READ | PROT_WRITE,
                MAP_SHARED,
                file.descriptor.rawValue,
                index.regions.count * WALIndex.regionSize
            )
            guard let region, region != MAP_FAILED else { throw Errno(rawValue: errno) }
            index.regions.append(region)
        }
    }

    /// The index of one file, with regions for so many frames.
    func part(_ file: WALFile, frames: UInt32) throws -> WALIndex {
        try map(WALIndexPart.file(file).regionCount(forFrames: frames))
        return index[file]
    }

    /// nBackfill: whether the database file has all of the file that is not written.
    var isOtherCopied: Bool {
        get { index.backfilled != 0 }
        set { index.backfilled = newValue ? 1 : 0 }
    }
}
