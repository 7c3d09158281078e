import Testing

@testable import Config

@Suite struct ConfigRejectionTests {
    /// What a file with one bad field is rejected with.
    private func field(_ line: Int, _ message: String) -> String {
        "cannot unmarshal config file at /etc/litefs.yml: yaml: unmarshal errors:\n  line \(line): \(message)"
    }

    @Test(arguments: [
        (
            "data:\n  compres: true", 2,
            "field compres not found in type main.DataConfig; data.compres is no setting; did you mean data.compress?"
        ),
        (
            "dta:\n  dir: x", 1,
            "field dta not found in type main.Config; dta is no setting; did you mean data?"
        ),
        (
            "lease: {advertise_url: x}", 1,
            "field advertise_url not found in type main.LeaseConfig; lease.advertise_url is no setting; did you mean "
                + "lease.advertise-url?"
        ),
        (
            "candidate: true", 1,
            "field candidate not found in type main.Config; candidate is no setting; did you mean lease.candidate?"
        ),
        (
            "\n\nretention: 1h", 3,
            "field retention not found in type main.Config; retention is no setting; did you mean data.retention?"
        ),
        (
            "dir: x", 1,
            "field dir not found in type main.Config; dir is no setting; did you mean data.dir or fuse.dir?"
        ),
        (
            "log: {level: x}", 1,
            "field level not found in type main.LogConfig; log.level is no setting; the keys of log are debug, format, "
                + "timestamp"
        ),
        (
            "lease: {consul: {tll: 1s}}", 1,
            "field tll not found in type main.LeaseConfig.Consul; lease.consul.tll is no setting; did you mean "
                + "lease.consul.ttl?"
        ),
        (
            "data.dir: /x", 1,
            "field data.dir not found in type main.Config; data.dir is no setting; write data: on a line of its own and "
                + "dir: below it, indented"
        ),
        (
            "lease.consul: {}", 1,
            "field lease.consul not found in type main.Config; lease.consul is no setting; write lease: on a line of "
                + "its own and consul: below it, indented"
        ),
        (
            "consul: {url: x}", 1,
            "field consul not found in type main.Config; consul is no setting; did you mean lease.consul?"
        ),
    ])
    func namesAnUnknownKeyAndTheOneThatWasMeant(text: String, line: Int, message: String) {
        #expect(rejection(text) == field(line, message))
    }

