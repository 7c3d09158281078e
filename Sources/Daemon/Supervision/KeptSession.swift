import POSIX

/// What a supervisor keeps of a daemon: descriptors that it never uses itself.
struct KeptSession: ~Copyable {
    private var session: [Int32] = []
    /// Files without a name, by device and inode.
    private var files: [String: Int32] = [:]
    /// Whether programs can see the mount.
    var isAttached = false

    /// Whether another daemon can go on with it.
    var isWhole: Bool { session.count == 3 && isAttached }

    /// The connection, the root folder, the session's memory.
    var descriptors: [Int32] { session }

    /// Files without a name, in messages' worths.
    var fileGroups: [[Int32]] {
        let all = Array(files.values)
        return stride(from: 0, to: all.count, by: MessageSocket.mostDescriptors)
            .map { Array(all[$0..<min($0 + MessageSocket.mostDescriptors, all.count)]) }
    }

    /// Takes over the descriptors of a new session.
    mutating func begin(_ descriptors: [Int32]) {
        end()
        session = descriptors
    }

    /// Keeps a file.
    mutating func keep(_ descriptors: [Int32]) {
        for descriptor in descriptors {
            let file = FileDescriptor(owning: descriptor)
            guard let status = try? file.status() else { continue }
            let key = "\(status.device):\(status.inode)"
            if files[key] == nil { files[key] = file.release() }
        }
    }

    /// Lets go of a file.
    mutating func drop(_ key: String) {
        if let descriptor = files.removeValue(forKey: key) { Self.close(descriptor) }
    }

    /// Lets go of everything.
    mutating func end() {
        for descriptor in session + Array(files.values) { Self.close(descriptor) }
        session = []
        files = [:]
        isAttached = false
    }

    private static func close(_ descriptor: Int32) { _ = FileDescriptor(owning: descriptor) }

    deinit {
        for descriptor in session + Array(files.values) { Self.close(descriptor) }
    }
}
