import Faults
import POSIX

/// Identity of a cluster: `LFSC` and 16 upper-case hexadecimal digits.
///
/// Made by the first primary.
public struct ClusterID: Hashable, Sendable, CustomStringConvertible {
    private let digits: String

    /// Reads the text form; nil when it is not one.
    public init?(_ text: some StringProtocol) {
        guard text.utf8.count == 20, text.hasPrefix("LFSC"),
            text.utf8.dropFirst(4).allSatisfy({ (48...57).contains($0) || (65...70).contains($0) })
        else { return nil }
        digits = String(text.dropFirst(4))
    }

    private init(_ value: UInt64) {
        let text = String(value, radix: 16, uppercase: true)
        digits = String(repeating: "0", count: 16 - text.count) + text
    }

    /// A new identity.
    public static func random() -> ClusterID { ClusterID(.random(in: 1 ... .max)) }

    /// The text form.
    public var description: String { "LFSC" + digits }

    /// Reads `clusterid` from a data directory; nil when there is none.
    public static func load(from directory: String) throws(StoreError) -> ClusterID? {
        let path = directory + "/clusterid"
        let bytes: [UInt8]
        do throws(Errno) {
            bytes = try Files.read(path, limit: 4096)
        } catch .noEntry {
            return nil
        } catch {
            throw .file(FileError("read", path, error))
        }
        let text = String(decoding: bytes, as: UTF8.self)
        guard let id = ClusterID(text.hasSuffix("\n") ? text.dropLast() : text[...]) else {
            throw .dataDirectory(
                "load cluster id: invalid cluster id in \(path): it must be LFSC and 16 hexadecimal digits; restore the file "
                    + "from another node of the cluster, or remove it to let the primary give its own"
            )
        }
        return id
    }

    func save(to directory: String) throws(StoreError) {
        let path = directory + "/clusterid"
        do throws(Errno) {
            try Files.replace(path, with: Array("\(self)\n".utf8)) { step throws(Errno) in
                switch step {
                case .write: try FaultPoint.clusterIDWrite.pass()
                case .synchronize: try FaultPoint.clusterIDSync.pass()
                case .rename: try FaultPoint.clusterIDRename.pass()
                case .synchronizeFolder: try FaultPoint.clusterIDFolderSync.pass()
                }
            }
        } catch {
            throw .file(FileError("write", path, error))
        }
    }
}
