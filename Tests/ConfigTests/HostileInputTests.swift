import Testing

@testable import Config

/// A small generator whose sequence is given by its seed.
private struct SeededGenerator: RandomNumberGenerator {
    var state: UInt64

    mutating func next() -> UInt64 {
        state &+= 0x9E37_79B9_7F4A_7C15
        var value = state
        value = (value ^ (value >> 30)) &* 0xBF58_476D_1CE4_E5B9
        value = (value ^ (value >> 27)) &* 0x94D0_49BB_1331_11EB
        return value ^ (value >> 31)
    }
}

@Suite struct HostileInputTests {
    private static let template = """
        exec: [{cmd: "a 'b' \\"c\\"", if-candidate: true}]
        data: {dir: /d, retention: 1h2m3.5s}
        fuse: {dir: "/f/../g"}
        http: {addr: "[::1]:20202"}
        lease: {type: static, candidate: ${HOSTNAME == 'a'}, advertise-url: "http://$HOSTNAME:20202/x", databases: [a]}
        log:
          format: json
        tracing: {max-size: 64}
        """

    @Test(arguments: UInt64(1)...16)
    func neverTrapsOnADamagedFile(seed: UInt64) {
        var generator = SeededGenerator(state: seed)
        let alphabet = Array("${}[]:,'\"\\&*!|>%@`-~#?=. \n\taZ09".utf8) + [0, 0x7F, 0xC3, 0xA9, 0xFF]
        let loader = ConfigLoader(homeDirectory: nil) { $0 == "HOSTNAME" ? "a" : nil }
        for _ in 0..<100 {
            var bytes = Array(Self.template.utf8)
            for _ in 0..<Int.random(in: 1...6, using: &generator) {
                let index = Int.random(in: 0..<bytes.count, using: &generator)
                switch Int.random(in: 0..<4, using: &generator) {
                case 0: bytes[index] = alphabet.randomElement(using: &generator) ?? 0
                case 1: bytes.insert(alphabet.randomElement(using: &generator) ?? 0, at: index)
                case 2: bytes.remove(at: index)
                default: bytes.insert(contentsOf: bytes[index...].prefix(20), at: index)
                }
            }
            do throws(ConfigError) {
                let loaded = try loader.decode(bytes, path: "x")
                _ = try ConfigValidation.check(loaded, hostname: "a") { $0 == "/" ? $0 : nil }
            } catch {
                #expect(!error.description.isEmpty)
            }
        }
    }

    @Test func readsALargeFileOfUnknownKeysQuickly() throws {
        let text = (0..<80_000).map { "key\($0):\n" }.joined()
        let clock = ContinuousClock()
        let elapsed = clock.measure { #expect(rejection(text) != nil) }
        #expect(elapsed < .seconds(30))
    }

    @Test func readsALongPathOfFoldersWithoutTroubles() throws {
        let text = "lease: {type: static}\nfuse: {dir: \(String(repeating: "a/", count: 400_000))}"
        #expect(try #require(try invalidity(text)).contains("longer than 4095 bytes"))
    }
}
