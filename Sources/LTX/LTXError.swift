import SQLiteFormat

/// What is wrong with an LTX file, or with the input to the encoder.
public enum LTXError: Error, Equatable, Sendable {
    /// The file does not begin with `LTX1` but with these four bytes.
    case badMagic(UInt32)
    /// The header has flags that this version of the format does not know.
    case unknownFlags(UInt32)
    /// The header's page size is no size that SQLite knows.
    case badPageSize(UInt32)
    /// The header's first transaction is 0, or its last one is before the first one.
    case badTXIDRange(minTXID: TXID, maxTXID: TXID)
    /// The header of a snapshot, which applies to nothing, has a pre-apply checksum.
    case preApplyInSnapshot(Checksum)
    /// The header's pre-apply checksum has no flag, in a file that is not a snapshot.
    case preApplyWithoutFlag(Checksum)
    /// The header's WAL offset or size is negative, or only one of them is given.
    case badWALRange(offset: Int64, size: Int64)
    /// The header has WAL salts but no WAL offset and size.
    case saltWithoutWALRange(UInt32, UInt32)
    /// The header's last 20 bytes are not zero.
    case reservedBytesInUse

    /// A page number beyond the database's size after the transaction, in pages.
    case pageOutOfBounds(PageNumber, commit: UInt32)
    /// The page of the lock bytes, which never has content.
    case lockPage(PageNumber)
    /// A page that is not behind the one before it.
    case pageOutOfOrder(PageNumber, after: PageNumber)
    /// A snapshot lacks a page: this one came in its place.
    case gapInSnapshot(PageNumber, expected: PageNumber)
    /// A snapshot ends with this page, 0 if it has none, before the database does.
    case snapshotEndsEarly(last: PageNumber, commit: UInt32)
    /// Data for a page that is not as long as the header says.
    case badPageLength(PageNumber, actual: Int, expected: Int)

    /// The compressed page block has bytes behind the end mark of the pages.
    case contentAfterPages
    /// The compressed page block ends before the end mark of the pages.
    case pageBlockEndsEarly
    /// LZ4 could not compress, for the reason that it gives.
    case compressionFailed(String)
    /// LZ4 could not decompress at about this offset in the file, for the reason that it gives.
    case decompressionFailed(String, offset: UInt64)

    /// The post-apply checksum has no flag.
    case postApplyWithoutFlag(Checksum)
    /// The post-apply checksum of a database without pages is not that of an empty database.
    case postApplyOfNothing(Checksum)
    /// The file's bytes do not have the checksum that the trailer says.
    case fileChecksumMismatch(stored: Checksum, computed: Checksum)
    /// The pages of a snapshot do not have the post-apply checksum that the trailer says.
    case snapshotChecksumMismatch(postApply: Checksum, computed: Checksum)

    /// The file ends at this offset, before its trailer does.
    case truncated(offset: UInt64)
    /// The file has bytes behind its trailer, from this offset on.
    case bytesAfterTrailer(offset: UInt64)
    /// A call that needs `begin` first; after an error or the end of a file it is needed again.
    case notBegun
}
