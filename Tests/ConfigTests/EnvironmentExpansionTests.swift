import Testing

@testable import Config

@Suite struct EnvironmentExpansionTests {
    private static let environment = [
        "A": "x", "B": "x", "C": "y", "HOSTNAME": "app-0", "LONG_NAME_2": "long", "1": "one", "VAR:-x": "odd",
        "QUOTE": "it's", "$": "dollar", "SPACED": "a b",
    ]

    private func expand(_ text: String) -> String {
        EnvironmentExpansion.expand(text) { Self.environment[$0] }
    }

    @Test(arguments: [
        ("$A", "x"), ("${A}", "x"), ("a$A", "ax"), ("$A-b", "x-b"), ("$A.b", "x.b"), ("$A$C", "xy"),
        ("${A}b", "xb"),
        ("$LONG_NAME_2!", "long!"), ("$UNSET|", "|"), ("${UNSET}|", "|"), ("${ A }", "x"),
        ("# ${A} '$C'", "# x 'y'"),
        ("plain", "plain"), ("", ""), ("é$A€", "éx€"),
    ])
    func replacesNames(text: String, result: String) {
        #expect(expand(text) == result)
    }

    @Test(arguments: [
        ("${HOSTNAME == 'app-0'}", "true"), ("${HOSTNAME == 'app-1'}", "false"),
        ("${HOSTNAME != 'app-0'}", "false"),
        ("${HOSTNAME != 'app-1'}", "true"), ("${HOSTNAME=='app-0'}", "true"),
        ("${HOSTNAME  !=\t'app-0'}", "false"),
        ("${ HOSTNAME == 'app-0' }", "true"), (#"${HOSTNAME == "app-0"}"#, "true"),
        (#"${HOSTNAME != "app-0"}"#, "false"),
        ("${UNSET == ''}", "true"), (#"${UNSET != ""}"#, "false"), ("${QUOTE == 'it's'}", "true"),
        ("${SPACED == 'a b'}", "true"),
    ])
    func comparesWithTexts(text: String, result: String) {
        #expect(expand(text) == result)
    }

    @Test(arguments: [
        ("${A == B}", "true"), ("${A == C}", "false"), ("${A != C}", "true"), ("${A != B}", "false"),
        ("${A == x}", "false"), ("${UNSET == OTHER}", "true"),
    ])
    func takesABareWordForAVariable(text: String, result: String) {
        #expect(expand(text) == result)
    }

    @Test(arguments: [
        ("${VAR:-y}|", "|"), ("${VAR:-x}", "odd"), ("${A = 'x'}|", "|"), ("${A == 'x}|", "|"),
        ("${A == 'x\"}|", "|"),
        ("${A == '}|", "|"), ("${A-B == 'x'}|", "|"), ("${== 'x'}|", "|"), ("${A == 'x' }", "true"),
        ("${A == 'x' && B == 'x'}", "false"), ("${A == 'a\nb'}|", "|"), ("${A ==}|", "|"),
    ])
    func knowsNoOtherExpressions(text: String, result: String) {
        #expect(expand(text) == result)
    }

    @Test(arguments: [
        ("$$", "dollar"), ("$1", "one"), ("$12", "one2"), ("${1}", "one"), ("$*|", "|"), ("$#|", "|"),
        ("$@|", "|"),
        ("$!|", "|"), ("$?|", "|"), ("$-|", "|"), ("$0|", "|"), ("${*}|", "|"), ("${$}", "dollar"),
    ])
    func knowsTheNamesOfOneCharacter(text: String, result: String) {
        #expect(expand(text) == result)
    }

    @Test(arguments: [
        ("${}|", "|"), ("${A", "A"), ("a${", "a"), ("a$", "a$"), ("$ A", "$ A"), ("$.", "$."), ("$\n", "$\n"),
        ("${}}", "}"), ("$é", "$é"), ("$=", "$="),
    ])
    func treatsBadSyntaxAsGoDoes(text: String, result: String) {
        #expect(expand(text) == result)
    }

    @Test func doesNotExpandAValueAgain() {
        #expect(EnvironmentExpansion.expand("$A") { _ in "$A" } == "$A")
    }

    @Test func stopsSoonAfterTheLimit() {
        let value = String(repeating: "v", count: 1_000)
        let text = String(repeating: "$A", count: 1_000)
        let result = EnvironmentExpansion.expand(text, limit: 5_000) { _ in value }
        #expect(result.utf8.count == 6_000)
    }
}
