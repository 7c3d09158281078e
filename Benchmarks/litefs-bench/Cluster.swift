import POSIX

/// The folders and daemons of a run: a native folder, a primary, and a replica when a scenario asks for one.
final class Cluster {
    /// Where databases without litefs are, on the file system that the daemons use, too.
    let native: String
    /// The node that writes.
    let primary: Node
    /// The node that reads; does not run at first.
    let replica: Node
    private var isReplicaRunning = false

    /// Makes the folders and starts the primary.
    init(_ options: Options) throws {
        native = options.folder + "/native"
        try Files.makeDirectories(native)
        let ports = try Self.freePorts()
        primary = try Node(
            "primary",
            in: options.folder,
            binary: options.binary,
            port: ports.0,
            primaryPort: ports.0,
            passthrough: options.passthrough
        )
        replica = try Node(
            "replica",
            in: options.folder,
            binary: options.binary,
            port: ports.1,
            primaryPort: ports.0,
            passthrough: options.passthrough
        )
        try primary.start()
        try primary.awaitMount()
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
        for folder in [native, primary.mount] {
            for suffix in ["", "-wal", "-shm", "-journal"] {
                try Files.unlink(folder + "/" + database + suffix, ifExists: true)
            }
        }
    }

    /// Ends the daemons.
    func stop() {
        stopReplica()
        primary.stop()
    }

    /// Two ports that nobody listens on.
    private static func freePorts() throws -> (UInt16, UInt16) {
        guard let address = SocketAddress.resolve(host: "127.0.0.1", port: 0).first else {
            throw BenchmarkError("there is no loopback interface")
        }
        let first = try Socket.listen(on: address, backlog: 1)
        let second = try Socket.listen(on: address, backlog: 1)
        return (try first.localAddress().port, try second.localAddress().port)
    }
}
