import Testing

@testable import Config

@Suite struct ShellWordsTests {
    @Test(arguments: [
        ("app -x y", ["app", "-x", "y"]), ("  app\t-x\r\n", ["app", "-x"]), ("", []), ("   ", []),
        ("app 'a b'", ["app", "a b"]), (#"app "a b""#, ["app", "a b"]), ("app ''", ["app", ""]),
        (#"app """#, ["app", ""]), (#"a'b c'"d e"f"#, ["ab cd ef"]), (#"app "it's""#, ["app", "it's"]),
        (#"app 'say "x"'"#, ["app", #"say "x""#]), (#"app $HOME ~ * #x"#, ["app", "$HOME", "~", "*", "#x"]),
        (#"app a=b"#, ["app", "a=b"]),
        ("sh -c 'a && b | c > d; (e) `f`'", ["sh", "-c", "a && b | c > d; (e) `f`"]),
        ("größe 'é'", ["größe", "é"]),
    ])
    func splitsAtBlanksOutsideQuotes(line: String, words: [String]) throws {
        #expect(try ShellWords.split(line) == words)
    }

    @Test(arguments: [
        (#"a\ b"#, ["a b"]), (#"\"a\""#, [#""a""#]), (#"'a\b'"#, [#"a\b"#]), (#""a\"b""#, [#"a"b"#]),
        (#"a\\b"#, [#"a\b"#]), (#"a\tb"#, ["a\tb"]), (#""a\nb""#, ["a\nb"]), (#"\;\|"#, [";|"]),
        (#"\ "#, [" "]),
        (#""a\xb""#, ["axb"]),
    ])
    func keepsTheCharacterAfterABackslash(line: String, words: [String]) throws {
        #expect(try ShellWords.split(line) == words)
    }

    @Test(arguments: [
        ("app 'x", "the quote ' at character 5 is never closed"),
        (#"app "x"#, "the quote \" at character 5 is never closed"),
        (#"app \"#, "it ends in a backslash"),
        (#"app "x\"#, "the quote \" at character 5 is never closed"),
    ])
    func refusesAnOpenEnd(line: String, message: String) throws {
        let failure = #expect(throws: ShellWords.Failure.self) { try ShellWords.split(line) }
        let text = try #require(failure).description
        #expect(text.hasPrefix("invalid command line string: \(message)"))
    }

    @Test(arguments: [";", "&", "|", "<", ">", "(", ")", "`"])
    func refusesWhatOnlyAShellUnderstands(mark: String) throws {
        let failure = #expect(throws: ShellWords.Failure.self) { try ShellWords.split("a 'b' \(mark) c") }
        #expect(
            try #require(failure).description
                == "invalid command line string: \(mark) at character 7 has no meaning here, since no shell runs the "
                + "command; write sh -c 'a '\\''b'\\'' \(mark) c', or quote the character to pass it on"
        )
    }

    @Test func suggestsALineThatSplitsIntoTheSameShellCommand() throws {
        #expect(try ShellWords.split(#"sh -c 'a '\''b'\'' | c'"#) == ["sh", "-c", "a 'b' | c"])
    }

    @Test func wantsAProgramInACommand() {
        #expect(throws: ShellWords.Failure.self) { try Config.Command(cmd: " ").words() }
        #expect(throws: ShellWords.Failure.self) { try Config.Command(cmd: "'' x").words() }
        #expect(throws: Never.self) { try Config.Command(cmd: "app").words() }
    }
}
