import Faults
import LTX
import POSIX
import SQLiteFormat
import Synchronization

/// One LTX file of a database.
public struct LTXFile: Sendable {
    /// First and last transaction in it, and so its name.
    public let name: LTXFileName
    /// Bytes on disk.
    public let byteCount: Int
    /// Checksum of the database before; nil where the file was not read yet.
    public let preApply: Checksum?
    /// Checksum of the database after; nil where the file was not read yet.
    public internal(set) var postApply: Checksum?
    /// Age, for retention: milliseconds since 1970.
    public let storedMilliseconds: Int64
    /// The whole content, as long as it is recent and small.
    public internal(set) var content: SharedBytes?
}

/// Immutable bytes that several streams send at once.
public final class SharedBytes: Sendable {
    /// The bytes.
    public let bytes: [UInt8]

    /// Shares `bytes`.
    public init(_ bytes: [UInt8]) {
        self.bytes = bytes
    }
}

/// The LTX files of one database, oldest first, with the newest ones in memory.
///
/// Invariant: every file in the list has its final name on disk; its content is complete unless power failed before it was
/// synced, which `Database` finds out when it opens. Thread-safe; a leaf in the order of locks.
public final class TransactionLog: Sendable {
    /// Content kept in memory for streams, per database, in bytes.
    public static let memoryBound = 4 << 20

    /// The folder `DATA/dbs/NAME/ltx`.
    public let directory: String

    private struct State {
        var files: [LTXFile] = []
        var contentBytes = 0
        /// Index of the oldest file that still has its content in memory.
        var firstContent = 0
        /// Files before this index are known to be on disk.
        var synced = 0
        /// A sync failed: what the others hold on disk is unknown, and another sync would not tell.
        var isDoubtful = false
    }
    private let state = Mutex(State())

    /// A log in a folder, which is made if missing.
    ///
    /// Reads the names of its files.
    public init(directory: String) throws(FileError) {
        self.directory = directory
        var files: [LTXFile] = []
        do throws(Errno) {
            try Files.makeDirectories(directory, synchronize: true)
            for entry in try Files.list(directory) where !entry.isDirectory {
                let path = directory + "/" + entry.name
                guard let name = LTXFileName(entry.name) else { continue }
                let status = try Files.status(path)
                files.append(
                    LTXFile(
                        name: name,
                        byteCount: Int(status.size),
                        preApply: nil,
                        postApply: nil,
                        storedMilliseconds: status.modifiedNanoseconds / 1_000_000,
                        content: nil
                    )
                )
            }
        } catch {
            throw FileError("read the transaction log in", directory, error)
        }
        files.sort { ($0.name.maxTXID, $0.name.minTXID) < ($1.name.maxTXID, $1.name.minTXID) }
        state.withLock { [files] state in
            state.files = files
            state.firstContent = files.count
        }
    }

    /// The position after the newest file of a folder, as its name and its last bytes say; zero without any, or when it cannot be read.
    static func newestPosition(in directory: String) -> Position {
        var newest: LTXFileName?
        for entry in (try? Files.list(directory)) ?? [] where !entry.isDirectory {
            guard let name = LTXFileName(entry.name), newest.map({ $0.maxTXID < name.maxTXID }) ?? true else {
                continue
            }
            newest = name
        }
        guard let newest, let postApply = postApply(of: directory + "/\(newest)") else { return .zero }
        return Position(txid: newest.maxTXID, postApply: postApply)
    }

    /// The position after a file; nil when it cannot be read.
    ///
    /// What was read once is remembered for the newest one, which is asked for again and again.
    func position(after file: LTXFile) -> Position? {
        if let postApply = file.postApply { return Position(txid: file.name.maxTXID, postApply: postApply) }
        guard let postApply = Self.postApply(of: path(of: file.name)) else { return nil }
        state.withLock { state in
            guard let last = state.files.indices.last, state.files[last].name == file.name else { return }
            state.files[last].postApply = postApply
        }
        return Position(txid: file.name.maxTXID, postApply: postApply)
    }

    /// The position after the newest file; nil without any, or when it cannot be read.
    public var newestPosition: Position? { newest.flatMap { position(after: $0) } }

    /// The checksum that the last bytes of a file say; nil when it has none.
    static func postApply(of path: String) -> Checksum? {
        guard let file = try? FileDescriptor.open(path, .readOnly), let size = try? file.status().size,
            size >= LTXHeader.byteCount + LTXTrailer.byteCount
        else { return nil }
        let buffer = Buffer(count: LTXTrailer.byteCount)
        let offset = size - Int64(LTXTrailer.byteCount)
        guard (try? file.read(into: buffer.bytes, at: offset)) == LTXTrailer.byteCount else { return nil }
        return try? LTXTrailer(decoding: UnsafeRawBufferPointer(buffer.bytes)).postApply
    }

    /// Removes files that never got their final name.
    func removeTemporaries() {
        for entry in (try? Files.list(directory)) ?? [] where entry.name.hasSuffix(".tmp") {
            try? FaultPoint.recoveryTemporariesUnlink.pass()
            try? Files.unlink(directory + "/" + entry.name, ifExists: true)
        }
    }

    /// Path of a file that did not get its final name yet.
    func temporaryPath(of name: LTXFileName) -> String { path(of: name) + ".tmp" }

    /// Path of a file of this log.
    public func path(of name: LTXFileName) -> String { directory + "/" + name.description }

    /// All files, oldest first.
    public var files: [LTXFile] { state.withLock { $0.files } }

    /// The newest file.
    public var newest: LTXFile? { state.withLock { $0.files.last } }

    /// Number and bytes of all files.
    public var usage: (files: Int, bytes: Int) {
        state.withLock { state in (state.files.count, state.files.reduce(0) { $0 + $1.byteCount }) }
    }

