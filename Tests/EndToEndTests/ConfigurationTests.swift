import Glibc
import Harness
import POSIX
import Testing

/// Settings that must be refused or explained, through the real program.
@Suite(.serialized, .logsOnFailure)
struct ConfigurationTests {
    @Test
    func `An unknown key is refused with its line`() throws {
        let outcome = try outcome { settings in settings.more = "fuse-dir: \"/x\"\n" }
        #expect(outcome.exit == .code(2))
        let line = outcome.settings.split(separator: "\n").count
        #expect(
            outcome.errors.contains("line \(line)") && outcome.errors.contains("fuse-dir"),
            "\(outcome.errors)"
        )
    }

    @Test(arguments: ["", "/inside", "/.."])
    func `A data directory equal to, inside or around the mount is refused`(relation: String) throws {
        let outcome = try outcome { settings in
            settings.dataFolder = settings.mountFolder + relation
        }
        #expect(outcome.exit == .code(2))
        #expect(outcome.errors.contains("fuse directory") || outcome.errors.contains("data directory"))
        #expect(!outcome.errors.contains("panic"))
    }

    @Test
    func `An unknown lease type, and a missing one, is refused`() throws {
        let outcome = try outcome { settings in settings.more = "lease:\n  type: etcd\n" }
        #expect(outcome.exit == .code(2), "\(outcome.errors)")
    }

    @Test
    func `A file that is missing or empty is refused`() throws {
        let folder = try TestFolder()
        let missing = try run(folder, folder.path + "/none.yml")
        #expect(missing.exit == .code(2) && missing.errors.contains("ERROR:"), "\(missing.errors)")
        try Files.replace(folder.path + "/empty.yml", with: [])
        let empty = try run(folder, folder.path + "/empty.yml")
        #expect(empty.exit == .code(2) && empty.errors.contains("ERROR:"), "\(empty.errors)")
    }

    @Test
    func `help, version and an unknown command have LiteFS's exit codes`() throws {
        let folder = try TestFolder()
        let binary = try Binary.path("litefs")
        let help = try Outcome.of([binary, "help"], in: folder.path)
        #expect(help.exit == .code(2) && help.output.contains("mount"))
        #expect(try Outcome.of([binary], in: folder.path).exit == .code(2))
        let version = try Outcome.of([binary, "version"], in: folder.path)
        #expect(version.exit == .code(0) && version.output.hasPrefix("LiteFS "))
        let unknown = try Outcome.of([binary, "x"], in: folder.path)
        #expect(unknown.exit == .code(1) && unknown.errors == "ERROR: litefs x: unknown command\n")
    }

    @Test
    func `A replica that names itself as the primary is refused`() async throws {
        try await withCluster(replicas: 0, isStarted: false) { settings in
            settings.isPrimary = false
        } _: { cluster in
            let node = cluster.primary
            try node.start(until: .running)
            let exit = try node.waitForExit()
            #expect(exit == .code(2))
            #expect(node.log.contains("lease.advertise-url") && node.log.contains("is the node itself"))
        }
    }

    @Test
    func `A replica that names another replica as the primary does not become ready`() async throws {
        try await withCluster(isStarted: false) { cluster in
            try cluster.start()
            var settings = NodeSettings(
                name: "misled",
                isPrimary: false,
                in: cluster.folder.path,
                port: try freePort(),
                primaryPort: try cluster.replica.settings.port
            )
            settings.primaryHost = "replica-host"
            let node = try DaemonProcess(settings)
            defer {
                try? node.kill()
                node.removeDeadMount()
            }
            try node.start(until: .mounted)
            try eventually("a refusal") { node.log.contains("503") }
            #expect(!node.log.contains("connected to cluster, ready"))
            #expect(!Files.exists(node.path(".primary")))
            try node.stop(within: .seconds(3))
        }
    }

    @Test
    func `A replica with another cluster's data keeps it, serves reads, and says what to do`() async throws {
        try await withCluster { cluster in
            try cluster.primary.sqlite3("ours.db", "CREATE TABLE t(a); INSERT INTO t VALUES('ours');")
            try expectConverged("ours.db", cluster.primary, try cluster.replica)
            let other = try Cluster()
            defer { other.destroy() }
            try other.start()
            try other.primary.sqlite3("theirs.db", "CREATE TABLE t(a); INSERT INTO t VALUES('theirs');")
            try expectConverged("theirs.db", other.primary, try other.replica)
            let id = text(of: try other.replica.settings.dataFolder + "/clusterid")
            #expect(id.utf8.count == 21 && id.hasPrefix("LFSC") && id.hasSuffix("\n"), "\(id)")
            try other.replica.stop()
            var settings = try other.replica.settings
            settings.primaryPort = cluster.primary.settings.port
            let stray = try DaemonProcess(settings)
            defer {
                try? stray.kill()
                stray.removeDeadMount()
            }
            try stray.start(until: .mounted)
            let ours = text(of: cluster.primary.settings.dataFolder + "/clusterid").dropLast()
            let message =
                "cannot stream from primary with a different cluster id: \(id.dropLast()) <> \(ours)"
            try eventually(message) { stray.log.contains(message) }
            #expect(try stray.sqlite3("theirs.db", "SELECT a FROM t;") == "theirs")
            #expect(!Files.exists(stray.path("ours.db")))
            try eventually("it tries again") { stray.log.count(of: message) > 1 }
            #expect(text(of: settings.dataFolder + "/clusterid") == id)
            try stray.stop(within: .seconds(3))
            try other.stop()
        }
    }

    @Test
    func `The log can be JSON, each line an object`() async throws {
        try await withCluster(replicas: 0) { settings in
            settings.sections["log"] = ["format: json"]
        } _: { cluster in
            let lines = cluster.primary.log.split(separator: "\n").filter { $0.contains("\"msg\"") }
            #expect(lines.contains { $0.contains("LiteFS mounted to:") })
            #expect(lines.allSatisfy { $0.hasPrefix("{\"level\":") && $0.hasSuffix("}") }, "\(lines)")
        }
    }

    private struct Refusal {
        let exit: ChildProcess.Exit
        let errors: String
        let settings: String
    }

    private func outcome(_ change: (inout NodeSettings) -> Void) throws -> Refusal {
        let folder = try TestFolder()
        var settings = NodeSettings(
            name: "node",
            isPrimary: true,
            in: folder.path,
            port: try freePort(),
            primaryPort: 1
        )
        change(&settings)
        try Files.makeDirectories(settings.folder)
        let config = settings.folder + "/litefs.yml"
        try Files.replace(config, with: Array(settings.text.utf8))
        let outcome = try run(folder, config)
        return Refusal(exit: outcome.exit, errors: outcome.errors, settings: settings.text)
    }

    private func run(_ folder: TestFolder, _ config: String) throws -> Outcome {
        try Outcome.of(
            [try Binary.path("litefs"), "mount", "-config", config],
            in: folder.path,
            within: .seconds(10)
        )
    }
}