    @Test(arguments: [
        ("skip-sync: maybe", "cannot unmarshal !!str `maybe` into bool; skip-sync needs true or false"),
        ("skip-sync: 1", "cannot unmarshal !!int `1` into bool; skip-sync needs true or false"),
        ("skip-sync: []", "cannot unmarshal !!seq into bool; skip-sync needs true or false"),
        (
            "lease: {candidate: \"true\"}",
            "cannot unmarshal !!str `true` into bool; remove the quotes around the value of lease.candidate"
        ),
        (
            "data: {retention: 10}",
            "cannot unmarshal !!int `10` into time.Duration; time: missing unit in duration \"10\"; data.retention needs "
                + "a number and a unit (ns, us, ms, s, m, h), such as 10s or 1m30s"
        ),
        (
            "proxy: {max-lag: 1d}",
            "cannot unmarshal !!str `1d` into time.Duration; time: unknown unit \"d\" in duration \"1d\"; proxy.max-lag "
                + "needs a number and a unit (ns, us, ms, s, m, h), such as 10s or 1m30s"
        ),
        (
            "proxy: {max-lag: 1.5}",
            "cannot unmarshal !!float `1.5` into time.Duration; time: missing unit in duration \"1.5\"; proxy.max-lag "
                + "needs a number and a unit (ns, us, ms, s, m, h), such as 10s or 1m30s"
        ),
        (
            "data: {retention: {}}",
            "cannot unmarshal !!map into time.Duration; data.retention needs a duration such as 10s"
        ),
        (
            "tracing: {max-size: x}",
            "cannot unmarshal !!str `x` into int; tracing.max-size needs a whole number, 0 or more"
        ),
        (
            "tracing: {max-size: -1}",
            "cannot unmarshal !!int `-1` into int; tracing.max-size needs a whole number, 0 or more"
        ),
        (
            "tracing: {max-size: 99999999999}",
            "cannot unmarshal !!int `99999999999` into int; tracing.max-size needs a whole number, 0 or more"
        ),
        (
            "data: {dir: [x]}",
            "cannot unmarshal !!seq into string; data.dir needs one text, not a list or keys"
        ),
        ("data: {dir: \"a\\0b\"}", "data.dir contains a NUL character; remove it"),
        (
            "lease: {databases: a.db}",
            "cannot unmarshal !!str `a.db` into []string; lease.databases needs a list, such as [\"first\", \"second\"]"
        ),
        ("lease: {databases: [\"\"]}", "lease.databases[0] is empty; write a text or remove the entry"),
        (
            "lease: {databases: [a, [b]]}",
            "cannot unmarshal !!seq into string; lease.databases[1] needs one text, not a list or keys"
        ),
        (
            "http: {addr: 20202}",
            "address \"20202\": missing port in address; http.addr needs HOST:PORT, or :PORT for all addresses, such as "
                + ":20202"
        ),
        (
            "proxy: {addr: \":x\"}",
            "address \":x\": invalid port \"x\"; proxy.addr needs HOST:PORT, or :PORT for all addresses, such as :20202"
        ),
        (
            "data: x",
            "cannot unmarshal !!str `x` into main.DataConfig; data needs keys, each on its own line with its value after "
                + "a colon"
        ),
        (
            "[a]",
            "cannot unmarshal !!seq into main.Config; the file needs keys, each on its own line with its value after a colon"
        ),
        (
            "just text",
            "cannot unmarshal !!str `just text` into main.Config; the file needs keys, each on its own line with its "
                + "value after a colon"
        ),
        ("[a]: b", "a key must be a word; found !!seq"),
    ])
    func saysWhichTypeAValueNeeds(text: String, message: String) {
        #expect(rejection(text) == field(1, message))
    }

    @Test(arguments: [
        (
            "exec: 12",
            "invalid exec config format; found !!int `12`, but exec needs one command line, or a list of entries with cmd "
                + "and if-candidate"
        ),
        (
            "exec: {cmd: x}",
            "invalid exec config format; found !!map, but exec needs one command line, or a list of entries with cmd and "
                + "if-candidate"
        ),
        (
            "exec: [app]",
            "cannot unmarshal !!str `app` into main.ExecConfig; write the entry as - cmd: \"PROGRAM ARGUMENTS\""
        ),
        (
            "exec: [{if-candidate: true}]",
            "exec[0] has no cmd; write the command line as cmd: \"PROGRAM ARGUMENTS\""
        ),
        ("exec: [{cmd: }]", "exec[0] has no cmd; write the command line as cmd: \"PROGRAM ARGUMENTS\""),
        (
            "exec: [{cmd: x, if_candidate: true}]",
            "field if_candidate not found in type main.ExecConfig; the keys of exec[0] are cmd, if-candidate"
        ),
        (
            "exec: [{cmd: x, if-candidate: 2}]",
            "cannot unmarshal !!int `2` into bool; exec[0].if-candidate needs true or false"
        ),
        ("exec: [{cmd: x, cmd: y}]", "mapping key \"cmd\" already defined; remove one of the two"),
        (
            "exec: [{cmd: x}, {cmd: [y]}]",
            "cannot unmarshal !!seq into string; exec[1].cmd needs one text, not a list or keys"
        ),
        ("exec: [{[a]: x, cmd: y}]", "a key must be a word; found !!seq"),
    ])
    func saysWhatACommandLooksLike(text: String, message: String) {
        #expect(rejection(text) == field(1, message))
    }

