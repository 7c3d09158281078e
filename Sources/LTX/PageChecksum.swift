import CChecksum
import SQLiteFormat

/// The checksum of one page of a database.
public enum PageChecksum {
    /// Computes the flag and the CRC-64/GO-ISO of the page's number, 32 bits big-endian, and its bytes.
    ///
    /// - Parameters:
    ///   - page: The number of the page.
    ///   - data: All bytes of the page. Not kept.
    /// - Returns: The page's part of the database checksum.
    public static func compute(_ page: PageNumber, _ data: UnsafeRawBufferPointer) -> Checksum {
        let number = crc64(0, page.rawValue.bigEndian)
        return Checksum(rawValue: crc64(number, data) | Checksum.flag)
    }
}

/// CRC-64/GO-ISO of what gave `crc` and `bytes`; `crc` is 0 at the beginning.
func crc64(_ crc: UInt64, _ bytes: UnsafeRawBufferPointer) -> UInt64 {
    cchecksum_crc64_iso_update(crc, bytes.baseAddress, bytes.count)
}

/// CRC-64/GO-ISO of what gave `crc` and the bytes of `value` in memory.
func crc64(_ crc: UInt64, _ value: some BitwiseCopyable) -> UInt64 {
    withUnsafeBytes(of: value) { crc64(crc, $0) }
}
