import LTX
import Lease
import POSIX
import Testing

/// The rules, without a server: what is read and written is handed in, and so is the time.
@Suite struct ElectionTests {
    private func candidacy(_ name: String = "a", isCandidate: Bool = true) -> Candidacy {
        Candidacy(
            identity: name + "_1",
            hostname: name,
            advertiseURL: "http://\(name):20202",
            pod: name,
            isCandidate: isCandidate,
            duration: .seconds(15)
        )
    }

    private func at(_ seconds: Double) -> BootTime {
        BootTime(nanoseconds: Int64((1000 + seconds) * 1e9))
    }

    private func position(_ txid: UInt64, _ checksum: UInt64 = 1) -> Position {
        Position(txid: TXID(txid), postApply: Checksum(rawValue: 1 << 63 | checksum))
    }

    private func held(
        by holder: String,
        renewed: String = "t1",
        _ change: (inout LeaseRecord) -> Void = { _ in }
    )
        -> StoredLease
    {
        var record = LeaseRecord()
        record.holder = holder
        record.renewed = renewed
        change(&record)
        return StoredLease(record: record, version: renewed)
    }

    private func written(_ step: Election.Step) -> LeaseRecord? {
        if case .write(let record) = step { return record }
        return nil
    }

    private let fresh = LocalState(positions: [:])

    @Test func readsBeforeAnythingElse() {
        #expect(Election(candidacy()).step(at: at(0), fresh) == .read)
    }

    @Test func takesALeaseThatThereIsNot() throws {
        var election = Election(candidacy())
        election.read(nil, at: at(0))
        let record = try #require(written(election.step(at: at(0), fresh)))
        #expect(record.holder == "a_1" && record.hostname == "a" && record.advertiseURL == "http://a:20202")
        #expect(record.transitions == 1 && record.duration == .seconds(15) && record.pod == "a")
    }

    @Test func aNodeWithDataWaitsForAPrimaryWhoseLeaseSomebodyRemoved() throws {
        var election = Election(candidacy())
        let local = LocalState(positions: ["db": position(3)], clusterID: "LFSC1")
        election.read(nil, at: at(0))
        #expect(election.step(at: at(0), local) == .wait(until: at(1)))
        election.read(nil, at: at(14))
        #expect(written(election.step(at: at(14.9), local)) == nil)
        #expect(written(election.step(at: at(15), local))?.positions == ["db": position(3)])
    }

    @Test func theHolderMakesARemovedLeaseAgainAtOnce() throws {
        var election = Election(candidacy())
        let local = LocalState(positions: ["db": position(3)], clusterID: "LFSC1")
        _ = election.wrote(held(by: "a_1"), sent: at(0))
        election.read(nil, at: at(5))
        #expect(written(election.step(at: at(5), local))?.holder == "a_1")
    }

    @Test func neverTakesWhatAnotherHolds() {
        var election = Election(candidacy())
        for second in 0..<100 {
            election.read(held(by: "b_1", renewed: "t\(second / 5)"), at: at(Double(second)))
            #expect(written(election.step(at: at(Double(second) + 0.9), fresh)) == nil)
        }
        #expect(election.otherHolder?.holder == "b_1")
    }

    /// L1: others count from when they saw the renewal.
    @Test func takesALeaseThatWasNotRenewedForItsDuration() throws {
        var election = Election(candidacy())
        election.read(held(by: "b_1", renewed: "t1"), at: at(0))
        for second in 1..<15 { election.read(held(by: "b_1", renewed: "t1"), at: at(Double(second))) }
        #expect(election.step(at: at(14.5), fresh) == .wait(until: at(15)))
        #expect(!election.isFree(at: at(14.99), fresh))
        #expect(election.isFree(at: at(15), fresh))
        let record = try #require(written(election.step(at: at(15), fresh)))
        #expect(record.holder == "a_1" && record.transitions == 1)
    }

    /// The holder's own duration counts, not the one of who wants to take it.
    @Test func waitsForTheDurationThatTheHolderWasPromised() {
        var election = Election(candidacy())
        let long = held(by: "b_1") { $0.duration = .seconds(60) }
        for second in 0..<60 { election.read(long, at: at(Double(second))) }
        #expect(written(election.step(at: at(59.9), fresh)) == nil)
        #expect(written(election.step(at: at(60), fresh)) != nil)
    }

    @Test func whatOthersWriteToTheObjectIsNoRenewal() {
        var election = Election(candidacy())
        election.read(held(by: "b_1"), at: at(0))
        var touched = held(by: "b_1")
        touched.version = "other"
        for second in 1..<15 { election.read(touched, at: at(Double(second))) }
        #expect(written(election.step(at: at(15), fresh)) != nil)
    }

