import Glibc
import Harness
import JSON
import POSIX
import Testing

/// Nodes that agree by a Lease of a real API server who of them is the primary, and what becomes of that when processes end.
///
/// Suites whose names begin with `Lease` are of one kind; their writers write on all nodes, all the time.
@Suite(.serialized, .kubernetes)
struct LeaseTests {
    @Test func `Of five candidates that start at once one is the primary and the others follow`() async throws
    {
        try await withLeaseCluster(5, "first", journalMode: nil) { cluster in
            let primary = try cluster.primary()
            try primary.sqlite3("app.db", InsistentWriter.schema + "INSERT INTO acknowledged VALUES('x', 1);")
            #expect(try cluster.transitions() == 1)
            for node in cluster.nodes {
                let isPrimary = node === primary
                if !isPrimary { try expectConverged("app.db", primary, node) }
                let info = try node.info()
                #expect(info["isPrimary"] == .boolean(isPrimary))
                #expect(info["candidate"] == .boolean(true))
                #expect(info["primary"]?["hostname"]?.string == (isPrimary ? "" : primary.settings.name))
                #expect(try node.get("/health/ready").status == 200)
                #expect(try node.metric("litefs_is_primary") == (isPrimary ? 1 : 0))
                let remaining = try #require(try node.metric("litefs_lease_valid_seconds"))
                #expect(isPrimary ? (0.5...2.7).contains(remaining) : remaining == 0, "\(remaining)")
                if isPrimary {
                    #expect(!Files.exists(node.path(".primary")))
                } else {
                    #expect(text(of: node.path(".primary")) == primary.settings.name + "\n")
                }
            }
            // Nothing changes by itself.
            pause(cluster.duration * 2)
            #expect(try cluster.transitions() == 1)
            #expect(try cluster.holder() == primary.settings.name)
        }
    }

    @Test func `When the primary is killed another one goes on and open connections write there`()
        async throws
    {
        try await withLeaseCluster(3, "killed") { cluster in
            let former = try cluster.primary()
            let readers = try cluster.nodes.filter { $0 !== former }
                .map { node in
                    let reader = try SQLiteProcess(
                        folder: node.mount,
                        pipes: cluster.folder.path + "/reader-" + node.settings.name
                    )
                    try reader.send("r open $DIR/app.db")
                    #expect(try reader.receive().code == 0)
                    return reader
                }
            defer { for reader in readers { try? reader.kill() } }
            func expectReading() throws {
                for reader in readers {
                    try reader.send("r run SELECT count(*) > 0 FROM acknowledged")
                    let answer = try reader.receive()
                    #expect(answer.code == 0 && answer.rows == ["1"], "\(answer)")
                }
            }
            try expectReading()
            let killed = BootTime.now
            try cluster.kill(former)
            while (cluster.writers.allSatisfy { $0.first(after: killed) == nil || $0.node === former }) {
                try expectReading()
                guard BootTime.now < killed + .seconds(20) else { break }
                pause(.milliseconds(20))
            }
            let first = try cluster.firstCommit(after: killed, except: former)
            let gap = first.returned - killed
            print("the primary was killed: the first commit elsewhere after \(gap.seconds) s")
            #expect(gap < cluster.duration + .seconds(2))
            try cluster.restart(former)
            #expect(try cluster.primary().settings.name == first.node)
            #expect(try former.info()["isPrimary"] == .boolean(false))
            try expectReading()
            for reader in readers { try reader.kill() }
            let missing = try cluster.expectOneHistory()
            print("set aside: \(missing.mapValues(\.count))")
            #expect(missing.keys.allSatisfy { $0 == former.settings.name })
            #expect(try cluster.transitions() == 2)
        }
    }

    @Test func `When the primary's daemon is killed the next one of the same node goes on as the primary`()
        async throws
    {
        try await withLeaseCluster(3, "daemon") { cluster in
            let primary = try cluster.primary()
            for _ in 0..<3 {
                let daemon = try #require(primary.daemonPID)
                let killed = BootTime.now
                Glibc.kill(daemon, SIGKILL)
                let first = try cluster.firstCommit(after: killed + .milliseconds(20))
                #expect(first.node == primary.settings.name)
                print("the daemon was killed: the first commit after \((first.returned - killed).seconds) s")
                #expect(first.returned - killed < .seconds(2))
            }
            #expect(try cluster.transitions() == 1)
            #expect(try cluster.writer(of: primary).refusals.isEmpty, "the writer saw a delay only")
            let missing = try cluster.expectOneHistory()
            #expect(missing.isEmpty)
        }
    }

