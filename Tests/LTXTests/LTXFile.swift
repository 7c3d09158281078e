import LTX
import SQLiteFormat

/// The content of an LTX file, as tests like to hold it.
struct LTXFile: Equatable {
    struct Page: Equatable {
        var number: PageNumber
        var data: [UInt8]
    }

    var header: LTXHeader
    var pages: [Page] = []
    var postApply = Checksum.empty

    /// What a snapshot with these pages must have.
    var checksumOfPages: Checksum {
        pages.reduce(.empty) { $0.toggling(pageChecksum($1.number, $1.data)) }
    }

    func encoded(by encoder: LTXEncoder = LTXEncoder()) throws -> [UInt8] {
        var bytes: [UInt8] = []
        try encoder.begin(header: header)
        for page in pages {
            try page.data.withUnsafeBytes { try encoder.append(page: page.number, data: $0) }
            bytes += encoder.output
            encoder.clearOutput()
        }
        _ = try encoder.finish(postApply: postApply)
        bytes += encoder.output
        encoder.clearOutput()
        return bytes
    }

    /// Decodes `bytes`, fed in pieces of the lengths that `cut` gives.
    static func decoded(
        _ bytes: [UInt8],
        by decoder: LTXDecoder = LTXDecoder(),
        cut: () -> Int = { .max }
    ) throws -> LTXFile {
        var header: LTXHeader?
        var pages: [Page] = []
        var trailer: LTXTrailer?
        decoder.begin()
        try bytes.withUnsafeBytes { bytes in
            var rest = bytes[...]
            while !rest.isEmpty {
                let piece = rest.prefix(cut())
                rest = rest[piece.endIndex...]
                try decoder.feed(UnsafeRawBufferPointer(rebasing: piece)) { event in
                    switch event {
                    case .header(let value): header = value
                    case .page(let number, let data): pages.append(Page(number: number, data: Array(data)))
                    case .trailer(let value): trailer = value
                    }
                }
            }
        }
        try decoder.finish()
        guard let header, let trailer else { throw MissingEvent() }
        return LTXFile(header: header, pages: pages, postApply: trailer.postApply)
    }

    /// The decoder ended without an error but did not give a header and a trailer.
    struct MissingEvent: Error {}
}

extension LTXFile {
    /// A file with random pages; a snapshot if `txid` is 1.
    static func random(
        _ random: inout RandomSource,
        pageSize: PageSize,
        txid: UInt64,
        pageCount: Int,
        isCompressed: Bool
    ) -> LTXFile {
        var file = LTXFile(
            header: LTXHeader(
                isCompressed: isCompressed,
                pageSize: pageSize,
                commit: UInt32(txid == 1 ? pageCount : 1000),
                minTXID: TXID(txid),
                maxTXID: TXID(txid + random.next() % 3),
                timestampMilliseconds: Int64(truncatingIfNeeded: random.next()),
                preApply: txid == 1 ? .zero : Checksum(rawValue: random.next() | Checksum.flag),
                nodeID: random.next()
            )
        )
        let numbers = txid == 1 ? Array(1...max(pageCount, 1)) : Array((1...1000).shuffled(using: &random))
        file.pages = numbers.prefix(pageCount).sorted()
            .map { number in
                Page(number: PageNumber(UInt32(number)), data: random.page(pageSize))
            }
        file.postApply =
            txid == 1 ? file.checksumOfPages : Checksum(rawValue: random.next() | Checksum.flag)
        return file
    }
}

/// The checksum of a page in an array.
func pageChecksum(_ number: PageNumber, _ data: [UInt8]) -> Checksum {
    data.withUnsafeBytes { PageChecksum.compute(number, $0) }
}

/// The page size of so many bytes.
func pageSize(_ bytes: UInt32) -> PageSize {
    guard let size = PageSize(bytes) else { preconditionFailure("\(bytes) is no page size") }
    return size
}
