/// Changes an input at random, as hostile hands and bad disks would.
public struct Mutation<Random: RandomNumberGenerator> {
    private var random: Random
    private static var interesting: [UInt8] { [0, 1, 0x7F, 0x80, 0xFF, 0x20, 0x2F, 0x25] }

    /// Draws from `random`.
    public init(_ random: Random) { self.random = random }

    /// A changed input of at most `limit` bytes.
    public mutating func change(_ seed: [UInt8], limit: Int) -> [UInt8] {
        var bytes = Array(seed.prefix(limit))
        for _ in 0...Int.random(in: 0..<4, using: &random) {
            let place = Int.random(in: 0...bytes.count, using: &random)
            switch Int.random(in: 0..<8, using: &random) {
            case 0 where place < bytes.count: bytes[place] = UInt8.random(in: 0...255, using: &random)
            case 1 where place < bytes.count: bytes[place] ^= 1 << UInt8.random(in: 0..<8, using: &random)
            case 2 where place < bytes.count:
                bytes[place] = Self.interesting.randomElement(using: &random) ?? 0
            case 3: bytes.removeLast(bytes.count - place)
            case 4:
                bytes.insert(
                    contentsOf: (0..<Int.random(in: 1...16, using: &random))
                        .map { _ in UInt8.random(in: 0...255, using: &random) },
                    at: place
                )
            case 5: bytes.insert(contentsOf: bytes[place...].prefix(600), at: place)
            case 6 where place + 8 <= bytes.count:
                let byte: UInt8 = Bool.random(using: &random) ? 0xFF : 0
                for index in place..<place + Int.random(in: 1...8, using: &random) { bytes[index] = byte }
            case 7 where place < bytes.count: bytes.remove(at: place)
            default: bytes.append(UInt8.random(in: 0...255, using: &random))
            }
        }
        return Array(bytes.prefix(limit))
    }
}
