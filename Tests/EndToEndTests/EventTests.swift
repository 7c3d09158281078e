import Glibc
import Harness
import JSON
import POSIX
import Testing

/// GET /events, as LiteFS's client libraries read it.
@Suite(.serialized, .logsOnFailure)
struct EventTests {
    /// A program that listens, and what it has heard.
    private struct Listener {
        let program: Program

        init(_ node: DaemonProcess, _ name: String, arguments: [String] = []) throws {
            program = try Program(
                ["curl", "-sN"] + arguments + ["http://127.0.0.1:\(node.settings.port)/events"],
                output: node.settings.folder + "/events-\(name)"
            )
        }

        var events: [JSONValue] {
            // The last line may be half there.
            program.output.split(separator: "\n", omittingEmptySubsequences: false).dropLast()
                .compactMap { try? JSONValue.parse(String($0)) }
        }

        func events(_ type: String) -> [JSONValue] { events.filter { $0["type"]?.string == type } }

        func transactions(_ name: String) -> [JSONValue] {
            events("tx").filter { $0["db"]?.string == name }.compactMap { $0["data"] }
        }
    }

    @Test func `Each node says what it is, and tells its transactions in order`() async throws {
        try await withCluster { cluster in
            let (primary, replica) = (cluster.primary, try cluster.replica)
            let listeners = (try Listener(primary, "a"), try Listener(replica, "a"))
            try eventually("the first events") { !listeners.0.events.isEmpty && !listeners.1.events.isEmpty }
            let first = (listeners.0.events[0], listeners.1.events[0])
            #expect(first.0["type"]?.string == "init" && first.1["type"]?.string == "init")
            #expect(first.0["data"]?["isPrimary"]?.boolean == true && first.0["data"]?["hostname"] == nil)
            #expect(first.1["data"]?["isPrimary"]?.boolean == false)
            #expect(first.1["data"]?["hostname"]?.string == "primary-host")

            for mode in ["delete", "wal"] {
                try primary.sqlite3("\(mode).db", "PRAGMA journal_mode=\(mode); CREATE TABLE t(a);")
                for number in 0..<5 { try primary.sqlite3("\(mode).db", "INSERT INTO t VALUES(\(number));") }
                let position = try primary.position("\(mode).db")
                for listener in [listeners.0, listeners.1] {
                    try eventually("the last transaction of \(mode).db") {
                        listener.transactions("\(mode).db").last?["txID"]?.string == position.txid.description
                    }
                    let told = listener.transactions("\(mode).db")
                    let ids = told.compactMap { $0["txID"]?.string }
                    #expect(ids == ids.sorted() && Set(ids).count == ids.count, "\(ids)")
                    #expect(told.last?["postApplyChecksum"]?.string == position.postApply.description)
                    #expect(
                        told.last?["pageSize"]?.integer == 4096 && told.last?["commit"]?.integer ?? 0 >= 2
                    )
                    #expect(told.last?["timestamp"]?.string?.hasSuffix("Z") == true)
                }
            }
            try listeners.0.program.kill()
            try listeners.1.program.kill()
            // Nobody waits for those who have gone.
            try primary.sqlite3("delete.db", "INSERT INTO t VALUES(99);")
            try expectConverged("delete.db", primary, replica)
        }
    }

    @Test func `A replica tells when its primary goes and comes back`() async throws {
        try await withCluster { cluster in
            let (primary, replica) = (cluster.primary, try cluster.replica)
            let listener = try Listener(replica, "a")
            try eventually("the first event") { !listener.events.isEmpty }
            try primary.stop()
            try eventually("the primary is gone") { listener.events("primaryChange").count == 1 }
            let gone = try required(listener.events("primaryChange").first?["data"], "data")
            #expect(gone["isPrimary"]?.boolean == false && gone["hostname"] == nil)
            try primary.start()
            try eventually("the primary is back") { listener.events("primaryChange").count == 2 }
            let back = try required(listener.events("primaryChange").last?["data"], "data")
            #expect(back["hostname"]?.string == "primary-host")
            // The end of the node is the end of the stream.
            try replica.stop()
            try eventually("the stream ends") { listener.program.exit != nil }
        }
    }

    @Test func `A listener that does not read is left, and delays nobody`() async throws {
        try await withCluster(replicas: 0, limit: .seconds(120)) { cluster in
            let primary = cluster.primary
            let deaf = try Listener(primary, "deaf", arguments: ["--limit-rate", "1"])
            let other = try Listener(primary, "other")
            try eventually("the first events") { !other.events.isEmpty && !deaf.program.output.isEmpty }
            deaf.program.send(SIGSTOP)
            let connection = try primary.open("many.db")
            try connection.run("PRAGMA journal_mode=delete; PRAGMA synchronous=off; CREATE TABLE t(a)")
            try eventually("it is left", within: .seconds(90)) {
                for _ in 0..<500 { try connection.run("INSERT INTO t VALUES(1)") }
                return primary.log.contains("event stream buffer exceeded, disconnecting")
            }
            let position = try primary.position("many.db").txid.description
            try eventually("the other one hears all") {
                other.transactions("many.db").last?["txID"]?.string == position
            }
            connection.close()
            deaf.program.send(SIGCONT)
            try deaf.program.kill()
            try other.program.kill()
        }
    }

    @Test func `Listeners that go are noticed although nothing happens`() async throws {
        try await withCluster(replicas: 0) { cluster in
            let primary = cluster.primary
            func descriptors() throws -> Int {
                try Files.list("/proc/\(try required(primary.daemonPID, "a daemon"))/fd").count
            }
            let before = try descriptors()
            let listeners = try (0..<20).map { try Listener(primary, "\($0)") }
            try eventually("the first events") { listeners.allSatisfy { !$0.events.isEmpty } }
            #expect(try descriptors() > before + listeners.count / 2)
            for listener in listeners { try listener.program.kill() }
            try eventually("they are gone") { try descriptors() < before + listeners.count / 2 }
        }
    }
}
