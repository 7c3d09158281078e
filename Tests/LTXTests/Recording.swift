import Glibc
import LTX

/// Files that LiteFS 0.5.14 wrote for one database.
struct Recording {
    let name: String

    static let names = ["d.db", "k1.db", "w.db"]

    /// The bytes of a file below `Tests/Fixtures/litefs-0.5.14`.
    static func contents(of path: String) throws -> [UInt8] {
        let fixtures = #filePath.split(separator: "/").dropLast(2).map { "/\($0)" }.joined()
        guard let file = fopen("\(fixtures)/Fixtures/litefs-0.5.14/\(path)", "r") else {
            throw Missing(path: path)
        }
        defer { fclose(file) }
        var contents: [UInt8] = []
        var piece = [UInt8](repeating: 0, count: 65_536)
        while true {
            let count = fread(&piece, 1, piece.count, file)
            guard count > 0 else { return contents }
            contents += piece[..<count]
        }
    }

    /// The position at the end of the recording.
    func position() throws -> Position? {
        let text = try Self.contents(of: "ltx/\(name)/pos")
        return Position(String(decoding: text.filter { $0 != UInt8(ascii: "\n") }, as: UTF8.self))
    }

    /// The bytes of all its LTX files, which hold one transaction each, in order.
    func files() throws -> [[UInt8]] {
        let last = try position()?.txid.rawValue ?? 0
        return try (1...max(last, 1))
            .map { txid in
                guard let file = LTXFileName(minTXID: TXID(txid), maxTXID: TXID(txid)) else {
                    throw Missing(path: name)
                }
                return try Self.contents(of: "ltx/\(name)/\(file)")
            }
    }

    /// A fixture that is not there.
    struct Missing: Error {
        let path: String
    }
}
