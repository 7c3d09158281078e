import CSQLite
import Glibc
import Harness
import JSON
import POSIX
import Testing

/// Who may have the lease, what else follows it, and what programs see that are in the middle of something when it goes.
@Suite(.serialized, .kubernetes)
struct LeaseRulesTests {
    private static let database = LeaseCluster.database

    @Test
    func `A candidate that is behind what was recorded serves reads and takes over only when it is told to`()
        async throws
    {
        try await withLeaseCluster(3, "behind", journalMode: nil) { cluster in
            let primary = try cluster.primary()
            let replicas = cluster.nodes.filter { $0 !== primary }
            try primary.sqlite3(Self.database, "CREATE TABLE t(a); INSERT INTO t VALUES(1);")
            for node in replicas { try waitForSamePosition(Self.database, primary, node) }
            let (behind, other) = (try #require(replicas.first), try #require(replicas.last))
            try behind.stop()
            for value in 2...4 { try primary.sqlite3(Self.database, "INSERT INTO t VALUES(\(value));") }
            try waitForSamePosition(Self.database, primary, other)
            try other.stop()
            try primary.stop()
            #expect(try cluster.holder() == "")

            try behind.start(until: .mounted)
            try eventually("\(behind.settings.name) says that it is behind") {
                has(behind, said: "cannot become primary, database \"\(Self.database)\" is at ")
                    && has(behind, said: "annotate the Lease with litefs.io/takeover=\(behind.settings.name)")
            }
            pause(cluster.duration)
            #expect(try cluster.holder() == "")
            #expect(try behind.info()["isPrimary"] == .boolean(false))
            #expect(try behind.get("/health/startup").status == 200)
            #expect(try behind.sqlite3(Self.database, "SELECT count(*) FROM t;") == "1")
            #expect(throws: ProgramFailure.self) {
                try behind.sqlite3(Self.database, "INSERT INTO t VALUES(9);")
            }
            #expect(count("cannot become primary", in: behind.runLog) == 1, "it is said once")

            try takeOver(behind, cluster)
            #expect(behind.runLog.contains("the lease was taken with the positions that this node has"))
            let annotations = try cluster.leaseObject()["metadata"]?["annotations"]
            #expect(annotations?["litefs.io/takeover"] == nil, "it is for one time")
            try eventually("\(behind.settings.name) writes") {
                (try? behind.sqlite3(Self.database, "INSERT INTO t VALUES(5);")) != nil
            }
            // What it lacked is kept by the node that committed it.
            for node in [primary, other] { try node.start() }
            for node in [primary, other] {
                try expectConverged(Self.database, behind, node, isReplayed: false)
            }
            #expect(try behind.sqlite3(Self.database, "SELECT group_concat(a) FROM t;") == "1,5")
            #expect(try cluster.setAside() == [primary.settings.name: 3])
        }
    }

    /// It has the name under which the first one holds the lease (L4), and what it gave up would be free while that one may still commit.
    @Test func `A second daemon on the primary's data folder leaves its lease alone`() async throws {
        try await withLeaseCluster(2, "second") { cluster in
            let primary = try cluster.primary()
            let (holder, transitions) = (try cluster.holder(), try cluster.transitions())
            for port in [primary.settings.port, try freePort()] {
                var settings = primary.settings
                settings.folder = cluster.folder.path + "/second"
                settings.mountFolder = settings.folder + "/mnt"
                settings.port = port
                let second = try DaemonProcess(settings)
                #expect(throws: Ended.self) { try second.start() }
                #expect(second.log.contains("ERROR: cannot "))
                #expect(try cluster.holder() == holder)
            }
            pause(cluster.duration)
            #expect(try cluster.holder() == holder)
            #expect(try cluster.transitions() == transitions)
            #expect(try cluster.primary() === primary)
        }
    }

