/// Why a recording cannot be read.
package struct RecordingError: Error, CustomStringConvertible {
    package let description: String
}

extension Recording {
    /// Reads what the library CWriteRecorder wrote; its header file describes the format.
    ///
    /// - Throws: `RecordingError` when records are cut off, or speak of files that they did not mention before.
    package init(reading bytes: [UInt8]) throws(RecordingError) {
        self.init(records: [])
        var reader = RecordingReader(bytes)
        while let record = try reader.next() { records.append(record) }
        inodes = reader.inodes
    }
}

/// Reads records one by one.
private struct RecordingReader {
    private static let headerSize = 64
    private let bytes: [UInt8]
    private var offset = 0
    private var nodes: [UInt64: Node] = [:]
    private(set) var inodes: [UInt64] = []

    init(_ bytes: [UInt8]) {
        self.bytes = bytes
    }

    mutating func next() throws(RecordingError) -> Recording.Record? {
        guard offset < bytes.count else { return nil }
        guard bytes.count - offset >= Self.headerSize else { throw failure("is cut off") }
        let start = offset
        func word(_ place: Int) -> Int {
            bytes.withUnsafeBytes { Int($0.loadUnaligned(fromByteOffset: start + place, as: UInt32.self)) }
        }
        func long(_ place: Int) -> Int64 {
            bytes.withUnsafeBytes { $0.loadUnaligned(fromByteOffset: start + place, as: Int64.self) }
        }
        let (nameEnd, newNameEnd) = (
            start + Self.headerSize + word(4), start + Self.headerSize + word(4) + word(8)
        )
        let end = newNameEnd + word(12)
        guard end <= bytes.count else { throw failure("is cut off") }
        let name = String(decoding: bytes[start + Self.headerSize..<nameEnd], as: UTF8.self)
        let newName = String(decoding: bytes[nameEnd..<newNameEnd], as: UTF8.self)
        let (inode, value) = (UInt64(bitPattern: long(24)), Int(long(48)))
        let (folder, newFolder) = (UInt64(bitPattern: long(32)), UInt64(bitPattern: long(40)))
        let change: Recording.Change
        switch word(0) {
        case 1:
            if inodes.isEmpty { _ = add(inode) }
            change = .begin
        case 2: change = .create(add(inode), Place(try node(folder), name))
        case 3: change = .makeFolder(add(inode), Place(try node(folder), name))
        case 4: change = .write(try node(inode), offset: value, bytes[newNameEnd..<end])
        case 5: change = .setSize(try node(inode), value)
        case 6: change = .extend(try node(inode), value)
        case 7: change = .remove(Place(try node(folder), name))
        case 8: change = .rename(Place(try node(folder), name), Place(try node(newFolder), newName))
        case 9: change = .synchronize(try node(inode), dataOnly: value == 1)
        case 10: change = .synchronizeAll
        default: throw failure("has the unknown kind \(word(0))")
        }
        offset = end
        return Recording.Record(time: long(16), modified: long(56), change)
    }

    /// A node that was just made; the inode number may have been another's.
    private mutating func add(_ inode: UInt64) -> Node {
        let node = Node(number: inodes.count)
        nodes[inode] = node
        inodes.append(inode)
        return node
    }

    private func node(_ inode: UInt64) throws(RecordingError) -> Node {
        guard let node = nodes[inode] else { throw failure("has the unknown inode \(inode)") }
        return node
    }

    private func failure(_ what: String) -> RecordingError {
        RecordingError(description: "the record at byte \(offset) \(what)")
    }
}
