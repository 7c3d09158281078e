// Trailer of an LTX file; integers are big-endian.
//
//     offset  size  field
//          0     8  post-apply checksum: of the database after the last transaction
//          8     8  file checksum: CRC-64/GO-ISO of header, page block before compression with its end mark,
//                   and post-apply checksum; with the flag

/// The last 16 bytes of an LTX file: the checksums of what it leads to, and of itself.
public struct LTXTrailer: Hashable, Sendable {
    /// The length of the trailer in a file, in bytes.
    public static let byteCount = 16

    /// The checksum of the database after the last transaction.
    public var postApply: Checksum

    /// The checksum of the file.
    public var fileChecksum: Checksum

    /// Creates a trailer from its checksums.
    public init(postApply: Checksum, fileChecksum: Checksum) {
        self.postApply = postApply
        self.fileChecksum = fileChecksum
    }

    /// Makes the trailer of a file from the CRC of everything before the trailer.
    init(postApply: Checksum, crcBefore: UInt64) {
        let crc = crc64(crcBefore, postApply.rawValue.bigEndian)
        self.init(postApply: postApply, fileChecksum: Checksum(rawValue: crc | Checksum.flag))
    }

    /// Reads the trailer at the beginning of `bytes`, without comparing it with anything.
    ///
    /// - Throws: `LTXError.truncated` if there are fewer than 16 bytes.
    public init(decoding bytes: UnsafeRawBufferPointer) throws(LTXError) {
        guard bytes.count >= Self.byteCount else { throw .truncated(offset: UInt64(bytes.count)) }
        self.init(
            postApply: Checksum(rawValue: bytes.bigEndian(UInt64.self, at: 0)),
            fileChecksum: Checksum(rawValue: bytes.bigEndian(UInt64.self, at: 8))
        )
    }

    /// Writes the trailer to the first 16 bytes of `buffer`, which must have as many.
    public func encode(into buffer: UnsafeMutableRawBufferPointer) {
        precondition(buffer.count >= Self.byteCount, "buffer shorter than an LTX trailer")
        buffer.setBigEndian(postApply.rawValue, at: 0)
        buffer.setBigEndian(fileChecksum.rawValue, at: 8)
    }

    /// Checks that `postApply` may stand at the end of a file for a database of `commit` pages.
    static func validate(postApply: Checksum, commit: UInt32) throws(LTXError) {
        guard postApply.isFlagged else { throw .postApplyWithoutFlag(postApply) }
        guard commit > 0 || postApply == .empty else { throw .postApplyOfNothing(postApply) }
    }
}