    @Test func `What a node loses twice under the same number is kept twice`() async throws {
        try await withLeaseCluster(2, "twice", journalMode: nil) { cluster in
            let former = try cluster.primary()
            let name = former.settings.name
            let other = try #require(cluster.nodes.first { $0 !== former })
            try former.sqlite3(Self.database, "CREATE TABLE t(a);")
            for round in 1...2 {
                try waitForSamePosition(Self.database, former, other)
                try other.stop()
                #expect(try cluster.primary() === former)
                // More than the other one is going to have.
                for _ in 0..<4 { try former.sqlite3(Self.database, "INSERT INTO t VALUES('lost \(round)');") }
                try former.stop()
                try other.start(until: .mounted)
                try takeOver(other, cluster)
                try eventually("\(other.settings.name) writes") {
                    (try? other.sqlite3(Self.database, "INSERT INTO t VALUES('kept \(round)');")) != nil
                }
                try former.start()
                try expectConverged(Self.database, other, former, isReplayed: false)
                #expect(
                    try other.sqlite3(Self.database, "SELECT count(*) FROM t WHERE a LIKE 'lost%';") == "0"
                )
                guard round == 1 else { break }
                try waitForSamePosition(Self.database, other, former)
                try other.stop()
                #expect(try cluster.primary() === former)
                try other.start()
            }
            #expect(try cluster.setAside() == [name: 8])
            let folder = former.settings.dataFolder + "/dbs/\(Self.database)/diverged"
            let names = try Files.list(folder).map(\.name).sorted()
            #expect(names.contains { $0.hasSuffix(".ltx.2") }, "\(names)")
        }
    }

    /// Has a node take the lease although it is behind.
    private func takeOver(_ node: DaemonProcess, _ cluster: LeaseCluster) throws {
        try cluster.account.api.demand(
            "PATCH",
            cluster.account.leasePath(LeaseCluster.lease),
            #"{"metadata":{"annotations":{"litefs.io/takeover":"\#(node.settings.name)"}}}"#
        )
        #expect(try cluster.primary() === node)
    }

    @Test func `A node of another cluster does not take the lease and keeps its data`() async throws {
        try await withLeaseCluster(2, "stranger", journalMode: nil) { cluster in
            let primary = try cluster.primary()
            let stranger = try #require(cluster.nodes.first { $0 !== primary })
            try primary.sqlite3(Self.database, "CREATE TABLE t(a); INSERT INTO t VALUES(1);")
            try waitForSamePosition(Self.database, primary, stranger)
            try stranger.stop()
            try Files.replace(
                stranger.settings.dataFolder + "/clusterid",
                with: Array("LFSC0123456789ABCDEF\n".utf8)
            )
            try primary.sqlite3(Self.database, "INSERT INTO t VALUES(2);")
            try stranger.start(until: .mounted)
            try eventually("\(stranger.settings.name) says that it is of another cluster") {
                has(
                    stranger,
                    said: "cannot stream from primary with a different cluster id: LFSC0123456789ABCDEF <> "
                )
            }
            #expect(try stranger.sqlite3(Self.database, "SELECT count(*) FROM t;") == "1")
            try primary.stop()
            try eventually("\(stranger.settings.name) says why it does not take the lease") {
                has(
                    stranger,
                    said: "cannot connect, \"kubernetes\" lease already initialized with different ID: "
                )
            }
            pause(cluster.duration)
            #expect(try cluster.holder() == "")
            #expect(try stranger.sqlite3(Self.database, "SELECT count(*) FROM t;") == "1")
            try primary.start()
            #expect(try cluster.primary() === primary)
            #expect(try primary.sqlite3(Self.database, "SELECT count(*) FROM t;") == "2")
        }
    }

    @Test func `After each change of the lease one pod alone is labelled as the primary's`() async throws {
        try await withLeaseCluster(3, "labels") { cluster in
            func expectLabels(_ primary: DaemonProcess) throws {
                var labels: [String] = []
                try eventually("the label of \(primary.settings.name), not of \(labels)") {
                    labels = try cluster.nodes.map(\.settings.name)
                        .filter { try cluster.account.labels(ofPod: $0)["litefs.io/role"] == "primary" }
                    return labels == [primary.settings.name]
                }
            }
            for isKilled in [true, false, true] {
                let former = try cluster.primary()
                try expectLabels(former)
                if isKilled {
                    try cluster.kill(former)
                } else {
                    try former.stop()
                    try cluster.writer(of: former).kill()
                }
                let next = try cluster.primary(except: former)
                // The one that is gone cannot say so itself.
                try expectLabels(next)
                #expect(
                    try cluster.account.labels(ofPod: former.settings.name)["litefs.io/role"] == "replica"
                )
                try cluster.restart(former)
                try expectLabels(next)
            }
            try cluster.expectOneHistory()
        }
    }

    @Test
    func
        `A transaction that is open when the lease goes is refused and the program has to open a journalled database again`()
        async throws
    {
        try await withLeaseCluster(3, "journal", journalMode: "delete") { cluster in
            let former = try cluster.primary()
            let program = try SQLiteProcess(folder: former.mount, pipes: cluster.folder.path + "/program")
            defer { try? program.kill() }
            func ask(_ request: String) throws -> SQLiteProcess.Answer {
                try program.send(request)
                return try program.receive()
            }
            #expect(try ask("p open $DIR/\(Self.database)").code == SQLITE_OK)
            try eventually("the program has the database for writing") {
                try ask("p run BEGIN IMMEDIATE").code == SQLITE_OK
            }
            #expect(try ask("p run INSERT INTO acknowledged VALUES('program', 1)").code == SQLITE_OK)
            let rows = try ask("p run SELECT count(*) FROM acknowledged").rows
            #expect(rows.count == 1)

            let stopped = BootTime.now
            cluster.suspend(former)
            _ = try cluster.firstCommit(after: stopped, except: former)
            let next = try cluster.primary(except: former)
            cluster.resume(former)
            let commit = try ask("p run COMMIT")
            #expect(commit.code != SQLITE_OK, "\(commit)")
            try eventually("\(former.settings.name) is a replica") {
                try former.info()["isPrimary"] == .boolean(false)
                    && former.runLog.contains("primary lease lost")
            }
            let rollback = try ask("p run ROLLBACK")
            let write = try ask("p run INSERT INTO acknowledged VALUES('program', 2)")
            #expect(write.code != SQLITE_OK, "\(write)")
            print("COMMIT \(commit), ROLLBACK \(rollback), INSERT \(write)")
            try waitForSamePositionWhileWriting(next, former)

            // What the old connection reads now is refused, or true.
            let old = try ask("p run SELECT count(*) FROM acknowledged WHERE node = 'program'")
            print("the old connection reads \(old)")
            #expect(old.code != SQLITE_OK || old.rows == ["0"], "\(old)")
            _ = try ask("p run ROLLBACK")
            #expect(try ask("p close").code == SQLITE_OK)
            #expect(try ask("p open $DIR/\(Self.database)").code == SQLITE_OK)
            let new = try ask("p run SELECT count(*) FROM acknowledged WHERE node = 'program'")
            #expect(new.code == SQLITE_OK && new.rows == ["0"], "\(new)")
            let others = try ask(
                "p run SELECT count(*) > 0 FROM acknowledged WHERE node = '\(next.settings.name)'"
            )
            #expect(others.rows == ["1"], "\(others)")
            #expect(try ask("p run PRAGMA integrity_check").rows == ["ok"])
            try program.kill()
            let missing = try cluster.expectOneHistory()
            #expect(missing.keys.allSatisfy { $0 == former.settings.name })
        }
    }

    @Test func `An upgrade of the primary and of a replica changes nobody's role`() async throws {
        try await withLeaseCluster(3, "upgrade") { cluster in
            let primary = try cluster.primary()
            for node in [primary, try #require(cluster.nodes.first { $0 !== primary }), primary] {
                let before = try #require(node.daemonPID)
                let started = BootTime.now
                let outcome = try Outcome.of(
                    [try Binary.path("litefs"), "upgrade", "-config", node.settings.folder + "/litefs.yml"],
                    in: node.settings.folder
                )
                #expect(outcome.exit == .code(0), "\(outcome)")
                #expect(node.daemonPID != before)
                let first = try cluster.firstCommit(after: started)
                #expect(first.node == primary.settings.name)
                #expect(try cluster.primary() === primary)
            }
            #expect(try cluster.transitions() == 1)
            #expect(try cluster.writer(of: primary).refusals.isEmpty, "the writer saw a delay only")
            let missing = try cluster.expectOneHistory()
            #expect(missing.isEmpty)
        }
    }

    /// Whether the node's present run has logged a text; the log has quotes with a stroke before them.
    private func has(_ node: DaemonProcess, said text: String) -> Bool {
        node.runLog.filter { $0 != "\\" }.contains(text)
    }

    private func count(_ text: String, in log: String) -> Int {
        log.split(separator: "\n").count { $0.contains(text) }
    }
}
