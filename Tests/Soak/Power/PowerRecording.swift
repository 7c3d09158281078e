import Harness
import POSIX
import PowerLoss

/// A primary and a replica whose writes and syncs are recorded while databases are written to.
struct PowerRecording {
    let primary: Recording
    let replica: Recording
    let ledgers: [Ledger]

    /// Runs the nodes and the workload.
    init(_ round: Round) throws {
        let short = round.random.next() % 2 == 0
        (primary, replica, ledgers) = try withNodes(isStarted: false) { settings in
            settings.dataFolder = settings.folder + "/disk/data"
            settings.environment = [
                "LITEFS_RECORD_ROOT": settings.folder + "/disk",
                "LITEFS_RECORD_LOG": settings.folder + "/recording",
                "LD_PRELOAD": (try? Binary.path("libCWriteRecorder.so")) ?? "",
            ]
            if short {
                settings.sections["data"] = ["retention: 300ms", "retention-monitor-interval: 100ms"]
            }
        } _: { cluster in
            let disks = try cluster.nodes.map { node in
                try SmallDisk(node.settings.folder + "/disk", megabytes: 1024)
            }
            defer { for disk in disks { disk.remove() } }
            try cluster.start()
            let ledgers = Self.makeLedgers(on: cluster.primary.mount, &round.random)
            try Self.work(ledgers, cluster, round)
            for ledger in ledgers { ledger.close() }
            if round.random.next() % 2 == 0 {
                for ledger in ledgers.prefix(1) {
                    try waitForSamePosition(ledger.name, cluster.primary, try cluster.replica)
                }
            }
            for node in cluster.replicas + [cluster.primary] { try node.stop() }
            return (try Self.read(cluster.primary), try Self.read(try cluster.replica), ledgers)
        }
    }

    /// A database for each setting of `synchronous`, and one more of those with promises.
    private static func makeLedgers(on mount: String, _ random: inout Seed.Sequence) -> [Ledger] {
        let rollback = ["delete", "truncate", "persist"]
        let modes = [["wal"], rollback, ["wal"] + rollback, ["wal", "delete"]]
        return (Synchronous.allCases + [.normal, .full, .extra]).enumerated()
            .map { index, synchronous in
                Ledger(
                    "\(synchronous)\(index).db",
                    synchronous,
                    journalModes: synchronous == .normal
                        ? modes[index < 4 ? 0 : 1] : modes[Int(random.next() % 4)].shuffled(using: &random),
                    on: mount
                )
            }
    }

    private static func work(_ ledgers: [Ledger], _ cluster: Cluster, _ round: Round) throws {
        let steps = 150 + Int(round.random.next() % 250)
        let restart = round.random.next() % 2 == 0 ? Int(round.random.next() % UInt64(steps)) : -1
        // Each gets its turns in a row, sometimes alone for long, so that others are quiet.
        var current = ledgers[0]
        for step in 0..<steps {
            if round.random.next() % 4 == 0 {
                current = ledgers[Int(round.random.next() % UInt64(ledgers.count))]
            }
            try current.step(&round.random)
            guard step == restart else { continue }
            if round.random.next() % 2 == 0 {
                for ledger in ledgers { ledger.close() }
                try cluster.primary.stop()
            } else {
                try cluster.primary.kill()
                for ledger in ledgers { ledger.close() }
            }
            try cluster.primary.start()
            round.tally.add("restarts")
        }
    }

    /// Reads a node's recording, and expects that it tells all of what is on the node's disk.
    private static func read(_ node: DaemonProcess) throws -> Recording {
        let recording = try Recording(
            reading: try Files.read(node.settings.folder + "/recording", limit: 1 << 30)
        )
        var disk = Disk()
        for record in recording.records { disk.carryOut(record) }
        var random = SystemRandomNumberGenerator()
        let told = disk.state(.everything, &random)
        let root = node.settings.folder + "/disk"
        for (path, file) in told.files {
            let isSame = try Files.read(root + "/" + path, limit: 1 << 30) == file.content.bytes
            try check(isSame, "the recording tells the content of \(path)")
        }
        let found = try names(root).filter { !$0.isDirectory }.count
        try check(found == told.files.count, "the recording tells all names: \(found), \(told.files.count)")
        return recording
    }

    private static func names(_ folder: String) throws -> [DirectoryEntry] {
        try Files.list(folder)
            .flatMap { entry in
                entry.isDirectory ? try names(folder + "/" + entry.name) : [entry]
            }
    }
}
