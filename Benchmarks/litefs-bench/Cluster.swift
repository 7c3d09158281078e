import POSIX

/// The folders and daemons of a run: a native folder, a primary, and a replica when a scenario asks for one.
final class Cluster {
    /// Where databases without litefs are, on the file system that the daemons use, too.
    let native: String
    /// The folder that is compared with it: the primary's mount, or the one that the options name.
    let mount: String
    /// Whether it is that of another file system, so that nothing can be asked of litefs.
    let isForeign: Bool
    /// The node that writes.
    let primary: Node
    /// The node that reads; does not run at first.
    let replica: Node
    /// Further replicas, for a scenario that wants many.
    private(set) var others: [Node] = []
    private var isReplicaRunning = false
    private let makeReplica: (_ name: String) throws -> Node

    /// Makes the folders and starts the primary.
    init(_ options: Options) throws {
        native = options.folder + "/native"
        try Files.makeDirectories(native)
        let primaryPort = try Self.freePort()
        let make = { (name: String, port: UInt16) throws in
            try Node(
                name,
                in: options.folder,
                binary: options.binary,
                port: port,
                primaryPort: primaryPort,
                passthrough: options.passthrough
            )
        }
        makeReplica = { name in try make(name, try Self.freePort()) }
        primary = try make("primary", primaryPort)
        replica = try makeReplica("replica")
        isForeign = options.against != nil
        mount = options.against ?? primary.mount
        guard !isForeign else { return }
        try primary.start()
        try primary.awaitMount()
    }

    /// Starts or ends replicas, so that `count` run besides the primary.
    func startReplicas(_ count: Int) throws {
        if count > 0 { try startReplica() } else { stopReplica() }
        while others.count > max(count - 1, 0) { others.removeLast().stop() }
        while others.count < count - 1 {
            let node = try makeReplica("replica-\(others.count + 2)")
            try node.start()
            others.append(node)
        }
        for node in others { try node.awaitMount() }
    }

    /// Starts the replica if it does not run, and waits until its mount is there.
    func startReplica() throws {
        guard !isReplicaRunning else { return }
        isReplicaRunning = true
        try replica.start()
        try replica.awaitMount()
    }

    /// Ends the replica.
    func stopReplica() {
        replica.stop()
        isReplicaRunning = false
    }

    /// Waits until the replica is where the primary is.
    func awaitReplica(_ database: String) throws {
        let primary = primary
        let replica = replica
        try replica.wait(for: "current \(database)") {
            guard let position = primary.position(of: database) else { return false }
            return replica.position(of: database) == position
        }
    }

    /// Removes a database from both folders.
    func remove(_ database: String) throws {
        for folder in [native, mount] {
            for suffix in ["", "-wal", "-shm", "-journal"] {
                try Files.unlink(folder + "/" + database + suffix, ifExists: true)
            }
        }
    }

    /// Ends the daemons.
    func stop() {
        for node in others { node.stop() }
        stopReplica()
        primary.stop()
    }

    /// A port that nobody listens on.
    private static func freePort() throws -> UInt16 {
        guard let address = SocketAddress.resolve(host: "127.0.0.1", port: 0).first else {
            throw BenchmarkError("there is no loopback interface")
        }
        return try Socket.listen(on: address, backlog: 1).localAddress().port
    }
}
