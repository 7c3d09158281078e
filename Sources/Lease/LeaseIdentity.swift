import POSIX

/// The name under which a node holds a lease.
///
///     HOSTNAME_BOOT-DEVICE-INODE     the machine's boot, and the data folder on it
///
/// Two processes with the same one are on the same running kernel and use the same data folder, which only one of them can have locked: the
/// other is gone, or about to go on with its mount (L4). Another machine, the same one after a restart, or a folder that was restored
/// elsewhere have another one.
public enum LeaseIdentity {
    /// The identity of this node.
    ///
    /// - Parameters:
    ///   - hostname: its host name.
    ///   - dataDirectory: its data folder, which is made if it is missing.
    /// - Returns: the name.
    /// - Throws: when the folder, or the machine's boot id, cannot be read.
    public static func ofThisNode(hostname: String, dataDirectory: String) throws(Errno) -> String {
        try Files.makeDirectories(dataDirectory, synchronize: true)
        let status = try Files.status(dataDirectory)
        let path = "/proc/sys/kernel/random/boot_id"
        let boot = String(decoding: try Files.read(path, limit: 64), as: UTF8.self)
            .filter { $0.isHexDigit }
        guard boot.count == 32 else { throw .io }
        return "\(hostname)_\(boot)-\(String(status.device, radix: 16))-\(String(status.inode, radix: 16))"
    }
}
