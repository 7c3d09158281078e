import Faults
import Logging
import POSIX

/// Keeps programs of an earlier mount away from a log.
///
/// A program whose writes to the log pass by the daemon does not notice at once when the daemon dies: it goes on to commit until it
/// needs something else of the mount. What it commits is in the log, and is captured at the next start like everything else there.
/// From then on other programs write to the same log under locks that it does not see. So at a start, before the log is read, a log
/// that somebody still has open is replaced by a copy of itself, and the old file becomes immutable: its writers get an error, as they
/// do for everything else on the dead mount.
///
///     log.new made  ►  log renamed to log.old-N  ►  log.old-N immutable, copied to log.new  ►  log.new renamed to log
///
/// Invariants: no commit that was answered before the file became immutable is left out of the copy, and none is answered after. A
/// start that ends in between is continued by the next one, which sees it by `log.new`: with that and without a log, the newest
/// `log.old-N` is the log. At any other time an old log is nothing but what some program still has open: the log may be gone because
/// SQLite copied it to the database and removed it.
struct LogFence {
    private let log: String
    private let directory: String
    private let name: DatabaseName
    private let logger: Logger

    init(log: String, directory: String, name: DatabaseName, logger: Logger) {
        self.log = log
        self.directory = directory
        self.name = name
        self.logger = logger
    }

    /// Numbers of the old logs that are still there, ascending: programs of several mounts may have one each.
    private func oldLogs() throws(Errno) -> [UInt32] {
        let prefix = log.dropFirst(directory.count + 1) + ".old-"
        return try Files.list(directory)
            .compactMap { $0.name.hasPrefix(prefix) ? UInt32($0.name.dropFirst(prefix.count)) : nil }
            .sorted()
    }

    private func path(ofOld number: UInt32) -> String { log + ".old-\(number)" }

    private var new: String { log + ".new" }

    /// Makes the log one that nobody has open.
    func close() throws(FileError) {
        do throws(Errno) {
            let numbers = try oldLogs()
            if Files.exists(log) {
                // Of a start that ended before it touched the log.
                try Files.unlink(new, ifExists: true)
                if try Self.isInUse(log) { try replace(numberedAfter: numbers.last ?? 0) }
            } else if Files.exists(new), let last = numbers.last {
                try copy(path(ofOld: last))
            }
            for number in try oldLogs() { remove(path(ofOld: number)) }
        } catch {
            throw FileError("take over", log, error)
        }
    }

    /// Begins: from the rename on the next start would continue.
    private func replace(numberedAfter last: UInt32) throws(Errno) {
        let old = path(ofOld: last &+ 1)
        _ = try FileDescriptor.open(new, [.readWrite, .create], mode: 0o600)
        try Files.synchronizeDirectory(directory)
        try FaultPoint.fenceRename.pass()
        try Files.rename(log, old)
        try copy(old)
    }

    /// Makes a copy of an old log the log.
    private func copy(_ old: String) throws(Errno) {
        let file = try FileDescriptor.open(old, .readOnly)
        var isFenced = true
        do throws(Errno) {
            try file.setImmutable(true)
        } catch {
            isFenced = false
        }
        try FaultPoint.fenceCopy.pass()
        let copy = try FileDescriptor.open(new, [.readWrite, .create, .truncate], mode: 0o600)
        let count = try copy.copyContent(of: file)
        let status = try file.status()
        try copy.setMode(status.mode & 0o7777)
        try copy.setOwner(user: status.raw.st_uid, group: status.raw.st_gid)
        try copy.synchronize()
        try FaultPoint.fencePublish.pass()
        try Files.rename(new, log)
        try Files.synchronizeDirectory(directory)
        if isFenced {
            logger.warning(
                "database \"\(name)\": programs that had it open when the mount went still run; they get errors, and must open it "
                    + "again (\(count) bytes of its log were taken over)"
            )
        } else {
            logger.error(
                "database \"\(name)\": programs that had it open when the mount went still run, and this file system cannot keep "
                    + "them from its old log: end them now, because what they commit from now on is lost"
            )
        }
    }

    /// Removes an old log once nobody has it open; one that stays does no harm.
    private func remove(_ old: String) {
        do throws(Errno) {
            guard try !Self.isInUse(old) else { return }
            try? FileDescriptor.open(old, .readOnly).setImmutable(false)
            try Files.unlink(old)
        } catch {
            logger.warning("database \"\(name)\": \(old), which nobody needs, cannot be removed: \(error)")
        }
    }

    private static func isInUse(_ path: String) throws(Errno) -> Bool {
        do throws(Errno) {
            return try FileDescriptor.open(path, .readOnly).isOpenForWriting()
        } catch {
            // No leases there, or not for this process: then nothing passes through without being told to.
            guard error == .invalidArgument || error == .accessDenied else { throw error }
            return false
        }
    }

    /// Whether a file system can tell that a file is in use, and keep writers that have it open from writing.
    ///
    /// - Parameters:
    ///   - path: a file there.
    ///   - file: the same, open for writing.
    /// - Returns: whether it can.
    static func isPossible(_ path: String, _ file: borrowing FileDescriptor) -> Bool {
        guard let isInUse = try? FileDescriptor.open(path, .readOnly).isOpenForWriting(), isInUse,
            (try? file.setImmutable(true)) != nil
        else { return false }
        defer { try? file.setImmutable(false) }
        do throws(Errno) {
            try file.write([0], at: 0)
            return false
        } catch {
            return error == .notPermitted
        }
    }
}
