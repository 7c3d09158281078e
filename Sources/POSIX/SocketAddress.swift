import Glibc

/// An IPv4 or IPv6 address with a port.
public struct SocketAddress: Sendable, CustomStringConvertible {
    private let storage: sockaddr_storage

    init(_ storage: sockaddr_storage) {
        self.storage = storage
    }

    /// Copies an address that the kernel or a library filled in; nil when it is neither IPv4 nor IPv6.
    public init?(_ pointer: UnsafePointer<sockaddr>) {
        let size: Int
        switch Int32(pointer.pointee.sa_family) {
        case AF_INET: size = MemoryLayout<sockaddr_in>.size
        case AF_INET6: size = MemoryLayout<sockaddr_in6>.size
        default: return nil
        }
        var storage = sockaddr_storage()
        withUnsafeMutableBytes(of: &storage) {
            $0.copyMemory(from: UnsafeRawBufferPointer(start: pointer, count: size))
        }
        self.storage = storage
    }

    /// The addresses of a host name or numeric address, in the system's order of preference.
    ///
    /// An empty `host` means all interfaces. `AI_ADDRCONFIG` is not used, so that `localhost` works without a network.
    /// Returns an empty list when the name is unknown.
    public static func resolve(host: String, port: UInt16) -> [SocketAddress] {
        var hints = addrinfo()
        hints.ai_socktype = Int32(SOCK_STREAM.rawValue)
        hints.ai_flags = AI_PASSIVE | AI_NUMERICSERV
        var list: UnsafeMutablePointer<addrinfo>?
        guard getaddrinfo(host.isEmpty ? nil : host, String(port), &hints, &list) == 0 else { return [] }
        defer { freeaddrinfo(list) }
        var addresses: [SocketAddress] = []
        var next = list
        while let entry = next {
            if let address = entry.pointee.ai_addr.flatMap({ SocketAddress(UnsafePointer($0)) }) {
                addresses.append(address)
            }
            next = entry.pointee.ai_next
        }
        return addresses
    }

    /// Whether it is an IPv6 address, also when that contains an IPv4 one.
    public var isIPv6: Bool { family == AF_INET6 }

    /// `AF_INET` or `AF_INET6`.
    var family: Int32 { Int32(storage.ss_family) }

    /// The port.
    public var port: UInt16 {
        // The port stands at the same place in both structures.
        withUnsafeBytes(of: storage) { $0.loadUnaligned(fromByteOffset: 2, as: UInt16.self).bigEndian }
    }

    /// The numeric address without its port; an IPv4 address in IPv6 form is shown as IPv4.
    public var host: String {
        withUnsafeBytes(of: storage) { bytes in
            guard family == AF_INET6 else { return Self.text(AF_INET, bytes, 4) }
            let mapped = bytes[8..<18].allSatisfy { $0 == 0 } && bytes[18] == 0xFF && bytes[19] == 0xFF
            return mapped ? Self.text(AF_INET, bytes, 20) : Self.text(AF_INET6, bytes, 8)
        }
    }

    /// Host and port, for example `127.0.0.1:20202` or `[::1]:20202`.
    public var description: String {
        let host = host
        return host.utf8.contains(UInt8(ascii: ":")) ? "[\(host)]:\(port)" : "\(host):\(port)"
    }

    private static func text(_ family: Int32, _ bytes: UnsafeRawBufferPointer, _ offset: Int) -> String {
        withUnsafeTemporaryAllocation(of: CChar.self, capacity: Int(INET6_ADDRSTRLEN)) { buffer in
            guard let start = bytes.baseAddress, let target = buffer.baseAddress,
                let text = inet_ntop(family, start + offset, target, socklen_t(INET6_ADDRSTRLEN))
            else { return "?" }
            return String(cString: text)
        }
    }

    func withUnsafePointer<Result>(_ body: (UnsafePointer<sockaddr>, socklen_t) -> Result) -> Result {
        Swift.withUnsafePointer(to: storage) { pointer in
            pointer.withMemoryRebound(to: sockaddr.self, capacity: 1) { address in
                let size =
                    family == AF_INET6 ? MemoryLayout<sockaddr_in6>.size : MemoryLayout<sockaddr_in>.size
                return body(address, socklen_t(size))
            }
        }
    }
}
