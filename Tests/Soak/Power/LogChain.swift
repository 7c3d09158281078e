import Harness
import LTX
import POSIX

/// The newest LTX files of a database that follow each other without a gap.
struct LogChain {
    /// Where they lead to; nil without files.
    let position: Position?
    /// The first transaction in them.
    let first: TXID?

    /// Reads them, newest first, until one is damaged or does not lead to the next.
    ///
    /// - Parameter folder: `DATA/dbs/NAME/ltx`.
    init(_ folder: String) {
        let names = ((try? Files.list(folder)) ?? []).compactMap { LTXFileName($0.name) }
            .sorted { $0.maxTXID > $1.maxTXID }
        var position: Position?
        var next: LTXHeader?
        for name in names {
            guard let (header, end) = Self.read("\(folder)/\(name)", name) else { break }
            if let next {
                let found = Position(txid: name.maxTXID, postApply: end)
                guard next.minTXID.rawValue == name.maxTXID.rawValue + 1, next.preApplyPosition == found
                else { break }
            } else {
                position = Position(txid: name.maxTXID, postApply: end)
            }
            next = header
        }
        self.position = position
        first = next?.minTXID
    }

    private static func read(_ path: String, _ name: LTXFileName) -> (LTXHeader, Checksum)? {
        var header: LTXHeader?
        var end: Checksum?
        let decoder = LTXDecoder()
        decoder.begin()
        do {
            try Files.read(path, limit: 1 << 30)
                .withUnsafeBytes { bytes in
                    try decoder.feed(bytes) { event in
                        if case .header(let found) = event { header = found }
                        if case .trailer(let found) = event { end = found.postApply }
                    }
                }
            try decoder.finish()
        } catch {
            return nil
        }
        guard let header, let end, header.fileName == name else { return nil }
        return (header, end)
    }
}
