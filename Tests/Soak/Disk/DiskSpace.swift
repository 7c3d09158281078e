import CSQLite
import Glibc
import Harness
import POSIX

/// What the trial `disk` does with disks that run full.
enum DiskSpace {
    /// A small disk under a node's data directory.
    private final class LimitedDisk {
        let path: String
        private var image: DiskImage?
        private var memory: SmallDisk?

        init(_ path: String, _ round: Round) throws {
            self.path = path
            if round.random.next() % 2 == 0 { image = try DiskImage(path, megabytes: 40) }
            if image == nil { memory = try SmallDisk(path, megabytes: 40) }
            round.tally.add(image == nil ? "disks in memory" : "disks with ext4")
        }

        func fill(leaving bytes: Int) throws {
            let space = try Files.fileSystem(path)
            let free = Int(space.f_bavail) * Int(space.f_frsize)
            let file = try FileDescriptor.open(path + "/ballast", [.writeOnly, .create])
            let result = posix_fallocate(file.rawValue, 0, off_t(max(1, free - bytes)))
            guard result == 0 else { throw Errno(rawValue: result) }
        }

        func empty() throws { try Files.unlink(path + "/ballast") }

        func remove() {
            image?.remove()
            memory?.remove()
        }
    }

    static func primaryFills(_ round: Round) throws {
        let mode = ["wal", "delete", "truncate", "persist", "off"][Int(round.random.next() % 5)]
        let room = Int(round.random.next() % 2_000_000)
        say("disk: primary is full, \(mode), \(room) bytes left")
        try DiskErrors.reporting("primary is full, \(mode), \(room) bytes left") {
            try withNodes(limit: .seconds(100), isStarted: false) { cluster in
                let (primary, replica) = (cluster.primary, try cluster.replica)
                let disk = try LimitedDisk(primary.settings.dataFolder, round)
                defer { disk.remove() }
                try cluster.start()
                let writer = DiskWriter(DiskErrors.database, on: primary, mode: mode, random: round.random)
                try writer.begin()
                for _ in 0..<10 { try check(writer.step(), "commits work: \(writer.failures)") }
                try waitForSamePosition(DiskErrors.database, primary, replica)
                let local = try localCodes(disk, mode, room, round)
                try disk.fill(leaving: room)
                for _ in 0..<400 where writer.failures.count < 12 { writer.step(bytes: 60_000) }
                // The end of a journal is where a commit that cannot be recorded is refused.
                let own: Set<Int32> =
                    mode == "delete" ? [10 | 10 << 8] : mode == "truncate" ? [10 | 6 << 8] : []
                let damaged: Set<Int32> = mode == "off" ? [SQLITE_CORRUPT] : []
                let allowed = local.union(own).union(damaged).union([SQLITE_FULL])
                try check(
                    writer.codes.keys.allSatisfy { allowed.contains($0) },
                    "codes of a full disk are \(allowed): \(writer.failures)"
                )
                round.tally.add("refused for want of space", writer.failures.count)
                if round.random.next() % 3 == 0 {
                    // A start on a full disk must not need another one later.
                    writer.close()
                    try primary.kill()
                    primary.removeDeadMount()
                    try primary.start()
                    round.tally.add("starts on a full disk")
                    writer.step()
                }
                try disk.empty()
                if writer.isDamaged { return try DiskErrors.expectSameDamage(primary, replica, round) }
                try eventually("commits work with room: \(writer.failures.suffix(3))") {
                    (1...3).allSatisfy { _ in writer.commit(bytes: 500) }
                }
                try writer.expectAcknowledged()
                try expectConverged(DiskErrors.database, primary, replica)
                try DiskErrors.expectNoFault(primary)
                try primary.stop()
            }
        }
    }

    /// What SQLite says when the same disk is full and there is no litefs.
    private static func localCodes(
        _ disk: LimitedDisk,
        _ mode: String,
        _ room: Int,
        _ round: Round
    ) throws -> Set<Int32> {
        let folder = disk.path + "/local-" + mode
        try Files.makeDirectories(folder)
        defer { try? Files.removeTree(folder) }
        let writer = DiskWriter(folder + "/plain.db", mode: mode, random: Seed.Sequence(seed: round.seed))
        try writer.begin()
        try disk.fill(leaving: room)
        for _ in 0..<400 where writer.failures.count < 12 { writer.step(bytes: 60_000) }
        writer.close()
        try disk.empty()
        return Set(writer.codes.keys)
    }

    static func replicaFills(_ round: Round) throws {
        let room = Int(round.random.next() % 3_000_000)
        say("disk: replica is full, \(room) bytes left")
        try DiskErrors.reporting("replica is full, \(room) bytes left") {
            try withNodes(limit: .seconds(100), isStarted: false) { cluster in
                let (primary, replica) = (cluster.primary, try cluster.replica)
                let disk = try LimitedDisk(replica.settings.dataFolder, round)
                defer { disk.remove() }
                try cluster.start()
                let mode = ["wal", "delete"][Int(round.random.next() % 2)]
                let writer = DiskWriter(DiskErrors.database, on: primary, mode: mode, random: round.random)
                try writer.begin()
                for _ in 0..<5 { try check(writer.step(), "commits work: \(writer.failures)") }
                try waitForSamePosition(DiskErrors.database, primary, replica)
                try disk.fill(leaving: room)
                for _ in 0..<40 {
                    try check(writer.step(bytes: 200_000), "the primary works: \(writer.failures)")
                    try DiskErrors.expectReadable(replica)
                }
                writer.close()
                try eventually("the replica says that its disk is full") {
                    replica.runLog.contains("ENOSPC") && !DiskErrors.reasons(replica).isEmpty
                }
                let readable = try replica.sqlite3(DiskErrors.database, "PRAGMA integrity_check;")
                try check(readable == "ok", "the replica's state is whole: \(readable)")
                try disk.empty()
                try expectConverged(DiskErrors.database, primary, replica, within: .seconds(40))
                try DiskErrors.expectNoFault(replica)
                round.tally.add("full replicas")
                try replica.stop()
            }
        }
    }
}
