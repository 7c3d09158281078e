import Harness
import POSIX

extension Trial {
    /// Programs on the mount and peers on the network do what no sound one does.
    package static let hostile = Trial(
        "hostile",
        summary:
            "writes nonsense to files of databases, at any offset, and sends nonsense to the HTTP server; other databases go on"
    ) { round in
        try withNodes { cluster in
            let sound = "sound.db"
            let connection = try cluster.primary.open(sound)
            defer { connection.close() }
            let mode = round.random.next() & 1 == 0 ? "wal" : "delete"
            try connection.run("PRAGMA journal_mode = \(mode); CREATE TABLE t(n INTEGER PRIMARY KEY, v)")
            for part in 1...4 {
                try HostileProgram(cluster.primary, round).run(steps: 40)
                for node in cluster.nodes { try HostilePeer(node, round).run(requests: 25) }
                try connection.run("INSERT INTO t(v) VALUES (randomblob(100)), (\(part))")
                round.tally.add("commits meanwhile")
                for node in cluster.nodes { try Hostile.expectUnharmed(node) }
            }
            try expectConverged(sound, cluster.primary, try cluster.replica)
        }
    }
}

private enum Hostile {
    /// Far above what a node of small databases needs, far below what was claimed.
    static let memoryBound = 512 << 10

    static func expectUnharmed(_ node: DaemonProcess) throws {
        let process = try required(node.current, "\(node.settings.name) was started")
        try check(process.exit == nil, "\(node.settings.name) runs; log:\n\(node.log.suffix(3000))")
        try check(try node.get("/health/live").status == 200, "\(node.settings.name) answers")
        let status = String(
            decoding: try Files.read("/proc/\(node.daemonPID ?? process.pid)/status"),
            as: UTF8.self
        )
        let line = status.split(separator: "\n").first { $0.hasPrefix("VmHWM:") } ?? ""
        let kibibytes = line.split(separator: " ").compactMap { Int($0) }.first ?? 0
        try check(kibibytes < memoryBound, "\(node.settings.name) takes \(kibibytes) KiB at most: \(line)")
    }
}