    /// L1: the permit ends before anybody may take the lease, whenever he saw the renewal.
    @Test func thePermitEndsBeforeOthersMayTakeTheLease() {
        var holder = Election(candidacy("a"))
        var other = Election(candidacy("b"))
        holder.read(nil, at: at(0))
        let end = holder.wrote(held(by: "a_1"), sent: at(0))
        // The other one saw it at the very moment when it was sent.
        other.read(held(by: "a_1"), at: at(0))
        #expect(end == at(13.5))
        #expect(written(other.step(at: end, fresh)) == nil)
        #expect(written(other.step(at: at(14.999), fresh)) == nil)
    }

    @Test func theHolderRenewsAtAThirdOfTheDuration() {
        var election = Election(candidacy())
        _ = election.wrote(held(by: "a_1"), sent: at(0))
        #expect(election.step(at: at(1), fresh) == .wait(until: at(5)))
        #expect(written(election.step(at: at(5), fresh))?.transitions == 0)
    }

    @Test func aDaemonThatBeginsAgainGoesOnWithItsLease() {
        var election = Election(candidacy())
        election.read(held(by: "a_1") { $0.positions = ["db": position(9)] }, at: at(0))
        // What it has is not known yet, and is its own: nobody else wrote since.
        let record = written(election.step(at: at(0), LocalState()))
        #expect(record?.holder == "a_1" && record?.positions == ["db": position(9)])
        #expect(record?.transitions == 0)
    }

    @Test func afterAFailureItReadsAgainSoon() {
        var election = Election(candidacy())
        _ = election.wrote(held(by: "a_1"), sent: at(0))
        election.failed(at: at(5))
        #expect(election.step(at: at(5.5), fresh) == .wait(until: at(6)))
        #expect(election.step(at: at(6), fresh) == .read)
        election.read(held(by: "b_1", renewed: "t2"), at: at(6))
        #expect(!election.isHolder)
        #expect(written(election.step(at: at(6), fresh)) == nil)
    }

    @Test func aNodeThatIsNoCandidateOnlyLooks() {
        var election = Election(candidacy(isCandidate: false))
        election.read(held(by: ""), at: at(0))
        #expect(election.step(at: at(1), fresh) == .wait(until: at(5)))
        #expect(election.step(at: at(100), fresh) == .read)
    }

    /// Whoever could not read the record cannot know that its holder could not write it either.
    @Test func afterATimeWithoutAServerTheHolderMayRenewItsLeaseFirst() {
        var election = Election(candidacy())
        election.read(held(by: "b_1"), at: at(0))
        for second in 1..<40 { election.failed(at: at(Double(second))) }
        for second in 40..<48 {
            election.read(held(by: "b_1"), at: at(Double(second)))
            #expect(!election.isFree(at: at(Double(second)), fresh))
        }
        var renewed = election
        renewed.read(held(by: "b_1", renewed: "t2"), at: at(47))
        #expect(!renewed.isFree(at: at(61.9), fresh))
        // Half of the duration is enough for one that lives.
        #expect(election.isFree(at: at(47.5), fresh))
        #expect(written(election.step(at: at(47.5), fresh)) != nil)
    }

    @Test func aRequestThatFailsNowAndThenDelaysNothing() {
        var election = Election(candidacy())
        for second in 0..<15 {
            if second % 4 == 3 {
                election.failed(at: at(Double(second)))
            } else {
                election.read(held(by: "b_1"), at: at(Double(second)))
            }
        }
        #expect(election.isFree(at: at(15), fresh))
    }

    // MARK: - L5

