import CShims
import Glibc
import POSIX

/// What the kernel tells of a file or folder (inotify), as a program on the node would hear it.
///
/// One thread.
package final class NameWatch {
    /// One event.
    package struct Event: Equatable, Sendable {
        /// `modify`, `create`, `delete`, `deleteSelf` or `ignored`.
        package var kind: Kind
        /// The name in a watched folder; empty for the watched file itself.
        package var name: String

        package init(kind: Kind, name: String) {
            self.kind = kind
            self.name = name
        }
    }

    /// What happened.
    package enum Kind: UInt32, Sendable {
        case modify = 0x2
        case create = 0x100
        case delete = 0x200
        case deleteSelf = 0x400
        case ignored = 0x8000
    }

    private let descriptor: FileDescriptor

    /// Watches a file or a folder.
    package init(_ path: String) throws {
        let number = cshims_inotify()
        guard number >= 0 else { throw Errno.last }
        descriptor = FileDescriptor(owning: number)
        guard cshims_inotify_watch(number, path, 0x2 | 0x100 | 0x200 | 0x400) >= 0 else { throw Errno.last }
    }

    /// The events that have come, after waiting for the first of them.
    package func events(within limit: Duration = .seconds(2)) -> [Event] {
        guard poll(readable: [descriptor.rawValue], timeout: limit)[0] else { return [] }
        var buffer = [UInt8](repeating: 0, count: 64 << 10)
        let count = read(descriptor.rawValue, &buffer, buffer.count)
        var events: [Event] = []
        var offset = 0
        while offset + 16 <= count {
            let (mask, length) = buffer.withUnsafeBytes { bytes in
                (
                    bytes.loadUnaligned(fromByteOffset: offset + 4, as: UInt32.self),
                    Int(bytes.loadUnaligned(fromByteOffset: offset + 12, as: UInt32.self))
                )
            }
            let name = buffer[offset + 16..<offset + 16 + length].prefix { $0 != 0 }
            if let kind = Kind(rawValue: mask & 0xFFFF) {
                events.append(Event(kind: kind, name: String(decoding: name, as: UTF8.self)))
            }
            offset += 16 + length
        }
        return events
    }

    /// Waits until an event comes.
    package func wait(for event: Event, within limit: Duration = .seconds(10)) throws {
        var heard: [Event] = []
        try eventually("\(event); heard: \(heard)", within: limit) {
            heard += events(within: .milliseconds(100))
            return heard.contains(event)
        }
    }
}
