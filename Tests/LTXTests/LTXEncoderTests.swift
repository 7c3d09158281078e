import LTX
import SQLiteFormat
import Testing

@testable import struct LTX.PageSequence

@Suite("Encoder")
struct LTXEncoderTests {
    static let page = [UInt8](repeating: 7, count: 512)

    static func header(txid: UInt64, commit: UInt32, isCompressed: Bool = true) -> LTXHeader {
        LTXHeader(
            isCompressed: isCompressed,
            pageSize: pageSize(512),
            commit: commit,
            minTXID: TXID(txid),
            maxTXID: TXID(txid),
            preApply: txid == 1 ? .zero : .empty
        )
    }

    /// What the encoder says to these pages and the end.
    static func error(_ header: LTXHeader, pages: [UInt32], postApply: Checksum = .empty) -> LTXError? {
        let encoder = LTXEncoder()
        do {
            try encoder.begin(header: header)
            for number in pages {
                try page.withUnsafeBytes { try encoder.append(page: PageNumber(number), data: $0) }
            }
            _ = try encoder.finish(postApply: postApply)
            return nil
        } catch {
            return error as? LTXError
        }
    }

    @Test("Pages of a transaction must ascend within the database")
    func order() {
        let header = Self.header(txid: 2, commit: 9)
        #expect(Self.error(header, pages: [2, 5, 9]) == nil)
        #expect(Self.error(header, pages: []) == nil)
        #expect(Self.error(header, pages: [2, 2]) == .pageOutOfOrder(PageNumber(2), after: PageNumber(2)))
        #expect(Self.error(header, pages: [5, 2]) == .pageOutOfOrder(PageNumber(2), after: PageNumber(5)))
        #expect(Self.error(header, pages: [0]) == .pageOutOfBounds(PageNumber(0), commit: 9))
        #expect(Self.error(header, pages: [10]) == .pageOutOfBounds(PageNumber(10), commit: 9))
    }

    @Test("A snapshot must have every page")
    func snapshots() {
        let header = Self.header(txid: 1, commit: 3)
        #expect(Self.error(header, pages: [1, 2, 3]) == nil)
        #expect(Self.error(header, pages: [2]) == .gapInSnapshot(PageNumber(2), expected: .first))
        #expect(Self.error(header, pages: [1, 3]) == .gapInSnapshot(PageNumber(3), expected: PageNumber(2)))
        #expect(Self.error(header, pages: [1, 2]) == .snapshotEndsEarly(last: PageNumber(2), commit: 3))
        #expect(Self.error(header, pages: []) == .snapshotEndsEarly(last: PageNumber(0), commit: 3))
    }

    @Test("The lock page is refused")
    func lockPage() {
        let lockPage = pageSize(512).lockPage
        let header = Self.header(txid: 2, commit: .max)
        #expect(Self.error(header, pages: [lockPage.rawValue]) == .lockPage(lockPage))
        #expect(Self.error(header, pages: [lockPage.rawValue - 1, lockPage.rawValue + 1, .max]) == nil)
    }

    @Test("A snapshot leaves out the lock page, in the middle and at the end", arguments: [0, 1, 2])
    func snapshotWithLockPage(behind: UInt32) throws {
        var header = Self.header(txid: 1, commit: 16_385 + behind)
        header.pageSize = pageSize(65_536)
        var sequence = PageSequence(header: header)
        for number in 1...header.commit where number != 16_385 {
            try sequence.advance(to: PageNumber(number))
        }
        try sequence.end()
    }

    @Test("The post-apply checksum must have its flag, and be empty for a deleted database")
    func postApply() {
        let kept = Self.header(txid: 2, commit: 9)
        let deleted = Self.header(txid: 2, commit: 0)
        let some = Checksum(rawValue: Checksum.flag | 5)
        #expect(Self.error(kept, pages: [], postApply: some) == nil)
        #expect(Self.error(kept, pages: [], postApply: .zero) == .postApplyWithoutFlag(.zero))
        #expect(Self.error(deleted, pages: []) == nil)
        #expect(Self.error(deleted, pages: [], postApply: some) == .postApplyOfNothing(some))
        #expect(Self.error(deleted, pages: [1]) == .pageOutOfBounds(.first, commit: 0))
    }

    @Test("Data of another length than the page size is refused")
    func pageLength() throws {
        let encoder = LTXEncoder()
        for count in [0, 511, 513, 1024] {
            try encoder.begin(header: Self.header(txid: 2, commit: 9))
            #expect(throws: LTXError.badPageLength(.first, actual: count, expected: 512)) {
                try [UInt8](repeating: 0, count: count)
                    .withUnsafeBytes {
                        try encoder.append(page: .first, data: $0)
                    }
            }
        }
    }

    @Test("A bad header is refused before anything is written")
    func badHeader() {
        let encoder = LTXEncoder()
        #expect(throws: LTXError.badTXIDRange(minTXID: .zero, maxTXID: .zero)) {
            try encoder.begin(header: Self.header(txid: 0, commit: 9))
        }
        #expect(encoder.output.isEmpty)
    }

    @Test("Pages and an end without a beginning, or after an error or an end, are refused")
    func callsOutOfOrder() throws {
        let encoder = LTXEncoder()
        func appendAndFinishAreRefused() {
            #expect(throws: LTXError.notBegun) {
                try Self.page.withUnsafeBytes { try encoder.append(page: .first, data: $0) }
            }
            #expect(throws: LTXError.notBegun) { try encoder.finish(postApply: .empty) }
        }
        appendAndFinishAreRefused()
        try encoder.begin(header: Self.header(txid: 2, commit: 9))
        _ = try encoder.finish(postApply: .empty)
        appendAndFinishAreRefused()
        try encoder.begin(header: Self.header(txid: 2, commit: 9))
        #expect(throws: LTXError.pageOutOfBounds(PageNumber(0), commit: 9)) {
            try Self.page.withUnsafeBytes { try encoder.append(page: PageNumber(0), data: $0) }
        }
        appendAndFinishAreRefused()
    }

    @Test("A file that was given up half way does not show in the next one", arguments: [true, false])
    func abandoned(isCompressed: Bool) throws {
        let encoder = LTXEncoder()
        var random = RandomSource(seed: 10)
        let file = LTXFile.random(
            &random,
            pageSize: pageSize(512),
            txid: 3,
            pageCount: 300,
            isCompressed: isCompressed
        )
        try encoder.begin(header: file.header)
        for page in file.pages.prefix(200) {
            try page.data.withUnsafeBytes { try encoder.append(page: page.number, data: $0) }
        }
        #expect(try file.encoded(by: encoder) == file.encoded())
    }

    @Test("The trailer that is returned is the one in the file")
    func trailer() throws {
        let encoder = LTXEncoder()
        try encoder.begin(header: Self.header(txid: 2, commit: 9))
        let trailer = try encoder.finish(postApply: .empty)
        let end = UnsafeRawBufferPointer(rebasing: encoder.output.suffix(LTXTrailer.byteCount))
        #expect(try LTXTrailer(decoding: end) == trailer)
    }
}
