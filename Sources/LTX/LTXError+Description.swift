extension LTXError: CustomStringConvertible {
    /// One line for logs: what is wrong, where, and what was expected.
    public var description: String {
        switch self {
        case .badMagic, .unknownFlags, .badPageSize, .badTXIDRange, .preApplyInSnapshot, .preApplyWithoutFlag,
            .badWALRange, .saltWithoutWALRange, .reservedBytesInUse:
            "LTX header: \(headerDescription)"
        case .pageOutOfBounds, .lockPage, .pageOutOfOrder, .gapInSnapshot, .snapshotEndsEarly, .badPageLength,
            .contentAfterPages, .pageBlockEndsEarly, .compressionFailed, .decompressionFailed:
            "LTX page block: \(pageBlockDescription)"
        case .postApplyWithoutFlag, .postApplyOfNothing, .fileChecksumMismatch, .snapshotChecksumMismatch:
            "LTX trailer: \(trailerDescription)"
        case .truncated(let offset):
            "LTX file: ends at offset \(offset), before its trailer does"
        case .bytesAfterTrailer(let offset):
            "LTX file: has bytes behind its trailer, from offset \(offset) on"
        case .notBegun:
            "LTX file: not begun, already ended, or given up after an error"
        }
    }

    private var headerDescription: String {
        switch self {
        case .badMagic(let value):
            "begins with 0x\(String(value, radix: 16)), not with LTX1"
        case .unknownFlags(let flags):
            "unknown flags 0x\(String(flags, radix: 16))"
        case .badPageSize(let size):
            "page size \(size) is not a power of two from 512 to 65536"
        case .badTXIDRange(let minTXID, let maxTXID):
            "no transactions from \(minTXID) to \(maxTXID)"
        case .preApplyInSnapshot(let checksum):
            "a snapshot with pre-apply checksum \(checksum)"
        case .preApplyWithoutFlag(let checksum):
            "pre-apply checksum \(checksum) lacks its flag"
        case .badWALRange(let offset, let size):
            "WAL offset \(offset) with size \(size)"
        case .saltWithoutWALRange(let salt1, let salt2):
            "WAL salts \(salt1) and \(salt2) without offset and size"
        default:
            "reserved bytes are not zero"
        }
    }

    private var pageBlockDescription: String {
        switch self {
        case .pageOutOfBounds(let page, let commit):
            "page \(page.rawValue) of a database of \(commit) pages"
        case .lockPage(let page):
            "page \(page.rawValue) is the lock page"
        case .pageOutOfOrder(let page, let previous):
            "page \(page.rawValue) after page \(previous.rawValue)"
        case .gapInSnapshot(let page, let expected):
            "page \(page.rawValue) where a snapshot must have page \(expected.rawValue)"
        case .snapshotEndsEarly(let last, let commit):
            "snapshot of \(commit) pages ends with page \(last.rawValue)"
        case .badPageLength(let page, let actual, let expected):
            "page \(page.rawValue) has \(actual) bytes, not \(expected)"
        case .contentAfterPages:
            "content behind the end mark"
        case .compressionFailed(let reason):
            "LZ4 compression failed: \(reason)"
        case .decompressionFailed(let reason, let offset):
            "LZ4 decompression failed near offset \(offset): \(reason)"
        default:
            "ends without an end mark"
        }
    }

    private var trailerDescription: String {
        switch self {
        case .postApplyWithoutFlag(let checksum):
            "post-apply checksum \(checksum) lacks its flag"
        case .postApplyOfNothing(let checksum):
            "post-apply checksum \(checksum) of a database without pages, which has \(Checksum.empty)"
        case .fileChecksumMismatch(let stored, let computed):
            "file checksum \(stored), but the bytes have \(computed)"
        case .snapshotChecksumMismatch(let postApply, let computed):
            "post-apply checksum \(postApply), but the pages of the snapshot have \(computed)"
        default:
            "invalid"
        }
    }
}
