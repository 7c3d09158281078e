import Replication
import SQLiteFormat

extension FuzzTarget {
    static let comparison = FuzzTarget(
        "comparison",
        summary: "the body of POST /difference",
        maximumByteCount: 20_000,
        seeds: {
            let sizes = [512, 4096, 65_536].compactMap { PageSize($0) }
            return zip(sizes, [0, 1500, 2])
                .map { size, count in
                    let checksums = (0..<count).map { 1 << 63 | UInt64($0) &* 0x9E37_79B9_7F4A_7C15 }
                    return PageComparison(pageSize: size, checksums: checksums).encoded()
                }
        },
        check: { bytes in
            guard let comparison = try? PageComparison(decoding: bytes) else { return }
            let encoded = comparison.encoded()
            try require(
                encoded.count == bytes.count,
                "the comparison has another length when it is written again"
            )
            try require(
                try PageComparison(decoding: encoded) == comparison,
                "the comparison is another one when it is read again"
            )
            let pages = comparison.described.values.reduce(0) { $0 + $1.count }
            try require(
                comparison.digests.count * 8 + pages * 8 <= bytes.count,
                "more memory is taken than was paid for"
            )
        }
    )
}
