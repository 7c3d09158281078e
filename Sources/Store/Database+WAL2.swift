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
        let shm = files.shm.flatMap { $0.isInUse ? $0 : nil }
        let index = shm.flatMap { publishedIndex($0) }
        // After the index, so that they are not older than what it says.
        let headers = Headers(files)
        for log in WALFile.allCases {
            if let file = files[log], headers[log] == nil { checkVersion(of: log, file) }
        }
        // Being changed, built anew, or of a log that begins: what it will say is said soon.
        if shm != nil, index == nil { return 0 }
        isTailVouched = index != nil
        if let index, !isPossible(index, headers) {
            try takeOverWAL2(index)
            return 0
        }
        var count = 0
        // From the file followed to the one that continues it, and once more to that which continues this one.
        for _ in 0..<3 {
            let file = logs.file
            if isHeaderFollowed(file, headers) { count += try capturePublished(in: file, index, headers) }
            guard try goOn(after: file, index, headers, &count) else { break }
        }
        guard let index, let shm else {
            if isLogLost(headers) { try takeOverWAL2(nil) }
            return count
        }
        // What it says now may be newer than what was looked at; the next look finds that.
        if isBehind(index, headers), WALIndexHeader(publishedIn: shm) == index { try takeOverWAL2(index) }
        return count
    }

    /// The headers of both files at one moment; nil without a sound one.
    private struct Headers {
        private let first: WALHeader?
        private let second: WALHeader?

        init(_ files: DatabaseFiles) {
            first = files.wal.flatMap { WALHeader(in: $0) }
            second = files.wal2.flatMap { WALHeader(in: $0) }
        }

        subscript(log: WALFile) -> WALHeader? { log == .wal ? first : second }
    }

    /// What readers see; nil while it is being changed.
    private func publishedIndex(_ shm: BackingFile) -> WALIndexHeader? {
        for _ in 0..<4 {
            if let index = WALIndexHeader(publishedIn: shm) { return index.version == .wal2 ? index : nil }
        }
        return nil
    }

    /// Whether a file has the header that is followed; the header of a log without captured frames is, from now on.
    private func isHeaderFollowed(_ log: WALFile, _ headers: Headers) -> Bool {
        guard let file = files[log], let header = headers[log] else { return false }
        if header == logs[log].header { return true }
        guard !logs.hasFrames else { return false }
        _ = logs[log].headerWritten(read: file.lenientRead)
        return true
    }

    /// Looks whether the log goes on in the other file, and captures what was published there.
    ///
    /// - Returns: whether there may be more in the file before, because it was begun anew behind that.
    private func goOn(
        after file: WALFile,
        _ index: WALIndexHeader?,
        _ headers: Headers,
        _ count: inout Int
    ) throws(Errno) -> Bool {
        let next = file.other
        guard let backing = files[next], let header = headers[next] else { return false }
        if header != logs[next].header {
            guard let before = logs[file].header, logs[file].committedFrames > 0,
                header.continues(before, after: logs[file])
            else { return false }
            leave(next, backing)
        }
        guard logs.isContinued(in: next), logs[next].committedFrames == 0 || logs[file].committedFrames == 0
        else { return false }
        let found = try capturePublished(in: next, index, headers)
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
    private func capturePublished(
        in log: WALFile,
        _ index: WALIndexHeader?,
        _ headers: Headers
    ) throws(Errno) -> Int {
        guard let file = files[log], let header = logs[log].header, let size = try? file.size() else {
            return 0
        }
        let frames = WALFrames.count(fileSize: size, pageSize: header.pageSize)
        if let index {
            // The number of frames may be that of what the file held before it was begun anew.
            guard index.pageSize == header.pageSize, index[log] <= frames, index.describes(header, of: log),
                index.file == log || logs[log].committedFrames > 0 || index[index.file] == 0
                    || isContinued(header, by: headers[index.file])
            else { return 0 }
        }
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

    /// Whether the file with one header begins behind that with another.
    private func isContinued(_ header: WALHeader, by next: WALHeader?) -> Bool {
        guard let next else { return false }
        return next.continues(header, endingWith: WALChecksum(first: next.salt1, second: next.salt2))
    }

    /// Whether the wal-index can be one of the log that was captured: it never has fewer frames of a file that was not begun anew.
    private func isPossible(_ index: WALIndexHeader, _ headers: Headers) -> Bool {
        WALFile.allCases.allSatisfy { log in
            guard logs[log].committedFrames > index[log] else { return true }
            // The other way round: the file was begun anew, and the daemon has not seen it yet.
            return headers[log] != logs[log].header
                || index[log] == 0 && index.file == log
        }
    }

    /// Whether the wal-index names commits that were not found: nothing leads to them from what was captured.
    private func isBehind(_ index: WALIndexHeader, _ headers: Headers) -> Bool {
        let last = index[index.file] > 0 ? index.file : index.file.other
        guard index[last] > 0 else { return false }
        if index.file == last, let header = headers[last],
            !index.describes(header, of: last)
        {
            // Half a moment: the header is just being written.
            return false
        }
        return logs.file != last || logs.newest.committedFrames != index[last]
            || !logs.newest.endsWith(index.frameChecksum)
    }

    /// Whether the file that is followed was begun anew, and nothing leads there from what was captured.
    private func isLogLost(_ headers: Headers) -> Bool {
        guard let header = logs.newest.header, let present = headers[logs.file] else { return false }
        return present != header
    }

    /// Takes over what the wal-index says, or without one what the log does, because what was captured is not, or no longer, what it holds.
    private func takeOverWAL2(_ index: WALIndexHeader?) throws(Errno) {
        counters.withdrawn.increment()
        context.logger.info(
            "database \"\(name)\": the log is another one than was captured; its pages will be compared"
        )
        let before = logs.frames.pages
        if !queue.isEmpty { try drainQueue() }
        let files = files
        let isTaken =
            index.map { index in
                logs.takeOver(index, read: { log in { files[log]?.lenientRead($0, $1) ?? 0 } })
            } ?? false
        if !isTaken {
            let content = try logContent()
            takeOver(content, captured: content.frameCount)
        }
        walPages = PageSet(logs.frames.pages)
        logOnly = walPages
        markSuspect(before)
        markSuspect(logs.frames.pages)
    }
}

extension WALIndexHeader {
    /// Whether the number of frames that it has for a file can be one of the file with this header.
    ///
    /// The salts are those of the file that is written.
    fileprivate func describes(_ header: WALHeader, of log: WALFile) -> Bool {
        log != file || self[log] == 0 || salt1 == header.salt1 && salt2 == header.salt2
    }
}

extension WALHeader {
    /// Whether the log goes on in the file with this header behind what was captured of the other file.
    fileprivate func continues(_ header: WALHeader, after capture: WALCapture) -> Bool {
        continues(header, endingWith: WALChecksum(first: salt1, second: salt2))
            && capture.endsWith(WALChecksum(first: salt1, second: salt2))
    }
}
