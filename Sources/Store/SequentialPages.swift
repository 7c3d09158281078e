import Faults
import POSIX
import SQLiteFormat

/// Writes pages that come in ascending order in large pieces.
final class SequentialPages {
    private let file: BackingFile
    private let pageSize: PageSize
    private let buffer = Buffer(count: 1 << 20)
    private var start: Int64 = 0
    private var used = 0
    /// Up to where the kernel was told to begin writing.
    private var begun: Int64 = 0

    /// So many bytes are given to the disk while more of them come.
    private static let portion: Int64 = 8 << 20

    init(_ file: BackingFile, pageSize: PageSize) {
        self.file = file
        self.pageSize = pageSize
    }

    func append(_ page: PageNumber, _ data: UnsafeRawBufferPointer) throws(Errno) {
        let offset = Int64(page.rawValue - 1) * Int64(pageSize.rawValue)
        if offset != start + Int64(used) || used + data.count > buffer.bytes.count {
            try flush()
            start = offset
        }
        UnsafeMutableRawBufferPointer(rebasing: buffer.bytes[used..<used + data.count]).copyMemory(from: data)
        used += data.count
    }

    func flush() throws(Errno) {
        try file.descriptor.write(
            UnsafeRawBufferPointer(rebasing: buffer.bytes[..<used]),
            at: start,
            passing: .installWrite
        )
        start += Int64(used)
        used = 0
        if start < begun { begun = start }
        guard start - begun >= Self.portion else { return }
        file.descriptor.beginWriting(from: begun, count: start - begun)
        begun = start
    }
}
