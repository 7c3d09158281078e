import Capture
import LTX
import POSIX
import SQLiteFormat

// The page checksum table of a database that was closed in good order, so that the next start need not read the database.
//
//     offset  size  field, little-endian
//          0     8  magic "LFSCSUM2"
//          8     8  TXID                      16     8  post-apply checksum
//         24     8  timestamp, ms since 1970
//         32     4  page size                 36     4  page count
//         40     1  write version, byte 18 of the primary's page 1
//         41     1  read version, byte 19     42     6  zero
//         48    24  database file: size, time of last change (ns), inode number
//         72    24  -wal: the same, zero without one
//         96    24  -wal2: the same
//        120     4  captured frames of the file with the newest ones
//        124     4  salt 1 of that           128     4  salt 2                  132     4  zero
//        136   8×n  checksum of each page, page 1 first
//      136+8n    8  CRC-64 of all before
//
// It is believed only while these files are as they were when it was written, and removed as soon as it was read.

/// What the file holds.
package struct SavedChecksums {
    var position: Position
    var timestamp: Int64
    package var table: PageChecksumTable
    var versionBytes: (write: UInt8, read: UInt8)
    var database: Stamp
    /// `-wal` and `-wal2`.
    var logs: [Stamp]
    var capturedFrames: UInt32
    var salt1: UInt32
    var salt2: UInt32

    /// What changes when somebody changes a file.
    struct Stamp: Equatable {
        var size: Int64 = 0
        var modified: Int64 = 0
        var inode: UInt64 = 0

        init(size: Int64, modified: Int64, inode: UInt64) {
            self.size = size
            self.modified = modified
            self.inode = inode
        }

        init(_ file: BackingFile?) {
            let status = try? file?.descriptor.status()
            self.init(
                size: status?.size ?? 0,
                modified: status?.modifiedNanoseconds ?? 0,
                inode: status?.inode ?? 0
            )
        }
    }

    /// The number of frames of a log that were captured; nil when it is another log.
    func capturedFrames(in content: LogContent) -> Int? {
        var before = 0
        for part in [content.older, content.newest] {
            if part.header?.salt1 == salt1, part.header?.salt2 == salt2 {
                return before + min(Int(capturedFrames), part.frames.count)
            }
            before += part.frames.count
        }
        return nil
    }

    private static let magic: UInt64 = 0x324d_5553_4353_464c
    private static let headerSize = 136

    /// The file's bytes.
    package func encoded() -> [UInt8] {
        var bytes: [UInt8] = []
        bytes.reserveCapacity(Self.headerSize + 8 * table.checksums.count + 8)
        func add(_ value: some FixedWidthInteger) { withUnsafeBytes(of: value.littleEndian) { bytes += $0 } }
        add(Self.magic)
        add(position.txid.rawValue)
        add(position.postApply.rawValue)
        add(timestamp)
        add(table.pageSize?.rawValue ?? 0)
        add(table.pageCount)
        bytes += [versionBytes.write, versionBytes.read, 0, 0, 0, 0, 0, 0]
        for stamp in [database] + logs {
            add(stamp.size)
            add(stamp.modified)
            add(stamp.inode)
        }
        add(capturedFrames)
        add(salt1)
        add(salt2)
        add(UInt32(0))
        for checksum in table.checksums { add(checksum) }
        add(bytes.withUnsafeBytes { PageChecksum.compute(.first, $0).rawValue })
        return bytes
    }

    /// The content of a file; nil when anything about it is odd.
    package init?(_ bytes: [UInt8]) {
        func value<Value: FixedWidthInteger>(_ offset: Int, _ type: Value.Type) -> Value {
            bytes.withUnsafeBytes {
                Value(littleEndian: $0.loadUnaligned(fromByteOffset: offset, as: Value.self))
            }
        }
        guard bytes.count >= Self.headerSize + 8, value(0, UInt64.self) == Self.magic,
            let pageSize = PageSize(value(32, UInt32.self))
        else { return nil }
        let count = Int(value(36, UInt32.self))
        guard bytes.count == Self.headerSize + 8 * count + 8 else { return nil }
        let sum = bytes.withUnsafeBytes {
            PageChecksum.compute(.first, UnsafeRawBufferPointer(rebasing: $0[..<(bytes.count - 8)])).rawValue
        }
        guard sum == value(bytes.count - 8, UInt64.self) else { return nil }
        let checksums = (0..<count).map { value(Self.headerSize + 8 * $0, UInt64.self) }
        table = PageChecksumTable(pageSize: pageSize, checksums: checksums)
        position = Position(
            txid: TXID(value(8, UInt64.self)),
            postApply: Checksum(rawValue: value(16, UInt64.self))
        )
        timestamp = value(24, Int64.self)
        versionBytes = (bytes[40], bytes[41])
        func stamp(_ offset: Int) -> Stamp {
            Stamp(
                size: value(offset, Int64.self),
                modified: value(offset + 8, Int64.self),
                inode: value(offset + 16, UInt64.self)
            )
        }
        database = stamp(48)
        logs = [stamp(72), stamp(96)]
        capturedFrames = value(120, UInt32.self)
        salt1 = value(124, UInt32.self)
        salt2 = value(128, UInt32.self)
        guard table.databaseChecksum == position.postApply else { return nil }
    }

    init(
        position: Position,
        timestamp: Int64,
        table: PageChecksumTable,
        versionBytes: (write: UInt8, read: UInt8),
        files: DatabaseFiles,
        capturedFrames: UInt32,
        header: WALHeader?
    ) {
        self.position = position
        self.timestamp = timestamp
        self.table = table
        self.versionBytes = versionBytes
        database = Stamp(files.database)
        logs = WALFile.allCases.map { Stamp(files[$0]) }
        self.capturedFrames = capturedFrames
        salt1 = header?.salt1 ?? 0
        salt2 = header?.salt2 ?? 0
    }
}
