import LTX
import POSIX
import Store

/// An LTX file on its way to a client. For one thread.
protocol OutgoingFile: AnyObject {
    /// What it counts as in metrics: `ltx` or `ltx:snapshot`.
    var frameType: String { get }
    /// Whether it is sent in so short a time that an orderly end can wait for it.
    var isShort: Bool { get }
    /// Where a client is that has it; known after the last byte was read.
    var end: Position { get }

    /// Fills the start of `buffer` with the next bytes, at least one.
    ///
    /// - Returns: how many; 0 after the last.
    /// - Throws: when the file is damaged; what was read before must not be completed.
    func read(into buffer: UnsafeMutableRawBufferPointer) throws -> Int
}

/// An LTX file that is in memory since it was made.
final class OutgoingContent: OutgoingFile {
    let frameType = "ltx"
    let isShort = true
    let end: Position
    private let content: SharedBytes
    private var offset = 0

    /// A file from the log; nil when its content is not in memory, or too short to be a file.
    init?(_ file: LTXFile) {
        guard let content = file.content else { return nil }
        self.content = content
        guard content.bytes.count >= LTXHeader.byteCount + LTXTrailer.byteCount else { return nil }
        let postApply =
            file.postApply
            ?? content.bytes.suffix(LTXTrailer.byteCount)
            .withUnsafeBytes { try? LTXTrailer(decoding: $0).postApply }
        guard let postApply else { return nil }
        end = Position(txid: file.name.maxTXID, postApply: postApply)
    }

    func read(into buffer: UnsafeMutableRawBufferPointer) -> Int {
        content.bytes.withUnsafeBytes { bytes in
            let count = min(buffer.count, bytes.count - offset)
            buffer.copyMemory(from: UnsafeRawBufferPointer(rebasing: bytes[offset..<offset + count]))
            offset += count
            return count
        }
    }
}

/// Why a stored LTX file cannot be sent.
enum OutgoingFileError: Error, CustomStringConvertible {
    /// It is not there any longer.
    case gone
    /// It cannot be read.
    case unreadable(FileError)
    /// Its content is not what it should be.
    case damaged(path: String, reason: String)

    var description: String {
        switch self {
        case .gone: "transaction file is gone"
        case .unreadable(let error): error.description
        case .damaged(let path, let reason): "transaction file \(path) is damaged: \(reason)"
        }
    }
}

/// An LTX file that is read from disk. It is verified on the way, and its end is not given out unless all of it is sound.
final class OutgoingStoredFile: OutgoingFile {
    private static let shortByteCount: Int64 = 1 << 20

    let frameType = "ltx"
    let isShort: Bool
    private(set) var end = Position.zero
    /// Its header, valid in itself.
    let header: LTXHeader

    private let path: String
    private let name: LTXFileName
    private let descriptor: FileDescriptor
    private let decoder = LTXDecoder()
    private var offset: Int64 = 0

    init(path: String, name: LTXFileName) throws(OutgoingFileError) {
        self.path = path
        self.name = name
        do throws(Errno) {
            descriptor = try FileDescriptor.open(path, .readOnly)
            isShort = try descriptor.status().size <= Self.shortByteCount
        } catch .noEntry {
            throw .gone
        } catch {
            throw .unreadable(FileError("open", path, error))
        }
        header = try Self.readHeader(descriptor, path)
        guard header.fileName == name else {
            throw .damaged(path: path, reason: "it holds transactions \(header.minTXID) to \(header.maxTXID)")
        }
        decoder.begin()
    }

    private static func readHeader(
        _ descriptor: borrowing FileDescriptor,
        _ path: String
    ) throws(OutgoingFileError) -> LTXHeader {
        let memory = Buffer(count: LTXHeader.byteCount)
        let count: Int
        do throws(Errno) {
            count = try descriptor.read(into: memory.bytes, at: 0)
        } catch {
            throw .unreadable(FileError("read", path, error))
        }
        do throws(LTXError) {
            return try LTXHeader(decoding: UnsafeRawBufferPointer(rebasing: memory.bytes[..<count]))
        } catch {
            throw .damaged(path: path, reason: "\(error)")
        }
    }

    func read(into buffer: UnsafeMutableRawBufferPointer) throws -> Int {
        let count: Int
        do throws(Errno) {
            count = try descriptor.read(into: buffer, at: offset)
        } catch {
            throw OutgoingFileError.unreadable(FileError("read", path, error))
        }
        offset += Int64(count)
        do {
            if count == 0 {
                try decoder.finish()
                return 0
            }
            // The trailer comes out of the decoder only when all before it is sound, and this piece is sent only then.
            try decoder.feed(UnsafeRawBufferPointer(rebasing: buffer[..<count])) { event in
                if case .trailer(let trailer) = event {
                    end = Position(txid: name.maxTXID, postApply: trailer.postApply)
                }
            }
            return count
        } catch {
            throw OutgoingFileError.damaged(path: path, reason: "\(error)")
        }
    }
}
