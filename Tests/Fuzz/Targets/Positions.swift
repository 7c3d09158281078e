import LTX
import Replication
import Store

/// Names for seeds.
enum DatabaseNames {
    static var some: DatabaseName { get throws { try DatabaseName("some.db") } }
}

extension FuzzTarget {
    static let positions = FuzzTarget(
        "positions",
        summary: "the body of POST /stream, and what a primary would send",
        seeds: {
            let recorded = Position("0000000000000007/8000000000000001") ?? .zero
            let empty = PositionMap()
            let two = PositionMap([try DatabaseNames.some: recorded, try DatabaseName("b"): .zero])
            return [empty.encoded(), two.encoded(), [UInt8](repeating: 0xFF, count: 60)]
        },
        check: { bytes in
            if let map = try? PositionMap(decoding: bytes) {
                let encoded = map.encoded()
                try require(
                    encoded.count == bytes.count,
                    "the map has another length when it is written again"
                )
                try require(
                    try PositionMap(decoding: encoded) == map,
                    "the map is another one when it is read again"
                )
                for position in map.positions.values {
                    try require(
                        Position("\(position)") == position,
                        "\(position) is read as another position"
                    )
                }
            }
            try checkPlan(bytes)
        }
    )
}

private func checkPlan(_ bytes: UnsafeRawBufferPointer) throws {
    var input = FuzzInput(bytes)
    func position() -> Position {
        Position(
            txid: TXID(UInt64(bitPattern: input.extreme())),
            postApply: Checksum(rawValue: UInt64(input.byte() & 1) | Checksum.flag)
        )
    }
    let client = position()
    let primary = position()
    let next = LTXFileName(minTXID: position().txid, maxTXID: position().txid)
        .map { StreamPlan.NextFile(name: $0, preApply: position().postApply) }
    let plan = StreamPlan.decide(
        client: client,
        primary: primary,
        next: next,
        acceptsOverlap: input.byte() & 1 == 1
    )
    switch plan {
    case .upToDate: try require(primary.txid == .zero || client == primary, "\(client) counts as \(primary)")
    case .send:
        try require(client.txid < primary.txid, "a file is sent to a client that is not behind")
        if let next { try require(next.name.maxTXID > client.txid, "a file is sent that the client has") }
    case .snapshot(let reason): try require(!reason.logLines.isEmpty, "no reason for a snapshot")
    }
}
