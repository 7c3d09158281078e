import POSIX
import Testing

@testable import Config

@Suite struct ConfigValidationTests {
    private let lease = "lease: {type: static}"

    @Test func acceptsTheSmallestPrimary() throws {
        #expect(try invalidity(lease) == nil)
    }

    @Test(arguments: [
        (
            "fuse: {dir: \"\"}",
            "fuse directory required; write where to mount, such as /litefs (fuse.dir, line 2)"
        ),
        (
            "data: {dir: \"\"}",
            "data directory required; write where to keep the data, such as /var/lib/litefs (data.dir, line 2)"
        ),
        (
            "fuse: {dir: /x}\ndata: {dir: /x}",
            "fuse directory and data directory cannot be the same path: fuse.dir is \"/x\" and data.dir is \"/x\"; choose "
                + "two folders side by side, such as /litefs and /var/lib/litefs (fuse.dir, line 2)"
        ),
        (
            "fuse: {dir: /x/}\ndata: {dir: //x}",
            "fuse directory and data directory cannot be the same path: fuse.dir is \"/x/\", which is \"/x\" and data.dir "
                + "is \"//x\", which is \"/x\"; choose two folders side by side, such as /litefs and /var/lib/litefs "
                + "(fuse.dir, line 2)"
        ),
        (
            "fuse: {dir: /x/mnt}\ndata: {dir: /x}",
            "fuse directory cannot be inside the data directory: fuse.dir is \"/x/mnt\" and data.dir is \"/x\"; choose two "
                + "folders side by side, such as /litefs and /var/lib/litefs (fuse.dir, line 2)"
        ),
        (
            "data: {dir: /litefs/data}",
            "data directory cannot be inside the fuse directory: fuse.dir is \"/litefs\" and data.dir is "
                + "\"/litefs/data\"; choose two folders side by side, such as /litefs and /var/lib/litefs (fuse.dir)"
        ),
        (
            "data: {local: [\"*.tmp\", \"folder/*\"]}",
            "data.local[1] is a path: \"folder/*\"; write a pattern for names in fuse.dir itself, such as *.tmp "
                + "(data.local[1], line 2)"
        ),
        (
            "fuse: {passthrough: yes please}",
            "invalid fuse.passthrough: \"yes please\"; write auto, on or off (fuse.passthrough, line 2)"
        ),
        (
            "log: {format: xml}",
            "invalid log format: \"xml\"; write text or json (log.format, line 2)"
        ),
        (
            "backup: {type: s3}",
            "invalid backup client type: \"s3\"; write file or litefs-cloud, or remove it (backup.type, line 2)"
        ),
        (
            "proxy: {target: x, addr: \":1\"}",
            "proxy database name required; name the database whose TXID the cookie carries, or remove proxy.target "
                + "(proxy.db)"
        ),
        (
            "proxy: {target: x, db: y}",
            "proxy bind address required; write where the proxy listens, such as :8080, or remove proxy.target (proxy.addr)"
        ),
        (
            "exec: \"app 'x\"",
            "cannot parse exec command: invalid command line string: the quote ' at character 5 is never closed; close it, "
                + "or write \\' for the character itself; the command is \"app 'x\" (exec, line 2)"
        ),
        (
            "exec:\n  - cmd: a\n  - cmd: a | b",
            "cannot parse exec command: invalid command line string: | at character 3 has no meaning here, since no shell "
                + "runs the command; write sh -c 'a | b', or quote the character to pass it on; the command is "
                + "\"a | b\" (exec[1].cmd, line 4)"
        ),
        (
            "exec: ''",
            "cannot parse exec command: the command is empty; write the program to run, or remove it; the command is \"\" "
                + "(exec, line 2)"
        ),
        (
            "exec: A=b app",
            "cannot parse exec command: \"A=b\" sets a variable, which only a shell does; write env A=b app; the command "
                + "is \"A=b app\" (exec, line 2)"
        ),
    ])
    func saysWhatIsWrongAndWhatToWrite(text: String, message: String) throws {
        #expect(try invalidity(lease + "\n" + text) == message)
    }