    @Test func `When the primary ends in order another one goes on within a second and nothing is missing`()
        async throws
    {
        try await withLeaseCluster(3, "ended") { cluster in
            var gaps: [Duration] = []
            for round in 1...5 {
                let former = try cluster.primary()
                let writer = try cluster.writer(of: former)
                let ended = BootTime.now
                former.current?.send(SIGTERM)
                let first = try cluster.firstCommit(after: ended, except: former)
                gaps.append(first.returned - ended)
                #expect(try former.waitForExit() == .code(0))
                try writer.kill()
                try cluster.restart(former)
                #expect(try cluster.transitions() == Int64(1 + round))
            }
            gaps.sort()
            print("the primary ended in order: the first commit elsewhere after \(gaps.map(\.seconds)) s")
            #expect(gaps[gaps.count / 2] < .seconds(1))
            // What is set aside was refused: captured at the moment when the permit was closed, and acknowledged to nobody.
            let missing = try cluster.expectOneHistory()
            #expect(missing.isEmpty)
        }
    }

    @Test func `A primary that was stopped past the end of its lease acknowledges nothing when it goes on`()
        async throws
    {
        try await withLeaseCluster(3, "stopped") { cluster in
            let former = try cluster.primary()
            let stopped = BootTime.now
            cluster.suspend(former)
            let first = try cluster.firstCommit(after: stopped, except: former)
            #expect(first.returned - stopped < cluster.duration + .seconds(2))
            let next = try cluster.primary(except: former)
            let resumed = BootTime.now
            cluster.resume(former)
            try eventually("\(former.settings.name) is a replica") {
                try former.info()["isPrimary"] == .boolean(false)
                    && former.runLog.contains("primary lease lost")
            }
            try waitForSamePositionWhileWriting(next, former)
            let writer = try cluster.writer(of: former)
            #expect(!writer.refusals.isEmpty)
            // One call may have been under way when the node was stopped.
            let late = writer.acknowledgments.filter { $0.returned > resumed }
            #expect(late.count <= 1 && late.allSatisfy { $0.called < stopped + .milliseconds(50) }, "\(late)")
            let missing = try cluster.expectOneHistory()
            print("set aside: \(missing.mapValues(\.count))")
            #expect(missing.keys.allSatisfy { $0 == former.settings.name })
            #expect(try cluster.transitions() == 2)
        }
    }

    @Test(arguments: [false, true])
    func `A commit that waits for the disk while the lease goes is not acknowledged`(
        isKilled: Bool
    ) async throws {
        try await withLeaseCluster(3, isKilled ? "sync-killed" : "sync-stopped", isStarted: false) {
            cluster in
            let former = try #require(cluster.nodes.first)
            // The daemon stops itself when a commit is written, and its program waits for the sync.
            try former.start(environment: ["LITEFS_FAULTS": "wal.sync=stop@40"])
            for node in cluster.nodes where node !== former { try node.start() }
            try cluster.startWriters()
            let daemon = try #require(former.daemonPID)
            try eventually("the daemon stops itself") {
                text(of: "/proc/\(daemon)/status").contains("State:\tT")
            }
            let first = try cluster.firstCommit(after: .now, except: former)
            let writer = try cluster.writer(of: former)
            let count = writer.acknowledgments.count
            Glibc.kill(daemon, isKilled ? SIGKILL : SIGCONT)
            try eventually("the commit is refused, or not") {
                !writer.refusals.isEmpty || writer.acknowledgments.count > count
            }
            #expect(
                writer.acknowledgments.count == count,
                "\(first) came before \(writer.acknowledgments.last as Any)"
            )
            try cluster.expectOneHistory()
            #expect(try former.info()["isPrimary"] == .boolean(false))
        }
    }
}

/// Waits until a replica has what the primary has now.
func waitForSamePositionWhileWriting(_ primary: DaemonProcess, _ replica: DaemonProcess) throws {
    let wanted = try primary.position(LeaseCluster.database)
    try eventually("\(replica.settings.name) comes to \(wanted)") {
        (try? replica.position(LeaseCluster.database)).map { $0.txid >= wanted.txid } ?? false
    }
}