    /// Adds a file that just got its final name, not yet synced.
    func append(_ file: LTXFile, synced: Bool) {
        state.withLock { state in
            if synced, state.synced == state.files.count { state.synced += 1 }
            state.files.append(file)
            state.contentBytes += file.content?.bytes.count ?? 0
            while state.contentBytes > Self.memoryBound, state.firstContent < state.files.count {
                state.contentBytes -= state.files[state.firstContent].content?.bytes.count ?? 0
                state.files[state.firstContent].content = nil
                state.firstContent += 1
            }
        }
    }

    /// Removes the file, from the list and from disk.
    func remove(_ name: LTXFileName) throws(Errno) {
        try FaultPoint.ltxRemove.pass()
        try Files.unlink(path(of: name), ifExists: true)
        forget(name)
    }

    /// Forgets a file that is no longer there.
    func forget(_ name: LTXFileName) {
        state.withLock { state in
            guard let index = state.files.firstIndex(where: { $0.name == name }) else { return }
            state.contentBytes -= state.files[index].content?.bytes.count ?? 0
            state.files.remove(at: index)
            if index < state.firstContent { state.firstContent -= 1 }
            if index < state.synced { state.synced -= 1 }
        }
    }

    /// Removes all files: their database was replaced by a snapshot.
    func removeAll(except kept: LTXFileName) throws(Errno) {
        for file in files where file.name != kept { try remove(file.name) }
    }

    /// Puts every file on disk, names included.
    ///
    /// One call for all of them, because a batch of commits makes many small files.
    ///
    /// Invariant: a file counts as on disk only when its bytes were written after the last sync that failed. The kernel takes
    /// pages whose writing failed for written, so the sync after it says nothing about them: the files are verified and
    /// written again.
    func synchronize() throws(Errno) {
        let (pending, isDoubtful) = state.withLock { state in
            (state.files.suffix(from: state.synced).map(\.name), state.isDoubtful)
        }
        guard let last = pending.last else { return }
        if isDoubtful { for name in pending { try rewrite(name) } }
        try synchronizeAll()
        state.withLock { state in
            state.isDoubtful = false
            guard let index = state.files.lastIndex(where: { $0.name == last }) else { return }
            state.synced = max(state.synced, index + 1)
        }
    }

    /// Replaces a file by a copy whose bytes are verified and on disk.
    private func rewrite(_ name: LTXFileName) throws(Errno) {
        let source: FileDescriptor
        do throws(Errno) {
            source = try FileDescriptor.open(path(of: name), .readOnly)
        } catch .noEntry {
            // Retention was faster.
            return
        }
        let copy = try FileDescriptor.open(temporaryPath(of: name), [.writeOnly, .create, .truncate])
        let decoder = LTXDecoder()
        let buffer = Buffer(count: 1 << 20)
        var offset: Int64 = 0
        decoder.begin()
        while true {
            let count = try source.read(into: buffer.bytes, at: offset)
            if count == 0 { break }
            let part = UnsafeRawBufferPointer(rebasing: buffer.bytes[..<count])
            guard (try? decoder.feed(part) { _ in }) != nil else { throw .io }
            try copy.write(part, at: offset, passing: .ltxRewrite)
            offset += Int64(count)
        }
        guard (try? decoder.finish()) != nil else { throw .io }
        try copy.synchronizeData(passing: .ltxRewriteSync)
        try FaultPoint.ltxRewriteRename.pass()
        try Files.rename(temporaryPath(of: name), path(of: name))
    }

    /// Puts every file on disk, also those that have no final name yet.
    func synchronizeAll() throws(Errno) {
        do throws(Errno) {
            try FaultPoint.ltxLogSync.pass()
            try FileDescriptor.open(directory, [.directory]).synchronizeFileSystem()
        } catch {
            state.withLock { $0.isDoubtful = true }
            throw error
        }
    }

    /// The file that continues from a transaction: it begins right after it or, where no such file exists, covers it.
    ///
    /// nil when the log does not reach back so far, or ends there.
    public func file(after txid: TXID) -> LTXFile? {
        state.withLock { state in
            // Files are in the order of their last transaction; the first one that ends behind `txid` is the only candidate.
            var low = 0
            var high = state.files.count
            while low < high {
                let middle = (low + high) / 2
                if state.files[middle].name.maxTXID <= txid { low = middle + 1 } else { high = middle }
            }
            guard low < state.files.count else { return nil }
            let file = state.files[low]
            return file.name.minTXID.rawValue <= txid.rawValue + 1 ? file : nil
        }
    }

    /// Removes files that are older than `cutoff` (milliseconds since 1970), but never the newest one.
    ///
    /// Those that stay are on disk before: after a power failure the position is found with the help of the newest.
    ///
    /// - Returns: how many were removed.
    func enforceRetention(olderThan cutoff: Int64) throws(Errno) -> Int {
        let old = state.withLock { state in
            state.files.dropLast().prefix { $0.storedMilliseconds < cutoff }.map(\.name)
        }
        if old.isEmpty { return 0 }
        try synchronize()
        var removed = 0
        defer { forgetOldest(removed) }
        for name in old {
            try FaultPoint.ltxRemove.pass()
            try Files.unlink(path(of: name), ifExists: true)
            removed += 1
        }
        return removed
    }

    private func forgetOldest(_ count: Int) {
        state.withLock { state in
            for file in state.files.prefix(count) { state.contentBytes -= file.content?.bytes.count ?? 0 }
            state.files.removeFirst(min(count, state.files.count))
            state.firstContent = max(0, state.firstContent - count)
            state.synced = max(0, state.synced - count)
        }
    }
}
