import Faults
import LTX
import POSIX
import SQLiteFormat
import Synchronization

/// Writes one LTX file under a temporary name and gives it its final name when it is complete.
///
/// Memory is bounded: output goes to the file whenever there is more than 1 MiB of it. One thread at a time.
final class LTXFileWriter {
    /// Files up to this size stay in memory for streams.
    private static let contentBound = 1 << 20

    private let log: TransactionLog
    private let encoder: LTXEncoder
    private let encoders: EncoderPool
    private let header: LTXHeader
    private let file: BackingFile
    private let temporaryPath: String
    private var written: Int64 = 0
    private var isPublished = false
    private var content: [UInt8]?

    /// Begins a file.
    init(_ log: TransactionLog, header: LTXHeader, encoders: EncoderPool) throws(StoreError) {
        self.log = log
        self.header = header
        self.encoders = encoders
        encoder = encoders.take()
        guard let name = header.fileName else {
            throw .encoding("TXIDs \(header.minTXID) to \(header.maxTXID)")
        }
        temporaryPath = log.temporaryPath(of: name)
        do throws(Errno) {
            try FaultPoint.ltxCreate.pass()
            file = try BackingFile.open(temporaryPath, [.readWrite, .create, .truncate])
        } catch {
            encoders.give(encoder)
            throw .file(FileError("create", temporaryPath, error))
        }
        do throws(LTXError) {
            try encoder.begin(header: header)
        } catch {
            throw .encoding(String(describing: error))
        }
    }

    deinit {
        encoder.clearOutput()
        encoders.give(encoder)
        if !isPublished { try? Files.unlink(temporaryPath, ifExists: true) }
    }

    /// Adds a page; pages come in ascending order.
    func append(_ page: PageNumber, _ data: UnsafeRawBufferPointer) throws(StoreError) {
        do throws(LTXError) {
            try encoder.append(page: page, data: data)
        } catch {
            throw .encoding(String(describing: error))
        }
        if encoder.output.count >= Self.contentBound { try drain() }
    }

    /// Writes the end of the file, and puts it on disk if asked to.
    ///
    /// It still has its temporary name.
    func finish(postApply: Checksum, synchronize: Bool) throws(StoreError) {
        do throws(LTXError) {
            _ = try encoder.finish(postApply: postApply)
        } catch {
            throw .encoding(String(describing: error))
        }
        if written == 0, encoder.output.count <= Self.contentBound { content = Array(encoder.output) }
        try drain()
        if synchronize {
            do throws(Errno) {
                try file.descriptor.synchronizeData(passing: .ltxSync)
            } catch {
                throw .file(FileError("sync", temporaryPath, error))
            }
        }
        self.postApply = postApply
    }

    private var postApply = Checksum.empty

    /// Gives the finished file its final name and adds it to the log.
    ///
    /// With `synchronize` the name is put on disk.
    func publish(synchronize: Bool) throws(StoreError) {
        guard let name = header.fileName else { return }
        let path = log.path(of: name)
        do throws(Errno) {
            try FaultPoint.ltxRename.pass()
            try Files.rename(temporaryPath, path)
            isPublished = true
            if synchronize {
                try FaultPoint.ltxFolderSync.pass()
                try Files.synchronizeDirectory(log.directory)
            }
        } catch {
            throw .file(FileError("rename", temporaryPath, error))
        }
        log.append(
            LTXFile(
                name: name,
                byteCount: Int(written),
                preApply: header.preApply,
                postApply: postApply,
                storedMilliseconds: WallClock.milliseconds,
                content: content.map { SharedBytes($0) }
            ),
            synced: synchronize
        )
    }

    private func drain() throws(StoreError) {
        do throws(Errno) {
            try file.descriptor.write(encoder.output, at: written, passing: .ltxWrite)
        } catch {
            throw .file(FileError("write", temporaryPath, error))
        }
        written += Int64(encoder.output.count)
        encoder.clearOutput()
    }
}

/// Encoders that wait for their next file: each holds compression state that is costly to make.
final class EncoderPool: Sendable {
    private struct Idle: @unchecked Sendable {
        // SAFETY: an encoder in the pool is used by nobody; it is taken out before it is used.
        var encoders: [LTXEncoder] = []
    }
    private let idle = Mutex(Idle())

    func take() -> LTXEncoder {
        let waiting = idle.withLock { idle in Idle(encoders: idle.encoders.popLast().map { [$0] } ?? []) }
        return waiting.encoders.first ?? LTXEncoder()
    }

    func give(_ encoder: LTXEncoder) {
        let returned = Idle(encoders: [encoder])
        idle.withLock { idle in
            if idle.encoders.count < 4 { idle.encoders += returned.encoders }
        }
    }
}
