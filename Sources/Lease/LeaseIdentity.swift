import POSIX

/// The name under which a node holds a lease.
///
///     HOSTNAME_BOOT-DEVICE-INODE-NUMBER     the machine's boot, the data folder on it, and a random number in the folder (DATA/node)
///
/// Two processes with the same one are on the same running kernel and use the same data folder, which only one of them can have locked: the
/// other is gone, or about to go on with its mount (L4). Another machine, the same one after a restart, a folder that was emptied, or one that
/// was restored elsewhere have another one.
public enum LeaseIdentity {
    /// The identity of this node.
    ///
    /// - Parameters:
    ///   - hostname: its host name.
    ///   - dataDirectory: its data folder, which is made if it is missing.
    /// - Returns: the name.
    /// - Throws: when the folder, or the machine's boot id, cannot be read or written.
    public static func ofThisNode(hostname: String, dataDirectory: String) throws(Errno) -> String {
        try Files.makeDirectories(dataDirectory, synchronize: true)
        let status = try Files.status(dataDirectory)
        let path = "/proc/sys/kernel/random/boot_id"
        let boot = String(decoding: try Files.read(path, limit: 64), as: UTF8.self)
            .filter { $0.isHexDigit }
        guard boot.count == 32 else { throw .io }
        let folder = "\(String(status.device, radix: 16))-\(String(status.inode, radix: 16))"
        return "\(hostname)_\(boot)-\(folder)-\(try number(of: dataDirectory))"
    }

    /// The number of a folder, which it gets when it has none.
    private static func number(of dataDirectory: String) throws(Errno) -> String {
        let path = dataDirectory + "/node"
        if let bytes = try? Files.read(path, limit: 64) {
            let number = String(decoding: bytes, as: UTF8.self).filter { $0.isHexDigit }
            if number.count == 16 { return number }
        }
        let digits = String(UInt64.random(in: 0 ... .max), radix: 16)
        let number = String(repeating: "0", count: 16 - digits.count) + digits
        try Files.replace(path, with: Array((number + "\n").utf8))
        return number
    }
}
