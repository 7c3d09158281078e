import CShims
import Glibc

/// One end of a connection between two processes of this machine that carries messages, and descriptors with them.
///
/// A message arrives whole, or not at all; its descriptors are duplicates that belong to the receiver. All calls may be made from any
/// thread at once.
public struct MessageSocket: ~Copyable, Sendable {
    /// The longest message, in bytes.
    public static let longestMessage = 4096
    /// The most descriptors that go with a message.
    public static let mostDescriptors = 16

    private let descriptor: FileDescriptor

    /// The number the kernel knows it by.
    public var rawValue: Int32 { descriptor.rawValue }

    /// Takes ownership of an open socket.
    public init(owning rawValue: Int32) {
        descriptor = FileDescriptor(owning: rawValue)
    }

    /// Gives the socket away: whoever gets the number must close it.
    public consuming func release() -> Int32 { descriptor.release() }

    /// Both ends of a new connection.
    public static func pair() throws(Errno) -> (Int32, Int32) {
        var ends: [Int32] = [-1, -1]
        let type = Int32(SOCK_SEQPACKET.rawValue) | Int32(SOCK_CLOEXEC.rawValue)
        _ = try retrying { Int(socketpair(AF_UNIX, type, 0, &ends)) }
        return (ends[0], ends[1])
    }

    /// Sends a message; blocks while the peer does not take earlier ones.
    public func send(_ bytes: [UInt8], descriptors: [Int32] = []) throws(Errno) {
        precondition(!bytes.isEmpty, "an empty message is the end of the connection")
        _ = try retrying {
            Int(
                cshims_send_message(
                    rawValue,
                    bytes,
                    bytes.count,
                    descriptors,
                    Int32(descriptors.count)
                )
            )
        }
    }

    /// Waits for a message; nil when the peer has ended, or is gone.
    ///
    /// The descriptors are the caller's to close.
    public func receive() throws(Errno) -> (bytes: [UInt8], descriptors: [Int32])? {
        var bytes = [UInt8](repeating: 0, count: Self.longestMessage)
        var descriptors = [Int32](repeating: -1, count: Self.mostDescriptors)
        var count: Int32 = 0
        let length: Int
        do throws(Errno) {
            length = try retrying {
                Int(cshims_receive_message(rawValue, &bytes, bytes.count, &descriptors, &count))
            }
        } catch {
            if error.rawValue == ECONNRESET { return nil }
            throw error
        }
        if length == 0 { return nil }
        return (Array(bytes[..<length]), Array(descriptors[..<Int(count)]))
    }
}

extension Socket {
    /// A socket that accepts connections of this machine's processes, at a name in an open folder, which must not exist.
    public static func listen(at name: String, in directory: Int32) throws(Errno) -> Socket {
        Socket(owning: Int32(try retrying { Int(cshims_local_socket(directory, name, 1)) }))
    }

    /// A socket connected to one that listens at a name in an open folder.
    public static func connect(to name: String, in directory: Int32) throws(Errno) -> Socket {
        Socket(owning: Int32(try retrying { Int(cshims_local_socket(directory, name, 0)) }))
    }
}

extension FileDescriptor {
    /// A file of memory that has no name and goes with its last descriptor or mapping.
    ///
    /// `name` is for /proc.
    public static func memory(_ name: String) throws(Errno) -> FileDescriptor {
        FileDescriptor(owning: Int32(try retrying { Int(cshims_memory_file(name)) }))
    }

    /// Another descriptor of the same open file.
    public func duplicate() throws(Errno) -> FileDescriptor {
        try Self.duplicate(rawValue)
    }

    /// Another descriptor of an open file that somebody else owns.
    public static func duplicate(_ rawValue: Int32) throws(Errno) -> FileDescriptor {
        FileDescriptor(owning: Int32(try retrying { Int(fcntl(rawValue, F_DUPFD_CLOEXEC, 3)) }))
    }
}
