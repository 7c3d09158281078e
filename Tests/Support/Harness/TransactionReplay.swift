import LTX
import POSIX
import SQLiteFormat

/// A database that is rebuilt from nothing but the LTX files of a node.
package struct TransactionReplay {
    /// The pages so far, one after the other.
    private(set) var image: [UInt8] = []
    /// Where the last file led to.
    private(set) var position = Position.zero
    private var checksums: [Checksum] = []
    private var total = Checksum.empty
    private var pageSize = 0

    /// Applies all files of a database in order, from its first snapshot on.
    package init(ltxFolder: String) throws {
        let names = try Files.list(ltxFolder).compactMap { LTXFileName($0.name) }
            .sorted { $0.minTXID < $1.minTXID }
        let first = try required(names.first, "there are LTX files in \(ltxFolder)")
        try check(first.minTXID == TXID(1), "the first file is a snapshot: \(first)")
        for name in names {
            try apply(try Files.read("\(ltxFolder)/\(name)", limit: 1 << 30), name)
        }
    }

    private mutating func apply(_ file: [UInt8], _ name: LTXFileName) throws {
        let decoder = LTXDecoder()
        decoder.begin()
        var trailer: LTXTrailer?
        var header: LTXHeader?
        try file.withUnsafeBytes { bytes in
            try decoder.feed(bytes) { event in
                switch event {
                case .header(let found):
                    header = found
                    try begin(found, name)
                case .page(let number, let content):
                    put(number, content)
                case .trailer(let found):
                    trailer = found
                }
            }
        }
        try decoder.finish()
        let (end, start) = (
            try required(trailer, "\(name): trailer"), try required(header, "\(name): header")
        )
        resize(Int(start.commit))
        try check(total == end.postApply, "\(name): pages give its post-apply checksum")
        position = Position(txid: name.maxTXID, postApply: end.postApply)
    }

    private mutating func begin(_ header: LTXHeader, _ name: LTXFileName) throws {
        try check(header.minTXID == name.minTXID && header.maxTXID == name.maxTXID, "\(name): range")
        if position.txid != .zero {
            try check(header.preApplyPosition == position, "\(name) follows \(position)")
        }
        if header.pageSize.bytes != pageSize {
            resize(0)
            pageSize = header.pageSize.bytes
        }
    }

    private mutating func put(_ number: PageNumber, _ content: UnsafeRawBufferPointer) {
        if number.rawValue > checksums.count { resize(Int(number.rawValue)) }
        let index = Int(number.rawValue) - 1
        image.replaceSubrange(index * pageSize..<(index + 1) * pageSize, with: content)
        if checksums[index] != .zero { total.toggle(checksums[index]) }
        checksums[index] = PageChecksum.compute(number, content)
        total.toggle(checksums[index])
    }

    private mutating func resize(_ pages: Int) {
        for gone in checksums.dropFirst(pages) where gone != .zero { total.toggle(gone) }
        if checksums.count > pages {
            checksums.removeLast(checksums.count - pages)
            image.removeLast(image.count - pages * pageSize)
        } else {
            checksums += Array(repeating: .zero, count: pages - checksums.count)
            image += Array(repeating: 0, count: pages * pageSize - image.count)
        }
    }
}

/// The checksum of a database file's bytes, computed from nothing but them.
package func databaseChecksum(_ bytes: [UInt8]) throws -> Checksum {
    guard !bytes.isEmpty else { return .empty }
    let stored = UInt32(bytes[16]) << 8 | UInt32(bytes[17])
    let pageSize = try required(PageSize(stored == 1 ? 65536 : stored), "page size \(stored)")
    try check(bytes.count % pageSize.bytes == 0, "whole pages")
    var total = Checksum.empty
    bytes.withUnsafeBytes { all in
        for index in 0..<all.count / pageSize.bytes {
            let number = PageNumber(UInt32(index + 1))
            guard number != pageSize.lockPage else { continue }
            let page = UnsafeRawBufferPointer(
                rebasing: all[index * pageSize.bytes..<(index + 1) * pageSize.bytes]
            )
            total.toggle(PageChecksum.compute(number, page))
        }
    }
    return total
}