    @Test func doesNotTakeALeaseWhoseDatabasesItIsBehind() {
        var election = Election(candidacy())
        election.read(held(by: "") { $0.positions = ["a": position(4), "b": position(7)] }, at: at(0))
        let behind = LocalState(positions: ["a": position(4), "b": position(6)])
        #expect(election.step(at: at(0), behind) == .wait(until: at(1)))
        #expect(
            election.obstacle(behind)
                == .behind(database: "b", recorded: position(7), local: position(6))
        )
        #expect(election.obstacle(LocalState(positions: ["a": position(4), "b": position(7)])) == nil)
        #expect(election.obstacle(LocalState(positions: ["a": position(9), "b": position(8)])) == nil)
        #expect(election.obstacle(LocalState(positions: ["a": position(4)])) != nil)
        #expect(election.obstacle(LocalState()) != nil)
        // The same transaction with another content.
        #expect(election.obstacle(LocalState(positions: ["a": position(4), "b": position(7, 2)])) != nil)
    }

    /// Further is not enough: a former primary may have got there on a way of its own.
    @Test func doesNotTakeALeaseBesideWhoseHistoryItIs() {
        var election = Election(candidacy())
        election.read(held(by: "") { $0.positions = ["a": position(4)] }, at: at(0))
        let beside = LocalState(positions: ["a": position(9)], hasBeen: { _, _ in false })
        #expect(
            election.obstacle(beside) == .behind(database: "a", recorded: position(4), local: position(9))
        )
        #expect(written(election.step(at: at(0), beside)) == nil)
        let further = LocalState(
            positions: ["a": position(9)],
            hasBeen: { [position] in $0 == "a" && $1 == position(4, 1) }
        )
        #expect(election.obstacle(further) == nil)
    }

    @Test func doesNotTakeTheLeaseWhileItIsNotKnownWhatItHolds() {
        var election = Election(candidacy())
        election.read(held(by: "") { $0.takeover = "a" }, at: at(0))
        let doubtful = LocalState(positions: [:], doubtful: "a")
        #expect(election.obstacle(doubtful) == .doubtful(database: "a"))
        #expect(written(election.step(at: at(0), doubtful)) == nil)
    }

    @Test func whoIsNoCandidateAnyMoreDoesNotGoOn() {
        var election = Election(candidacy(isCandidate: false))
        election.read(held(by: "a_1"), at: at(0))
        #expect(written(election.step(at: at(0), fresh)) == nil)
    }

    @Test func aHolderOfAnotherClusterDoesNotGoOn() {
        var election = Election(candidacy())
        election.read(held(by: "a_1") { $0.clusterID = "LFSC1" }, at: at(0))
        #expect(written(election.step(at: at(0), LocalState(clusterID: "LFSC2"))) == nil)
        #expect(written(election.step(at: at(0), LocalState(clusterID: "LFSC1"))) != nil)
    }

    @Test func whatWasPromisedIsNotShortenedByWhoEditsTheRecord() {
        var election = Election(candidacy())
        election.read(held(by: "b_1") { $0.duration = .seconds(60) }, at: at(0))
        for second in stride(from: 1.0, to: 60, by: 1) {
            election.read(held(by: "b_1") { $0.duration = .seconds(1) }, at: at(second))
            #expect(written(election.step(at: at(second), fresh)) == nil)
        }
        #expect(written(election.step(at: at(60), fresh)) != nil)
    }

    @Test func aRemovedLeaseIsMadeAgainOnlyByWhoStillHeldIt() {
        var election = Election(candidacy())
        let local = LocalState(positions: [:], clusterID: "LFSC1")
        _ = election.wrote(held(by: "a_1"), sent: at(0))
        for second in stride(from: 1.0, to: 16, by: 1) { election.failed(at: at(second)) }
        election.read(nil, at: at(16))
        #expect(written(election.step(at: at(16), local)) == nil)
    }

    @Test func aDaemonWithAShorterDurationKeepsThePromiseOfTheOneBefore() {
        var election = Election(candidacy())
        election.read(held(by: "a_1") { $0.duration = .seconds(60) }, at: at(0))
        #expect(written(election.step(at: at(0), LocalState()))?.duration == .seconds(60))
        _ = election.wrote(held(by: "a_1") { $0.duration = .seconds(60) }, sent: at(0))
        #expect(written(election.step(at: at(5), fresh))?.duration == .seconds(15))
    }

    @Test func aPermissionToTakeTheLeaseIsNotKeptForLater() {
        var election = Election(candidacy("b"))
        _ = election.wrote(held(by: "b_1") { $0.takeover = "a" }, sent: at(0))
        #expect(written(election.step(at: at(5), fresh))?.takeover == "")
    }

    @Test func anOperatorMayLetItTakeTheLeaseNevertheless() throws {
        var election = Election(candidacy())
        let stored = held(by: "") {
            $0.positions = ["a": position(4), "gone": position(1)]
            $0.takeover = "a"
        }
        election.read(stored, at: at(0))
        let record = try #require(
            written(election.step(at: at(0), LocalState(positions: ["a": position(3)])))
        )
        #expect(record.takeover.isEmpty)
        // What others are measured by from now on.
        #expect(record.positions == ["a": position(3)])
        var other = Election(candidacy("b"))
        other.read(stored, at: at(0))
        #expect(written(other.step(at: at(0), LocalState(positions: ["a": position(3)]))) == nil)
    }

    @Test func anEmptyTakeoverIsNobodys() {
        var nameless = candidacy()
        nameless.hostname = ""
        var election = Election(nameless)
        election.read(held(by: "") { $0.positions = ["a": position(4)] }, at: at(0))
        #expect(election.obstacle(fresh) != nil)
    }

    @Test func doesNotTakeTheLeaseOfAnotherCluster() {
        var election = Election(candidacy())
        election.read(held(by: "") { $0.clusterID = "LFSC1" }, at: at(0))
        #expect(election.obstacle(fresh) == .noCluster(lease: "LFSC1"))
        #expect(
            election.obstacle(LocalState(positions: [:], clusterID: "LFSC2"))
                == .otherCluster(lease: "LFSC1", local: "LFSC2")
        )
        #expect(election.obstacle(LocalState(positions: [:], clusterID: "LFSC1")) == nil)
    }

    @Test func recordsAClusterIDAsSoonAsThereIsOne() {
        var election = Election(candidacy())
        _ = election.wrote(held(by: "a_1"), sent: at(0))
        let local = LocalState(positions: [:], clusterID: "LFSC1")
        #expect(written(election.step(at: at(0.1), local))?.clusterID == "LFSC1")
    }

    @Test func givesTheLeaseUpWithTheLastPositions() throws {
        var election = Election(candidacy())
        #expect(election.release(fresh) == nil)
        _ = election.wrote(held(by: "a_1"), sent: at(0))
        let record = try #require(
            election.release(LocalState(positions: ["db": position(8)], clusterID: "LFSC1"))
        )
        #expect(record.holder.isEmpty && record.positions == ["db": position(8)])
        var other = Election(candidacy("b"))
        other.read(StoredLease(record: record, version: "9"), at: at(1))
        #expect(
            written(other.step(at: at(1), LocalState(positions: ["db": position(8)], clusterID: "LFSC1")))
                != nil
        )
        #expect(
            written(other.step(at: at(1), LocalState(positions: ["db": position(7)], clusterID: "LFSC1")))
                == nil
        )
    }

    /// Any number of nodes with clocks of their own, of which some stop for a while: at no moment do two hold permits.
    @Test(arguments: 0..<20) func twoNodesNeverHoldAPermitAtOnce(round: Int) {
        var random = SplitMix(UInt64(round) &+ 20_261_121)
        struct Node {
            var election: Election
            /// The rate of its clock: up to 1 percent off.
            var rate: Double
            var permit = BootTime(nanoseconds: 0)
            var frozenUntil = 0.0
        }
        var nodes = ["a", "b", "c", "d", "e"]
            .map {
                Node(election: Election(candidacy($0)), rate: 1 + (random.unit() - 0.5) / 50)
            }
        var object: StoredLease?
        var version = 0
        var holders: Set<String> = []
        var time = 0.0
        while time < 600 {
            time += random.unit() / 10
            let index = Int(random.next() % 5)
            func clock(_ node: Node) -> BootTime { at(time * node.rate) }
            let holding = nodes.indices.filter { nodes[$0].permit > clock(nodes[$0]) }
            #expect(holding.count <= 1, "round \(round), time \(time)")
            guard nodes[index].frozenUntil <= time else { continue }
            if random.unit() < 0.003 {
                nodes[index].frozenUntil = time + random.unit() * 40
                continue
            }
            let sent = clock(nodes[index])
            switch nodes[index].election.step(at: sent, fresh) {
            case .wait: break
            case .read:
                // Answers take time, and some do not come.
                if random.unit() < 0.1 {
                    nodes[index].election.failed(at: sent)
                } else {
                    nodes[index].election.read(object, at: at(time * nodes[index].rate + 0.05))
                }
            case .write(var record):
                guard nodes[index].election.base == object else {
                    nodes[index].election.failed(at: sent)
                    continue
                }
                version += 1
                record.renewed = "t\(version)"
                let stored = StoredLease(record: record, version: String(version))
                object = stored
                holders.insert(record.holder)
                if random.unit() < 0.1 {
                    nodes[index].election.failed(at: sent)
                } else {
                    nodes[index].permit = nodes[index].election.wrote(stored, sent: sent)
                }
            }
        }
        // It did move.
        #expect(holders.count > 1)
    }
}

/// Numbers that are the same in each run.
private struct SplitMix {
    private var state: UInt64

    init(_ seed: UInt64) { state = seed }

    mutating func next() -> UInt64 {
        state &+= 0x9E37_79B9_7F4A_7C15
        var value = state
        value = (value ^ value >> 30) &* 0xBF58_476D_1CE4_E5B9
        value = (value ^ value >> 27) &* 0x94D0_49BB_1331_11EB
        return value ^ value >> 31
    }

    mutating func unit() -> Double { Double(next() >> 11) / Double(1 << 53) }
}
