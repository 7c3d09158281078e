import LTX
import POSIX

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

/// An LTX file that is read from disk.
///
/// It is verified on the way, and its end is not given out unless all of it is sound.
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
