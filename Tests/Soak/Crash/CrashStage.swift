import Glibc
import Harness
import LTX
import POSIX

/// A cluster of two, one of whose nodes dies at a fault point, and what was acknowledged to the programs that used it.
///
/// One thread.
final class CrashStage {
    let cluster: Cluster
    let primary: DaemonProcess
    let replica: DaemonProcess
    /// The node that dies.
    let node: DaemonProcess
    var random: Seed.Sequence
    /// Acknowledged transactions of each database's ledger.
    private(set) var acknowledged: [String: Set<Int>] = [:]
    /// Last transaction of each ledger that a script has tried.
    private var tried: [String: Int] = [:]
    /// Databases whose journal mode promises nothing when the daemon dies.
    var unprotected: Set<String> = []
    /// Whether the primary's LTX files alone must make up each database.
    var isReplayed: Bool
    /// What must hold besides the ledgers, once all nodes run again.
    var checks: [(CrashStage) throws -> Void] = []

    init(_ cluster: Cluster, isPrimary: Bool, random: Seed.Sequence) throws {
        isReplayed = cluster.primary.settings.sections["data"] == nil
        self.cluster = cluster
        primary = cluster.primary
        replica = try cluster.replica
        node = isPrimary ? primary : replica
        self.random = random
    }

    /// A number from 0 to `bound` - 1.
    func below(_ bound: Int) -> Int { Int(random.next() % UInt64(bound)) }

    /// Whether the node that is to die has done so.
    var hasDied: Bool { node.current?.exit != nil }

    // MARK: - Programs

    /// Runs a script on a database of the primary; throws when it does not come to its end.
    func run(_ database: String, _ fill: (inout LedgerScript) -> Void) throws {
        var script = LedgerScript(after: tried[database] ?? 0, &random)
        fill(&script)
        tried[database] = script.last
        let outcome = try Outcome.of(
            ["stdbuf", "-oL", "sqlite3", "-batch", primary.path(database)],
            input: script.text,
            in: primary.settings.folder
        )
        let numbers = outcome.output.split(separator: "\n")
            .compactMap { $0.hasPrefix("ack ") ? Int($0.dropFirst(4)) : nil }
        acknowledged[database, default: []].formUnion(numbers)
        guard outcome.exit == .code(0), outcome.errors.isEmpty else {
            throw Finding("expected: the script succeeds: \(outcome.exit) \(outcome.errors)")
        }
    }

    /// Runs a command of the shell in the primary's mount; throws when it fails.
    @discardableResult
    func shell(_ command: String) throws -> String {
        let outcome = try Outcome.of(
            ["/bin/sh", "-ec", "cd \"$1\"; " + command, "sh", primary.mount],
            in: primary.settings.folder
        )
        guard outcome.exit == .code(0) else {
            throw Finding("expected: \(command) succeeds: \(outcome.exit) \(outcome.errors)")
        }
        return outcome.output
    }

    /// Makes a database with a ledger in a journal mode, and waits until the replica has it.
    func make(_ database: String, _ mode: String, pageSize: Int? = nil, commits: Int = 5) throws {
        try run(database) { script in
            script.begin(mode, pageSize: pageSize)
            script.commit(commits)
        }
        try waitForSamePosition(database, primary, replica)
    }

    /// Forgets a ledger: its database was removed.
    func forget(_ database: String) {
        acknowledged[database] = nil
        tried[database] = nil
    }

    // MARK: - Files below the mounts

    /// The folder of a database's LTX files.
    func ltxFolder(_ database: String, of node: DaemonProcess) -> String {
        node.settings.dataFolder + "/dbs/\(database)/ltx"
    }

    /// The newest LTX file of a database.
    func newestFile(_ database: String, of node: DaemonProcess) throws -> LTXFileName {
        let names = try Files.list(ltxFolder(database, of: node)).compactMap { LTXFileName($0.name) }
        return try required(names.max { $0.maxTXID < $1.maxTXID }, "\(database) has LTX files")
    }
}
