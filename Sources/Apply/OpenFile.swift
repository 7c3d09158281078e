import Faults
import POSIX
import SQLiteFormat

/// One of the three files of a database, with errors that name it.
///
/// Used by one thread.
final class OpenFile {
    /// A system call, as errors name it.
    enum Call: String {
        case open
        case status = "fstat"
        case read = "pread"
        case write = "pwrite"
        case truncate = "ftruncate"
        case synchronize = "fdatasync"
        case lock = "fcntl"
    }

    /// The name, relative to the folder in which it was opened.
    let name: String

    /// Asked before each call; an error that it returns takes the place of the call.
    var fault: ((Call) -> Errno?)?

    private var descriptor: FileDescriptor?

    init(_ name: String, in directory: Int32) throws(ApplyError) {
        self.name = name
        do throws(Errno) {
            descriptor = try FileDescriptor.open(name, .readWrite, in: directory)
        } catch {
            throw ApplyError(name, .system(call: Call.open.rawValue, error))
        }
    }

    /// Closes the file, which gives up its locks.
    ///
    /// Later calls throw.
    func close() {
        descriptor = nil
    }

    func size() throws(ApplyError) -> Int64 {
        try perform(.status) { (file) throws(Errno) in try file.status().size }
    }

    /// Fills the buffer, or throws.
    func read(into buffer: UnsafeMutableRawBufferPointer, at offset: Int64) throws(ApplyError) {
        let count = try perform(.read) { (file) throws(Errno) in try file.read(into: buffer, at: offset) }
        guard count == buffer.count else {
            throw ApplyError(name, .truncated(offset: offset, needed: buffer.count))
        }
    }

    func write(
        _ bytes: UnsafeRawBufferPointer,
        at offset: Int64,
        passing point: FaultPoint
    ) throws(ApplyError) {
        try perform(.write) { (file) throws(Errno) in try file.write(bytes, at: offset, passing: point) }
    }

    func truncate(to size: Int64, passing point: FaultPoint? = nil) throws(ApplyError) {
        try perform(.truncate) { (file) throws(Errno) in
            try point?.pass()
            try file.truncate(to: size)
        }
    }

    func synchronize(passing point: FaultPoint) throws(ApplyError) {
        try perform(.synchronize) { (file) throws(Errno) in try file.synchronizeData(passing: point) }
    }

    /// Takes a lock if nobody is in its way.
    func tryLock(_ lock: LockRange) throws(ApplyError) -> Bool {
        try perform(.lock) { (file) throws(Errno) in
            do throws(Errno) {
                try file.tryLock(lock.kind, start: lock.start, length: lock.length)
                return true
            } catch .wouldBlock {
                return false
            }
        }
    }

    /// Takes a lock that others hold for moments only.
    ///
    /// - Throws: `lockHeld` when somebody has it for longer than the patience.
    func lock(
        _ lock: LockRange,
        patience: Duration = .seconds(5),
        longestRest: Duration = .milliseconds(5)
    ) throws(ApplyError) {
        let deadline = MonotonicTime.now + patience
        var rest = Duration.microseconds(20)
        while try !tryLock(lock) {
            guard MonotonicTime.now < deadline else { throw ApplyError(name, .lockHeld(lock.name)) }
            pause(rest)
            rest = min(rest * 2, longestRest)
        }
    }

    /// Gives up a lock; the kernel has no reason to refuse.
    func unlock(_ lock: LockRange) {
        _ = try? perform(.lock) { (file) throws(Errno) in
            try file.unlock(start: lock.start, length: lock.length)
        }
    }

    private func perform<Result>(
        _ call: Call,
        _ body: (borrowing FileDescriptor) throws(Errno) -> Result
    ) throws(ApplyError) -> Result {
        do throws(Errno) {
            if let errno = fault?(call) { throw errno }
            switch descriptor {
            case .some(let file): return try body(file)
            case .none: throw .badDescriptor
            }
        } catch {
            throw ApplyError(name, .system(call: call.rawValue, error))
        }
    }
}
