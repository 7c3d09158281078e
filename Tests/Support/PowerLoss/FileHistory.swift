/// What a file holds.
package struct FileContent: Equatable, Sendable {
    /// Its bytes.
    package var bytes: [UInt8] = []
    /// Time of its last change in nanoseconds since 1970.
    package var modified: Int64 = 0

    package init(bytes: [UInt8] = [], modified: Int64 = 0) {
        self.bytes = bytes
        self.modified = modified
    }
}

/// A file's content that is on disk for certain, and the changes that may be.
struct FileHistory {
    enum Change {
        case write(offset: Int, ArraySlice<UInt8>)
        case setSize(Int)
        case extend(Int)
    }

    private(set) var durable: FileContent
    private(set) var pending: [(change: Change, modified: Int64)] = []

    init(modified: Int64) {
        durable = FileContent(modified: modified)
        newestTime = modified
    }

    mutating func add(_ change: Change, modified: Int64) {
        pending.append((change, modified))
    }

    /// Everything so far is on disk; with `dataOnly` perhaps without the time of change.
    mutating func synchronize(dataOnly: Bool) {
        for (change, _) in pending { change.apply(to: &durable.bytes) }
        newestTime = pending.last?.modified ?? newestTime
        if !dataOnly { durable.modified = newestTime }
        pending.removeAll()
    }

    /// Time of the newest change that was synced, which may itself not be on disk.
    private var newestTime: Int64

    /// One of the contents that may be on disk.
    func content(_ survival: ContentSurvival, _ random: inout some RandomNumberGenerator) -> FileContent {
        var content = durable
        switch survival {
        case .nothing:
            return content
        case .everything:
            for (change, _) in pending { change.apply(to: &content.bytes) }
            content.modified = pending.last?.modified ?? newestTime
        case .sizes:
            for (change, _) in pending { change.sizeAlone.apply(to: &content.bytes) }
            content.modified = pending.last?.modified ?? newestTime
        case .parts(let isOrdered):
            applyParts(to: &content.bytes, isOrdered: isOrdered, &random)
            if Bool.random(using: &random) {
                content.modified = pending.last?.modified ?? newestTime
            }
        }
        return content
    }

    private func applyParts(
        to bytes: inout [UInt8],
        isOrdered: Bool,
        _ random: inout some RandomNumberGenerator
    ) {
        let sector = Bool.random(using: &random) ? 512 : 4096
        // How likely a change is whole, and how likely at least a part of it.
        let whole = Double.random(in: 0...1, using: &random)
        let part = Double.random(in: whole...1, using: &random)
        /// Size before each change, as the process saw it.
        var size = durable.bytes.count
        /// What lies behind this was cut off, and the cut is not on disk.
        var cut = Int.max
        for (change, _) in pending {
            let before = size
            size = change.size(after: before)
            if isOrdered, change.end > cut { continue }
            let lot = Double.random(in: 0..<1, using: &random)
            if lot < whole {
                change.apply(to: &bytes)
            } else if lot < part, case .write = change {
                for piece in change.torn(by: sector, &random) { piece.apply(to: &bytes) }
            } else if size < before {
                cut = min(cut, size)
            }
        }
    }
}

extension FileHistory.Change {
    /// The last byte that it touches, exclusive.
    var end: Int {
        switch self {
        case .write(let offset, let data): offset + data.count
        case .setSize(let size), .extend(let size): size
        }
    }

    func size(after size: Int) -> Int {
        if case .setSize(let new) = self { return new }
        return max(size, end)
    }

    /// The same change of size, without content.
    var sizeAlone: Self {
        if case .write = self { return .extend(end) }
        return self
    }

    func apply(to bytes: inout [UInt8]) {
        switch self {
        case .setSize(let size) where size < bytes.count:
            bytes.removeLast(bytes.count - size)
        case .setSize(let size), .extend(let size):
            bytes.grow(to: size)
        case .write(let offset, let data):
            bytes.grow(to: offset + data.count)
            bytes.withUnsafeMutableBytes { bytes in
                data.withUnsafeBytes { data in
                    UnsafeMutableRawBufferPointer(rebasing: bytes[offset..<offset + data.count])
                        .copyMemory(from: data)
                }
            }
        }
    }

    /// Some of the sectors of a write.
    func torn(by sector: Int, _ random: inout some RandomNumberGenerator) -> [Self] {
        guard case .write(let offset, let data) = self else { return [self] }
        var pieces: [Self] = Bool.random(using: &random) ? [sizeAlone] : []
        let isCutShort = Bool.random(using: &random)
        var start = offset
        while start < offset + data.count {
            let end = min(offset + data.count, (start / sector + 1) * sector)
            if Bool.random(using: &random) {
                let first = data.startIndex + start - offset
                pieces.append(.write(offset: start, data[first..<first + end - start]))
            } else if isCutShort {
                break
            }
            start = end
        }
        return pieces
    }
}

extension [UInt8] {
    /// Adds zeros up to a size.
    fileprivate mutating func grow(to size: Int) {
        if size > count { append(contentsOf: repeatElement(0, count: size - count)) }
    }
}
