import Capture
import LTX
import Logging
import POSIX
import SQLiteFormat

// Commits in a log of two files whose writes pass by (wal2 with passthrough). What `Database+Tail` says holds here, too; what is
// different is where the next commit is:
//
//     -wal      ... commit c |                          next but one: begins anew, behind commit d
//     -wal2                  | behind commit c: ... d |
//
// A file is begun anew only after all of it was copied to the database file. The first page of that copy is written through the daemon,
// which then captures all that is published, in both files. So between two looks the log goes on in the other file once at most, or
// twice if that file had not a single commit at the copy; and each header says which commit it goes on behind.
extension Database {
    /// Whether the log is one of wal2, as far as its first file says.
    var isWAL2: Bool {
        if let header = logs[.wal].header { return header.version == .wal2 }
        return files.wal.flatMap { WALHeader(in: $0) }?.version == .wal2
    }

    /// Captures what was committed since the last look.
    ///
    /// Call with `monitor` held, in the only look of the moment.
    ///
    /// - Returns: how many commits were found.
    func captureWAL2Tail() throws(Errno) -> Int {
        for log in WALFile.allCases {
            if let file = files[log], WALHeader(in: file) == nil { checkVersion(of: log, file) }
        }
        // What readers see; nil when nobody has a wal-index, or it is just being changed.
        let shm = files.shm.flatMap { $0.isInUse ? $0 : nil }
        let index = shm.flatMap { WALIndexHeader(publishedIn: $0) }
        if shm != nil, index?.version != .wal2 { return 0 }
        isTailVouched = index != nil
        if let index, !isPossible(index) {
            try takeOverWAL2()
            return 0
        }
        var count = 0
        // From the file followed to the one that continues it, and once more to that which continues this one.
        for _ in 0..<3 {
            let file = logs.file
            if isHeaderFollowed(file) {
                count += try capturePublished(in: file, index)
            }
            guard try goOn(after: file, index, &count) else { break }
        }
        if isLogLost { try takeOverWAL2() }
        return count
    }

    /// Whether a file has the header that is followed; the first header of a log is, from now on.
    private func isHeaderFollowed(_ log: WALFile) -> Bool {
        guard let file = files[log], let header = WALHeader(in: file) else { return false }
        if header == logs[log].header { return true }
        guard logs[log].header == nil, !logs.hasFrames else { return false }
        _ = logs[log].headerWritten(read: file.lenientRead)
        return true
    }

    /// Looks whether the log goes on in the other file, and captures what was published there.
    ///
    /// - Returns: whether there may be more in the file before, because it was begun anew behind that.
    private func goOn(after file: WALFile, _ index: WALIndexHeader?, _ count: inout Int) throws(Errno) -> Bool
    {
        let next = file.other
        guard let backing = files[next], let header = WALHeader(in: backing) else { return false }
        if header != logs[next].header {
            guard let before = logs[file].header, logs[file].committedFrames > 0,
                header.continues(before, after: logs[file])
            else { return false }
            leave(next, backing)
        }
        guard logs.isContinued(in: next), logs[next].committedFrames == 0 || logs[file].committedFrames == 0
        else { return false }
        let found = try capturePublished(in: next, index)
        count += found
        return found > 0
    }

    /// A file was begun anew: what it held is in the database file, or is in doubt.
    private func leave(_ log: WALFile, _ file: BackingFile) {
        if queue.contains(where: { $0.file == log }) { abandonQueue("its log was overwritten") }
        let pages = logs[log].frames
        _ = logs[log].headerWritten(read: file.lenientRead)
        let rest = PageSet(logs.frames.pages)
        let lost = pages.filter { logOnly.contains(PageNumber($0)) && !rest.contains(PageNumber($0)) }
        if !lost.isEmpty {
            counters.withdrawn.increment()
            markSuspect(lost)
        }
        forgetCheckpointed()
    }

    /// Captures the commits of a file that the wal-index names, or, without one, that its chain has.
    private func capturePublished(in log: WALFile, _ index: WALIndexHeader?) throws(Errno) -> Int {
        guard let file = files[log], let header = logs[log].header, let size = try? file.size() else {
            return 0
        }
        let frames = WALFrames.count(fileSize: size, pageSize: header.pageSize)
        guard index.map({ $0.pageSize == header.pageSize && $0[log] <= frames }) ?? true else { return 0 }
        let end = index?[log] ?? frames
        guard end > logs[log].committedFrames else { return 0 }
        logs[log].appeared(through: end, isPublished: index != nil)
        var count = 0
        while let commit = logs[log].nextCommit(after: nil, read: file.lenientRead) {
            logs.goOn(in: log)
            count += 1
            do throws(Errno) {
                try capture(commit, file)
            } catch {
                // It stands, whatever becomes of its record.
                markSuspect(commit.pages.lazy.map(\.number.rawValue))
                throw error
            }
        }
        return count
    }

    /// Whether the wal-index can be one of the log that was captured: it never has fewer frames of a file that was not begun anew.
    private func isPossible(_ index: WALIndexHeader) -> Bool {
        WALFile.allCases.allSatisfy { log in
            guard logs[log].committedFrames > index[log] else { return true }
            // The other way round: the file was begun anew, and the daemon has not seen it yet.
            return files[log].flatMap { WALHeader(in: $0) } != logs[log].header
                || index[log] == 0 && index.file == log
        }
    }

    /// Whether the file that is followed was begun anew, and nothing leads there from what was captured.
    private var isLogLost: Bool {
        guard let header = logs.newest.header, let file = files[logs.file] else { return false }
        guard let present = WALHeader(in: file) else { return false }
        return present != header
    }

    /// Takes over what the log says, because what was captured is not, or no longer, what it holds.
    private func takeOverWAL2() throws(Errno) {
        counters.withdrawn.increment()
        context.logger.info(
            "database \"\(name)\": the log is another one than was captured; its pages will be compared"
        )
        let before = logs.frames.pages
        if !queue.isEmpty { try drainQueue() }
        let content = try logContent()
        takeOver(content, captured: content.frameCount)
        walPages = PageSet(content.frames.pages)
        logOnly = walPages
        markSuspect(before)
        markSuspect(content.frames.pages)
    }
}

extension WALHeader {
    /// Whether the log goes on in the file with this header behind what was captured of the other file.
    fileprivate func continues(_ header: WALHeader, after capture: WALCapture) -> Bool {
        continues(header, endingWith: WALChecksum(first: salt1, second: salt2))
            && capture.endsWith(WALChecksum(first: salt1, second: salt2))
    }
}
