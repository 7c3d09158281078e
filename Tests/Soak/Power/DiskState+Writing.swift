import LTX
import POSIX
import PowerLoss
import SQLiteFormat

extension DiskState {
    /// Makes a folder hold this state.
    ///
    /// - Parameters:
    ///   - folder: An existing folder; what is in it goes.
    ///   - recording: Where the state comes from.
    ///
    /// - Throws: when a file cannot be written or read, or is not what it must be.
    func write(to folder: String, of recording: Recording) throws {
        for entry in try Files.list(folder) {
            let path = folder + "/" + entry.name
            if entry.isDirectory { try Files.removeTree(path) } else { try Files.unlink(path) }
        }
        for path in folders { try Files.makeDirectory(folder + "/" + path) }
        var inodes: [UInt64: UInt64] = [:]
        for (path, file) in files {
            let descriptor = try FileDescriptor.open(folder + "/" + path, [.writeOnly, .create, .exclusive])
            try descriptor.write(file.content.bytes, at: 0)
            try descriptor.setTimes(accessed: nil, modified: file.content.modified)
            inodes[recording.inodes[file.node.number]] = try descriptor.status().inode
        }
        for (path, file) in files where path.hasSuffix("/checksums") {
            var bytes = file.content.bytes
            guard Self.isSound(savedChecksums: bytes) else { continue }
            Self.translate(savedChecksums: &bytes, inodes)
            try FileDescriptor.open(folder + "/" + path, .writeOnly).write(bytes, at: 0)
        }
    }

    // A saved table of checksums (`checksums`) names two files by their inode numbers, which on a real disk stay as they are.
    // Their fields are at the bytes 64 and 88; the last 8 bytes are a checksum of all before.

    private static func isSound(savedChecksums bytes: [UInt8]) -> Bool {
        bytes.count >= 120 && sum(bytes) == value(bytes, bytes.count - 8)
    }

    private static func translate(savedChecksums bytes: inout [UInt8], _ inodes: [UInt64: UInt64]) {
        for offset in [64, 88] {
            guard let inode = inodes[value(bytes, offset)] else { continue }
            store(inode, in: &bytes, offset)
        }
        store(sum(bytes), in: &bytes, bytes.count - 8)
    }

    private static func sum(_ bytes: [UInt8]) -> UInt64 {
        bytes.withUnsafeBytes {
            PageChecksum.compute(PageNumber(1), UnsafeRawBufferPointer(rebasing: $0[..<($0.count - 8)]))
                .rawValue
        }
    }

    private static func value(_ bytes: [UInt8], _ offset: Int) -> UInt64 {
        bytes.withUnsafeBytes {
            UInt64(littleEndian: $0.loadUnaligned(fromByteOffset: offset, as: UInt64.self))
        }
    }

    private static func store(_ value: UInt64, in bytes: inout [UInt8], _ offset: Int) {
        withUnsafeBytes(of: value.littleEndian) { bytes.replaceSubrange(offset..<offset + 8, with: $0) }
    }
}
