import POSIX
import Testing

@testable import Config

/// A folder for one test, removed with its content at the end.
private final class Folder {
    let path: String

    init() throws {
        let base = try Files.realPath("/tmp")
        path = "\(base)/litefs-config-\(UInt64.random(in: 0 ... .max))"
        try Files.makeDirectory(path)
    }

    deinit { try? Files.removeTree(path) }

    func write(_ text: String, to name: String = "litefs.yml") throws {
        let file = try FileDescriptor.open("\(path)/\(name)", [.writeOnly, .create, .truncate])
        try file.write(Array(text.utf8), at: 0)
    }
}

@Suite struct ConfigLoaderTests {
    @Test func searchesTheCurrentFolderThenHomeThenEtc() {
        let loader = ConfigLoader(currentDirectory: "/srv/x", homeDirectory: "/home/me/") { _ in nil }
        #expect(loader.searchPaths == ["/srv/x/litefs.yml", "/home/me/litefs.yml", "/etc/litefs.yml"])
        let homeless = ConfigLoader(currentDirectory: "/", homeDirectory: nil) { _ in nil }
        #expect(homeless.searchPaths == ["/litefs.yml", "/etc/litefs.yml"])
        let current = ConfigLoader(homeDirectory: "") { _ in nil }.searchPaths
        #expect(current.count == 2 && current[0].hasPrefix("/") && current[0].hasSuffix("/litefs.yml"))
    }

    @Test func takesTheFirstFileThereIs() throws {
        let current = try Folder()
        let home = try Folder()
        try home.write("lease: {type: home}")
        let loader = ConfigLoader(currentDirectory: current.path, homeDirectory: home.path) { _ in nil }
        let first = try loader.load()
        #expect(first.config.lease.type == "home")
        #expect(first.path == home.path + "/litefs.yml" && first.isFromSearch)

        try current.write("lease: {type: current}")
        #expect(try loader.load(path: "").config.lease.type == "current")
    }

    @Test func doesNotSearchPastABrokenFile() throws {
        let current = try Folder()
        let home = try Folder()
        try current.write("x: y")
        try home.write("lease: {type: home}")
        let loader = ConfigLoader(currentDirectory: current.path, homeDirectory: home.path) { _ in nil }
        #expect(throws: ConfigError.self) { try loader.load() }
    }

    @Test func readsTheFileThatIsNamed() throws {
        let folder = try Folder()
        try folder.write("lease: {type: $TYPE}", to: "other.yml")
        let loader = ConfigLoader(currentDirectory: folder.path, homeDirectory: nil) {
            $0 == "TYPE" ? "static" : nil
        }
        let loaded = try loader.load(path: folder.path + "/other.yml")
        #expect(loaded.config.lease.type == "static")
        #expect(!loaded.isFromSearch && loaded.path == folder.path + "/other.yml")
        let literal = try loader.load(path: folder.path + "/other.yml", expandsEnvironment: false)
        #expect(literal.config.lease.type == "$TYPE")
    }

    @Test func saysWhereItSearched() {
        let error = ConfigError.notFound(searched: ["/a/litefs.yml", "/etc/litefs.yml"])
        #expect(
            error.description
                == "config file not found; looked for /a/litefs.yml, /etc/litefs.yml; write one of them, or name a file "
                + "with -config PATH"
        )
    }

    @Test func saysWhyAFileCannotBeRead() throws {
        let folder = try Folder()
        let loader = ConfigLoader(homeDirectory: nil) { _ in nil }
        let missing = #expect(throws: ConfigError.self) { try loader.load(path: folder.path + "/x.yml") }
        #expect(
            try #require(missing).description.hasPrefix("cannot read config file at \(folder.path)/x.yml: ")
        )
        let directory = #expect(throws: ConfigError.self) { try loader.load(path: folder.path) }
        #expect(try #require(directory).description.hasPrefix("cannot read config file at \(folder.path): "))
    }

    @Test func doesNotReadAFileThatIsTooLarge() throws {
        let folder = try Folder()
        try folder.write(String(repeating: "#", count: ConfigLoader.sizeLimit + 1))
        let loader = ConfigLoader(currentDirectory: folder.path, homeDirectory: nil) { _ in nil }
        let path = folder.path + "/litefs.yml"
        #expect(throws: ConfigError.tooLarge(path: path, limit: ConfigLoader.sizeLimit, isExpanded: false)) {
            try loader.load()
        }
    }

    @Test func namesKeysWithoutEffectInOneLineInTheOrderOfTheFile() throws {
        let text = """
            strict-verify: false
            proxy: {addr: ":1", max-lag: 1s}
            lease: {type: static, promote: true, demote-delay: 10s, consul: {key: k}}
            http: {addr: ":2", snapshot-timeout: 1s}
            backup: {type: file}
            tracing: {enabled: true}
            """
        #expect(
            try load(text).warnings == [
                "config: not built yet, so this has no effect yet: strict-verify, proxy.addr, lease.consul.key, "
                    + "lease.demote-delay, lease.promote, http.snapshot-timeout, backup.type, tracing.enabled"
            ]
        )
    }

    @Test func doesNotWarnOfKeysThatWork() throws {
        let text =
            "proxy: {max-lag: 1s}\nlease: {type: static, consul: }\nbackup: {type: ~}\ndata: {compress: false}"
        #expect(try load(text).warnings.isEmpty)
    }

    @Test func warnsOfABackupThatTheEnvironmentAsksFor() throws {
        let warnings = try load("skip-sync: true", environment: ["LITEFS_CLOUD_TOKEN": "secret"]).warnings
        #expect(warnings.first?.hasSuffix("environment variable LITEFS_CLOUD_TOKEN") == true)
        #expect(try load("skip-sync: true", environment: ["LITEFS_CLOUD_TOKEN": ""]).warnings.isEmpty)
    }

    @Test func warnsOfEveryKeyThatHasNoEffectAndNoOther() {
        let idle = ConfigSchema.keys.values.filter { !$0.hasEffect }.map(\.path)
        for path in idle {
            let isExpected =
                path.hasPrefix("lease.consul.") || path.hasPrefix("backup.") || path.hasPrefix("tracing.")
                || path.hasPrefix("proxy.")
                || ["lease.promote", "lease.demote-delay", "http.snapshot-timeout", "strict-verify"]
                    .contains(path)
            #expect(isExpected, "\(path)")
        }
        #expect(idle.count == 29)
    }
}