    @Test(arguments: ["", "Static", "etcd"])
    func wantsALeaseType(type: String) throws {
        #expect(
            try invalidity("lease: {type: \"\(type)\"}")
                == "invalid lease type, must be either 'consul' or 'static', got: '\(type)'; write lease: {type: static} "
                + "and set lease.candidate, or lease: {type: kubernetes} for a primary that may change (lease.type, line 1)"
        )
    }

    @Test func wantsALeaseTypeEvenWithoutTheSection() throws {
        let text = try #require(try invalidity("skip-sync: true"))
        #expect(text.hasPrefix("invalid lease type, must be either 'consul' or 'static', got: '';"))
    }

    @Test func saysThatConsulIsNotBuiltOnlyWhenAllElseIsRight() throws {
        let consul = "lease: {type: consul, consul: {url: \"http://c\", key: k}}"
        #expect(
            try invalidity(consul)
                == "lease type 'consul' is not built yet; use 'static', with candidate: true on one node and false on all "
                + "others (lease.type, line 1)"
        )
        #expect(try invalidity(consul + "\nlog: {format: xml}")?.hasPrefix("invalid log format") == true)
        #expect(throws: ConfigError.self) { try ConfigValidation.check(try load(consul), hostname: "") }
    }

    @Test func refusesAFilterOnACandidate() throws {
        #expect(
            try invalidity("lease: {type: static, databases: [a]}")
                == "cannot specify a database replication filter on candidate nodes; remove lease.databases, or set "
                + "lease.candidate to false if this node is a replica (lease.databases, line 1)"
        )
        let replica =
            "lease: {type: static, candidate: false, hostname: p, advertise-url: \"http://p\", databases: [a]}"
        #expect(try invalidity(replica) == nil)
    }

    @Test func reportsProblemsInTheOrderOfLiteFS() throws {
        let text = "log: {format: x}\nlease: {databases: [a]}\ndata: {dir: \"\"}"
        let lines = try #require(try invalidity(text)).split(separator: "\n")
        #expect(lines.count == 4)
        #expect(lines[0].hasPrefix("data directory required"))
        #expect(lines[1].hasPrefix("invalid lease type"))
        #expect(lines[2].hasPrefix("cannot specify a database replication filter"))
        #expect(lines[3].hasPrefix("invalid log format"))
        let both = try #require(try invalidity("fuse: {dir: \"\"}\ndata: {dir: \"\"}\n" + lease))
        #expect(both.hasPrefix("fuse directory required") && !both.contains("\n"))
    }

    @Test func followsLinksBeforeComparing() throws {
        let links = ["/": "/", "/link": "/var/lib", "/var": "/var", "/var/lib": "/var/lib"]
        #expect(
            try invalidity(lease + "\nfuse: {dir: /link/litefs/mnt}") { links[$0] }
                == "fuse directory cannot be inside the data directory: fuse.dir is \"/link/litefs/mnt\", which is "
                + "\"/var/lib/litefs/mnt\" and data.dir is \"/var/lib/litefs\"; choose two folders side by side, such as "
                + "/litefs and /var/lib/litefs (fuse.dir, line 2)"
        )
    }

    @Test func followsRealLinks() throws {
        let base = "/tmp/litefs-config-\(UInt64.random(in: 0 ... .max))"
        try Files.makeDirectories(base + "/real")
        defer { try? Files.removeTree(base) }
        let linked = try ChildProcess(["ln", "-s", base + "/real", base + "/link"]).waitForExit()
        try #require(linked == .code(0))
        let loaded = try load(lease + "\nfuse: {dir: \(base)/link/a/b}\ndata: {dir: \(base)/real/a}")
        let error = #expect(throws: ConfigError.self) { try ConfigValidation.check(loaded, hostname: "") }
        #expect(
            try #require(error).description.contains("fuse directory cannot be inside the data directory")
        )
    }

    @Test func refusesAPathThatNoSystemCanOpen() throws {
        let path = String(repeating: "/x", count: 3_000)
        #expect(
            try #require(try invalidity(lease + "\nfuse: {dir: \(path)}"))
                .hasPrefix("fuse.dir is longer than 4095")
        )
        #expect(
            try #require(try invalidity(lease + "\ndata: {dir: \(path)}"))
                .hasPrefix("data.dir is longer than 4095")
        )
    }

    @Test func takesTheCommandOfTheCommandLineInstead() throws {
        var loaded = try load(lease + "\nexec: [{cmd: \"bad | pipe\"}]")
        loaded.replaceExec(with: "app 'x y'")
        #expect(loaded.config.exec == [Config.Command(cmd: "app 'x y'")])
        #expect(loaded.line(of: "exec") == nil && loaded.line(of: "exec[0].cmd") == nil)
        #expect(try ConfigValidation.check(loaded, hostname: "").isEmpty)
        loaded.replaceExec(with: "a & b")
        let error = #expect(throws: ConfigError.self) { try ConfigValidation.check(loaded, hostname: "") }
        #expect(try #require(error).description.hasSuffix("(exec)"))
    }

    @Test func givesTheWarningsOfTheLeaseWithTheirLines() throws {
        let loaded = try load("\nlease: {type: static, candidate: false, advertise-url: \"http://p:1\"}")
        #expect(
            try ConfigValidation.check(loaded, hostname: "n", systemHostname: "n") == [
                "lease.hostname is not set, so .primary on the mount will name no host; write the primary's host name "
                    + "(lease.hostname)"
            ]
        )
    }
}

@Suite struct DirectoryNestingTests {
    @Test(arguments: [
        ("/a", "/b", DirectoryNesting.Relation.apart), ("/a", "/ab", .apart), ("/a/b", "/a/c", .apart),
        ("/a", "/a", .same), ("/", "/", .same), ("/a/b", "/a", .firstInsideSecond),
        ("/a", "/", .firstInsideSecond),
        ("/a", "/a/b/c", .secondInsideFirst),
    ])
    func comparesWholeNames(first: String, second: String, relation: DirectoryNesting.Relation) {
        #expect(DirectoryNesting.relation(first, second) == relation)
    }

    @Test(arguments: [
        ("/real/x", "/real/x"), ("/link", "/real"), ("/link/x/y", "/real/x/y"), ("x/y", "/home/x/y"),
        ("", "/home"),
        (".", "/home"), ("/nothing/../link2", "/link2"), ("/nothing/./x/..", "/nothing"), ("/", "/"),
    ])
    func resolvesTheLongestBeginningThatExists(path: String, target: String) {
        let existing = ["/": "/", "/real": "/real", "/link": "/real", ".": "/home"]
        #expect(DirectoryNesting.resolve(path) { existing[$0] } == target)
    }

    @Test func takesAPathAsItIsWhenNothingExists() {
        #expect(DirectoryNesting.resolve("/a/b") { _ in nil } == "/a/b")
    }
}