    @Test func namesADuplicateKeyAndItsFirstLine() {
        #expect(
            rejection("data:\n  dir: /a\n  compress: true\n  dir: /b")
                == field(
                    4,
                    "mapping key \"dir\" already defined at line 2; data.dir may stand only once: remove one of the two"
                )
        )
        #expect(
            rejection("log: {}\nlog: {}")?.contains("line 2: mapping key \"log\" already defined at line 1")
                == true
        )
    }

    @Test func reportsAllProblemsUpToALimit() throws {
        let two = try #require(rejection("skip-sync: 1\ndata:\n  dirr: x"))
        #expect(two.contains("\n  line 1: ") && two.contains("\n  line 3: "))
        let many = try #require(rejection((0..<100).map { "key\($0): x" }.joined(separator: "\n")))
        #expect(many.split(separator: "\n").count == 1 + ConfigDecoder.problemLimit)
    }

    @Test(arguments: [
        ("\tdata:", 1, "indent with spaces, not tabs"),
        ("data:\n\tdir: x", 2, "indent with spaces, not tabs"),
        (
            "data: a: b", 1,
            "mapping values are not allowed in this context; check the indentation, and that the line above has its colon; put"
        ),
        (
            "data:\n  dir: \"x", 2,
            "found unexpected end of stream; a quote that was opened above is never closed"
        ),
        ("skip-sync: true\nfuse\nlog: {}", 3, "every key needs a colon"),
        ("data\nfuse:", 2, "check the indentation, and that the line above has its colon"),
        ("a: [b", 2, "check the indentation and the quotes"),
        ("a: &x 1", 1, "anchors (&name) are not read"),
        ("a: &x [1]", 1, "anchors (&name) are not read"),
        ("a: &x {}", 1, "anchors (&name) are not read"),
        ("a: *x", 1, "aliases (*name) are not read"),
        ("a: !!int 1", 1, "tags (!name) are not read"),
        ("a: !x [1]", 1, "tags (!name) are not read"),
        ("skip-sync: true\n---\nskip-sync: false", 2, "a second document begins here"),
        ("a: \"\\x\"", 1, "check the indentation and the quotes"),
        ("a: \u{1}", 1, "the file must be UTF-8 text"),
    ])
    func saysWhereTheTextIsNoYAML(text: String, line: Int, message: String) throws {
        let text = try #require(rejection(text))
        #expect(text.hasPrefix("cannot unmarshal config file at /etc/litefs.yml: yaml: line \(line): "))
        #expect(text.contains(message))
    }

    @Test func boundsTheDepth() throws {
        let deep = String(repeating: "[", count: 100_000)
        #expect(try #require(rejection("exec: " + deep)).contains("nested deeper than 32 levels"))
        let nearly = String(repeating: "[", count: 31) + String(repeating: "]", count: 31)
        #expect(try #require(rejection("exec: " + nearly)).contains("main.ExecConfig"))
    }

    @Test(arguments: ["", "\n\n", "# nothing\n", "---\n", "~", "null"])
    func saysThatAFileIsEmpty(text: String) {
        #expect(rejection(text)?.hasPrefix("EOF: the config file at /etc/litefs.yml is empty") == true)
    }

    @Test func refusesWhatIsNoText() {
        let loader = ConfigLoader(homeDirectory: nil) { _ in nil }
        #expect(throws: ConfigError.unreadable(path: "x", reason: "it is not UTF-8 text")) {
            try loader.decode([0x61, 0xFF, 0xFE], path: "x")
        }
    }

    @Test func boundsTheSizeBeforeAndAfterExpansion() {
        let large = "# " + String(repeating: "x", count: ConfigLoader.sizeLimit)
        #expect(rejection(large)?.contains("larger than 1048576 bytes; is this") == true)
        let small = "# " + String(repeating: "$A", count: 2_000)
        let value = String(repeating: "v", count: 1_000)
        let message = rejection(small, environment: ["A": value])
        #expect(
            message?.contains("larger than 1048576 bytes after environment variables were expanded") == true
        )
    }

    @Test func showsControlCharactersAndLongTextsShortened() throws {
        let text = try #require(rejection("skip-sync: \"a\\x1b\(String(repeating: "b", count: 500))\""))
        #expect(text.contains("`a\\x1b" + String(repeating: "b", count: 38) + "…`"))
    }

    @Test(arguments: [
        ("abc", "abc", 0), ("", "abc", 3), ("abc", "", 3), ("abc", "acb", 1), ("abc", "abd", 1),
        ("ab", "b", 1),
    ])
    func measuresHowFarWordsAreApart(left: String, right: String, distance: Int) {
        #expect(KeySuggestion.distance(left, right) == distance)
    }
}
