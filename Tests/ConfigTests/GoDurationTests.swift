import Testing

@testable import Config

@Suite struct GoDurationTests {
    @Test(arguments: [
        ("0", 0), ("0s", 0), ("+0", 0), ("-0", 0), ("5s", 5_000_000_000), ("-1s", -1_000_000_000),
        ("+5s", 5_000_000_000), ("10ms", 10_000_000), ("3us", 3_000), ("3µs", 3_000), ("3μs", 3_000),
        ("7ns", 7),
        ("1h2m3.5s", 3_723_500_000_000), ("1m30s", 90_000_000_000), (".5s", 500_000_000),
        ("5.s", 5_000_000_000),
        ("1.004s", 1_004_000_000), ("0.3333333333333333333h", 1_200_000_000_000),
        ("-1.5h", -5_400_000_000_000),
        ("1s1s", 2_000_000_000), ("0.100000000000000000000h", 360_000_000_000),
        ("9223372036854775807ns", Int64.max), ("-9223372036854775808ns", Int64.min),
        ("-2562047h47m16.854775808s", Int64.min),
    ])
    func readsWhatGoReads(text: String, nanoseconds: Int64) throws {
        #expect(try GoDuration(parsing: text).nanoseconds == nanoseconds)
    }

    @Test(arguments: [
        ("", #"time: invalid duration """#),
        ("3", #"time: missing unit in duration "3""#),
        ("-", #"time: invalid duration "-""#),
        ("s", #"time: invalid duration "s""#),
        (".", #"time: invalid duration ".""#),
        ("-.", #"time: invalid duration "-.""#),
        (".s", #"time: invalid duration ".s""#),
        ("+.s", #"time: invalid duration "+.s""#),
        ("1d", #"time: unknown unit "d" in duration "1d""#),
        ("10 s", #"time: unknown unit " s" in duration "10 s""#),
        ("1S", #"time: unknown unit "S" in duration "1S""#),
        ("--1s", #"time: invalid duration "--1s""#),
        ("9223372036854775808ns", #"time: invalid duration "9223372036854775808ns""#),
        ("3000000h", #"time: invalid duration "3000000h""#),
        ("99999999999999999999s", #"time: invalid duration "99999999999999999999s""#),
        ("2562047h47m16.854775808s", #"time: invalid duration "2562047h47m16.854775808s""#),
        ("-9223372036854775809ns", #"time: invalid duration "-9223372036854775809ns""#),
    ])
    func refusesWhatGoRefusesInGosWords(text: String, message: String) {
        let failure = #expect(throws: GoDuration.ParseFailure.self) { try GoDuration(parsing: text) }
        #expect(failure?.description == message)
    }

    @Test(arguments: [
        (0, "0s"), (1, "1ns"), (1_100, "1.1µs"), (2_200_000, "2.2ms"), (3_300_000_000, "3.3s"),
        (10_000_000_000, "10s"), (90_000_000_000, "1m30s"), (600_000_000_000, "10m0s"),
        (245_000_000_000, "4m5s"),
        (3_600_000_000_000, "1h0m0s"), (3_723_500_000_000, "1h2m3.5s"), (-1_000_000_000, "-1s"),
        (-1_500_000, "-1.5ms"), (Int64.max, "2562047h47m16.854775807s"),
        (Int64.min, "-2562047h47m16.854775808s"),
    ])
    func printsLikeGo(nanoseconds: Int64, text: String) {
        #expect(GoDuration(nanoseconds: nanoseconds).description == text)
    }

    @Test func convertsAndCompares() {
        #expect(GoDuration.seconds(2).duration == .seconds(2))
        #expect(GoDuration.milliseconds(1_500).description == "1.5s")
        #expect(GoDuration.minutes(-1) < .zero)
    }
}
