import Harness

/// What a node of the trial `mixed` may use, however long it runs.
enum MixedBounds {
    /// How long the nodes keep LTX files, in seconds; short, so that a run of a minute tells whether anything goes.
    static let retention = 20
    /// How often they look for old ones, in seconds.
    static let retentionInterval = 1
    /// What a busy machine may add to that, in seconds, and the time that a node is away for a restart.
    static let retentionSlack = 25

    /// 64 MiB of page data may wait to be recorded; recent LTX files in memory, page checksums and the program itself take the rest.
    static let residentKiB = 160 << 10
    /// For each of four databases: file, log, index, on a replica once more through the own mount; FUSE, the HTTP port, and
    /// what two streams and the requests of programs have open for a moment.
    static let descriptors = 64
    /// 8 for FUSE, 2 for each database, the fixed ones, and one for each HTTP connection.
    static let threads = 40
    /// A reader may keep the log from being restarted for as long as it reads; the load writes a few MiB a second.
    static let walBytes = 192 << 20
    /// Transactions that wait to be applied; a busy machine lets some hundred come together.
    static let temporaryFiles = 500
    /// What the load writes during retention at the highest rate this disk takes.
    static let ltxBytes = 512 << 20

    /// Locks that a replica holds on each database for as long as it runs.
    ///
    /// SHARED on the file, and the dead man's switch of the wal-index. A primary holds none.
    static let replicaLocks = 2

    /// Idle: what remains when no program has a database open, and no request is carried out; with what the test program itself has
    /// open and passes on.
    static let idleDescriptors = 56

    static func check(_ sample: NodeSample, _ node: DaemonProcess) throws {
        func expect(_ isWithin: Bool, _ what: String) throws {
            guard !isWithin else { return }
            throw Finding("\(node.settings.name) is beyond its bound of \(what): \(sample.summary)")
        }
        try expect(sample.residentKiB <= residentKiB, "\(residentKiB >> 10) MiB of memory")
        try expect(sample.descriptors <= descriptors, "\(descriptors) descriptors")
        try expect(sample.threads <= threads, "\(threads) threads")
        try expect(sample.walBytes <= walBytes, "\(walBytes >> 20) MiB of WAL")
        try expect(sample.ltxBytes <= ltxBytes, "\(ltxBytes >> 20) MiB of LTX files")
        try expect(sample.temporary.count <= temporaryFiles, "\(temporaryFiles) temporary files")
        let age = Double(retention + retentionInterval + retentionSlack)
        try expect(sample.oldestRemovable <= age, "\(age) s for LTX files")
        try expect(sample.damaged.isEmpty, "no damaged LTX files: \(sample.damaged)")
    }
}
