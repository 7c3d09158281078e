import LTX
import SQLiteFormat
import Store

extension FuzzTarget {
    /// The first byte of an input says whether magic, size and checksum are made right.
    static let checksums = FuzzTarget(
        "checksums",
        summary: "the saved page checksum table",
        maximumByteCount: 1024,
        seeds: {
            var file = [UInt8](repeating: 0, count: 112 + 24 + 8)
            file.replaceSubrange(0..<8, with: Array("LFSCSUM2".utf8))
            file[16 + 7] = 0x80
            file[33] = 2
            file[36] = 3
            return [[1] + file, [0] + file]
        },
        check: { bytes in
            var input = FuzzInput(bytes)
            let isRepaired = input.byte() & 1 == 1
            var file = Array(input.rest)
            if isRepaired { repair(&file) }
            guard let saved = SavedChecksums(file) else { return }
            try require(8 * saved.table.checksums.count < file.count, "more checksums than bytes")
            var again = saved.encoded()
            // Nobody reads these.
            for index in Array(42..<48) + Array(108..<112) { again[index] = file[index] }
            try require(
                again.dropLast(8) == file.dropLast(8),
                "the file is another one when it is written again"
            )
        }
    )

    private static func repair(_ file: inout [UInt8]) {
        guard file.count >= 120 else { return }
        file.removeLast(file.count % 8)
        file.replaceSubrange(0..<8, with: Array("LFSCSUM2".utf8))
        let pages = (file.count - 120) / 8
        if file[41] & 1 == 0 {
            file.replaceSubrange(36..<40, with: [UInt8(pages & 255), UInt8(pages >> 8), 0, 0])
        }
        if file[41] & 2 == 0 {
            var sum = Checksum.flag
            for page in 0..<pages {
                for byte in 0..<8 { sum ^= UInt64(file[112 + 8 * page + byte]) << UInt64(8 * byte) }
            }
            for byte in 0..<8 {
                file[16 + byte] = UInt8(truncatingIfNeeded: (sum | Checksum.flag) >> UInt64(8 * byte))
            }
        }
        let count = file.count - 8
        let sum = file.withUnsafeBytes {
            PageChecksum.compute(.first, UnsafeRawBufferPointer(rebasing: $0[..<count])).rawValue
        }
        for byte in 0..<8 { file[count + byte] = UInt8(truncatingIfNeeded: sum >> UInt64(8 * byte)) }
    }
}
