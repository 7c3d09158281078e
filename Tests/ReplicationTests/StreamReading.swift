import LTX
import Replication
import Store

/// A stream taken apart: its frames, with each LTX file put together again.
struct StreamReading: Equatable {
    enum Item: Equatable {
        case frame(StreamFrame)
        case file(DatabaseName, [UInt8])
    }

    private(set) var items: [Item] = []
    private var decoder = StreamDecoder()
    private var current: (name: DatabaseName, bytes: [UInt8])?

    static func == (left: StreamReading, right: StreamReading) -> Bool { left.items == right.items }

    var frames: [StreamFrame] {
        items.compactMap { if case .frame(let frame) = $0 { frame } else { nil } }
    }

    var files: [(name: DatabaseName, bytes: [UInt8])] {
        items.compactMap { if case .file(let name, let bytes) = $0 { (name, bytes) } else { nil } }
    }

    var isEnded: Bool { decoder.isEnded }

    mutating func feed(_ bytes: some Sequence<UInt8>) throws {
        var current = current
        var items = items
        try Array(bytes)
            .withUnsafeBytes { buffer in
                try decoder.feed(buffer) { event in
                    switch event {
                    case .frame(.ltxBegin(let name)): current = (name, [])
                    case .ltxBytes(let part): current?.bytes.append(contentsOf: part)
                    case .frame(.ltxEnd):
                        if let file = current { items.append(.file(file.name, file.bytes)) }
                        current = nil
                    case .frame(let frame): items.append(.frame(frame))
                    }
                }
            }
        self.current = current
        self.items = items
    }

    mutating func finish() throws { try decoder.finish() }

    /// Reads a whole stream.
    init(_ bytes: [UInt8]) throws {
        try feed(bytes)
        try finish()
    }

    /// A reading at the beginning of a stream.
    init() {}
}

/// What an LTX file says, when it is sound.
struct FileReading {
    let header: LTXHeader
    let trailer: LTXTrailer
    let pages: [UInt32]

    init?(_ bytes: [UInt8]) throws {
        var header: LTXHeader?
        var trailer: LTXTrailer?
        var pages: [UInt32] = []
        try bytes.withUnsafeBytes { buffer in
            try LTXDecoder()
                .decode(allOf: buffer) { event in
                    switch event {
                    case .header(let value): header = value
                    case .page(let number, _): pages.append(number.rawValue)
                    case .trailer(let value): trailer = value
                    }
                }
        }
        guard let header, let trailer else { return nil }
        self.header = header
        self.trailer = trailer
        self.pages = pages
    }
}
