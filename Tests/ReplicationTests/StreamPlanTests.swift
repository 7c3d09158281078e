import LTX
import Testing

@testable import Replication

@Suite("StreamPlan")
struct StreamPlanTests {
    private let a = Checksum(rawValue: Checksum.flag | 0xA)
    private let b = Checksum(rawValue: Checksum.flag | 0xB)

    private func at(_ txid: UInt64, _ checksum: Checksum) -> Position {
        Position(txid: TXID(txid), postApply: checksum)
    }

    private func file(_ first: UInt64, _ last: UInt64, _ preApply: Checksum) throws -> StreamPlan.NextFile {
        let name = try #require(LTXFileName(minTXID: TXID(first), maxTXID: TXID(last)))
        return StreamPlan.NextFile(name: name, preApply: preApply)
    }

    private func plan(
        _ client: Position?,
        _ primary: Position,
        _ next: StreamPlan.NextFile? = nil,
        overlap: Bool = false
    ) -> StreamPlan {
        StreamPlan.decide(client: client, primary: primary, next: next, acceptsOverlap: overlap)
    }

    @Test func `a client at the primary's position is up to date`() {
        #expect(plan(at(5, a), at(5, a)) == .upToDate)
    }

    @Test func `a database without transactions is not sent`() {
        #expect(plan(nil, .zero) == .upToDate)
        #expect(plan(at(3, a), .zero) == .upToDate)
    }

    @Test func `a client without a position gets a snapshot`() throws {
        #expect(plan(nil, at(5, a), try file(1, 5, .zero)) == .snapshot(.noPosition))
        #expect(plan(.zero, at(5, a)) == .snapshot(.noPosition))
    }

    @Test func `a client that is ahead gets a snapshot`() {
        #expect(plan(at(6, a), at(5, a)) == .snapshot(.clientAhead(client: TXID(6), primary: TXID(5))))
        #expect(plan(at(.max, a), at(5, a)) == .snapshot(.clientAhead(client: TXID(.max), primary: TXID(5))))
    }

    @Test func `a client with another database at the same transaction gets a snapshot`() {
        #expect(plan(at(5, b), at(5, a)) == .snapshot(.diverged(TXID(5), client: b, primary: a)))
    }

    @Test func `a client gets the file that continues from its position`() throws {
        #expect(plan(at(5, a), at(9, b), try file(6, 6, a)) == .send)
        #expect(plan(at(5, a), at(9, b), try file(6, 9, a)) == .send)
        #expect(plan(at(.max - 1, a), at(.max, b), try file(.max, .max, a)) == .send)
    }

    @Test func `a client gets a snapshot when the file is gone or does not apply`() throws {
        #expect(plan(at(5, a), at(9, b)) == .snapshot(.fileGone(TXID(6))))
        #expect(plan(at(5, a), at(9, b), try file(7, 9, a)) == .snapshot(.fileGone(TXID(6))))
        #expect(plan(at(5, a), at(9, b), try file(3, 5, a)) == .snapshot(.fileGone(TXID(6))))
        #expect(plan(at(5, b), at(9, b), try file(6, 6, a)) == .snapshot(.preApplyMismatch(TXID(6))))
    }

    @Test func `a file that begins earlier goes only to clients that accept it`() throws {
        let merged = try file(4, 9, b)
        #expect(plan(at(5, a), at(9, b), merged, overlap: true) == .send)
        #expect(plan(at(5, a), at(9, b), merged) == .snapshot(.overlapNotAccepted(TXID(6))))
    }

    @Test func `a file with the whole database goes to everybody`() throws {
        #expect(plan(at(5, a), at(9, b), try file(1, 9, .zero)) == .send)
    }

    @Test func `the reasons are told in LiteFS's words`() {
        let start = "starting from txid 0000000000000001, writing snapshot"
        #expect(SnapshotReason.noPosition.logLines == [start])
        #expect(
            SnapshotReason.clientAhead(client: TXID(6), primary: TXID(5)).logLines == [
                "client transaction id (0000000000000006) exceeds primary transaction id (0000000000000005), "
                    + "clearing client position", start,
            ]
        )
        #expect(
            SnapshotReason.diverged(TXID(5), client: b, primary: a).logLines == [
                "client transaction id (0000000000000005) caught up but checksum is mismatched "
                    + "(800000000000000b <> 800000000000000a), clearing client position", start,
            ]
        )
        #expect(
            SnapshotReason.fileGone(TXID(6)).logLines
                == ["transaction file for txid 0000000000000006 no longer available, writing snapshot"]
        )
        #expect(
            SnapshotReason.preApplyMismatch(TXID(6)).logLines
                == ["client preapply checksum mismatch for txid 0000000000000006, writing snapshot"]
        )
    }
}
