import Testing

@testable import Config

@Suite struct ConfigDecodingTests {
    @Test func hasTheDefaultsOfLiteFS() throws {
        let config = try load("exec:\n").config
        #expect(config == Config())
        #expect(config.exitOnError && !config.skipSync && !config.strictVerify && config.exec.isEmpty)
        #expect(config.data.dir == "/var/lib/litefs" && config.data.compress)
        #expect(config.data.retention.description == "10m0s")
        #expect(config.data.retentionMonitorInterval.description == "1m0s")
        #expect(config.data.local == ["*.tmp", "*-serving-copy", ".*-litestream"])
        #expect(
            config.fuse.dir == "/litefs" && !config.fuse.allowOther && config.fuse.passthrough == "auto"
                && !config.fuse.debug
        )
        #expect(config.http.addr.description == ":20202" && config.http.snapshotTimeout == .zero)
        #expect(config.proxy.addr == nil && config.proxy.target.isEmpty && config.proxy.db.isEmpty)
        #expect(config.proxy.maxLag == .seconds(10) && !config.proxy.debug)
        #expect(config.proxy.passthrough.isEmpty && config.proxy.alwaysForward.isEmpty)
        #expect(config.proxy.primaryRedirectTimeout == .seconds(5))
        #expect(config.proxy.readTimeout == .zero && config.proxy.writeTimeout == .zero)
        #expect(config.proxy.readHeaderTimeout == .seconds(10) && config.proxy.idleTimeout == .seconds(30))
        #expect(
            config.lease.type.isEmpty && config.lease.hostname.isEmpty && config.lease.advertiseURL.isEmpty
        )
        #expect(config.lease.candidate && !config.lease.promote && config.lease.databases.isEmpty)
        #expect(config.lease.reconnectDelay == .seconds(1) && config.lease.demoteDelay == .seconds(10))
        #expect(config.lease.consul.url.isEmpty && config.lease.consul.key.isEmpty)
        #expect(config.lease.consul.ttl == .seconds(10) && config.lease.consul.lockDelay == .seconds(1))
        #expect(config.backup.type.isEmpty && config.backup.path.isEmpty && config.backup.cluster.isEmpty)
        #expect(config.backup.url == "https://litefs.fly.io" && config.backup.authToken.isEmpty)
        #expect(config.log.format == "text" && !config.log.timestamp && !config.log.debug)
        #expect(config.tracing.enabled && config.tracing.path.isEmpty && config.tracing.compress)
        #expect(config.tracing.maxSize == 64 && config.tracing.maxCount == 8)
    }

    @Test func readsEveryKey() throws {
        let loaded = try load(
            """
            exit-on-error: false
            skip-sync: true
            strict-verify: true
            exec:
              - cmd: "migrate"
                if-candidate: true
              - cmd: serve
            data: {dir: /d, compress: false, retention: 1h, retention-monitor-interval: -1s, local: ["*.scratch"]}
            fuse: {dir: /f, allow-other: true, passthrough: "on", debug: true}
            http: {addr: "127.0.0.1:1", snapshot-timeout: 2m}
            proxy:
              addr: ":8080"
              target: localhost:8081
              db: my.db
              max-lag: 0s
              debug: true
              passthrough: ["*.js", "/api/*"]
              always-forward: [/ws]
              primary-redirect-timeout: 1ms
              read-timeout: 2ms
              read-header-timeout: 3ms
              write-timeout: 4ms
              idle-timeout: 5ms
            lease:
              type: static
              hostname: h
              advertise-url: http://h:1
              candidate: false
              promote: true
              reconnect-delay: 6ms
              demote-delay: 7ms
              databases:
                - a.db
                - 1
              consul: {url: "http://c", key: k, ttl: 8ms, lock-delay: 9ms}
              kubernetes:
                name: app
                namespace: ns
                duration: 10s
                pod: p
                url: https://k
                token-file: /t
                ca-file: /ca
            backup: {type: file, path: /b, url: "http://u", cluster: c, auth-token: t}
            log: {format: json, timestamp: true, debug: true}
            tracing: {enabled: false, path: /t, max-size: 1, max-count: 2, compress: false}
            """
        )
        var expected = Config()
        expected.exitOnError = false
        expected.skipSync = true
        expected.strictVerify = true
        expected.exec = [Config.Command(cmd: "migrate", ifCandidate: true), Config.Command(cmd: "serve")]
        expected.data.dir = "/d"
        expected.data.compress = false
        expected.data.retention = .minutes(60)
        expected.data.retentionMonitorInterval = .seconds(-1)
        expected.data.local = ["*.scratch"]
        expected.fuse.dir = "/f"
        expected.fuse.allowOther = true
        expected.fuse.passthrough = "on"
        expected.fuse.debug = true
        expected.http.addr = ListenAddress(host: "127.0.0.1", port: 1)
        expected.http.snapshotTimeout = .minutes(2)
        expected.proxy.addr = ListenAddress(host: "", port: 8_080)
        expected.proxy.target = "localhost:8081"
        expected.proxy.db = "my.db"
        expected.proxy.maxLag = .zero
        expected.proxy.debug = true
        expected.proxy.passthrough = ["*.js", "/api/*"]
        expected.proxy.alwaysForward = ["/ws"]
        expected.proxy.primaryRedirectTimeout = .milliseconds(1)
        expected.proxy.readTimeout = .milliseconds(2)
        expected.proxy.readHeaderTimeout = .milliseconds(3)
        expected.proxy.writeTimeout = .milliseconds(4)
        expected.proxy.idleTimeout = .milliseconds(5)
        expected.lease.type = "static"
        expected.lease.hostname = "h"
        expected.lease.advertiseURL = "http://h:1"
        expected.lease.candidate = false
        expected.lease.promote = true
        expected.lease.reconnectDelay = .milliseconds(6)
        expected.lease.demoteDelay = .milliseconds(7)
        expected.lease.databases = ["a.db", "1"]
        expected.lease.consul.url = "http://c"
        expected.lease.consul.key = "k"
        expected.lease.consul.ttl = .milliseconds(8)
        expected.lease.consul.lockDelay = .milliseconds(9)
        expected.lease.kubernetes.name = "app"
        expected.lease.kubernetes.namespace = "ns"
        expected.lease.kubernetes.duration = .seconds(10)
        expected.lease.kubernetes.pod = "p"
        expected.lease.kubernetes.url = "https://k"
        expected.lease.kubernetes.tokenFile = "/t"
        expected.lease.kubernetes.caFile = "/ca"
        expected.backup.type = "file"
        expected.backup.path = "/b"
        expected.backup.url = "http://u"
        expected.backup.cluster = "c"
        expected.backup.authToken = "t"
        expected.log.format = "json"
        expected.log.timestamp = true
        expected.log.debug = true
        expected.tracing.enabled = false
        expected.tracing.path = "/t"
        expected.tracing.maxSize = 1
        expected.tracing.maxCount = 2
        expected.tracing.compress = false
        #expect(loaded.config == expected)
        for key in ConfigSchema.keys.keys { #expect(loaded.line(of: key) != nil, "\(key)") }
    }

    @Test func keepsTheDefaultOfAKeyWithoutAValue() throws {
        let text =
            "data:\nfuse: ~\nlease: {candidate: , hostname: null, databases: }\nhttp: {addr: }\nproxy: {addr: \"\"}"
        #expect(try load(text).config == Config())
    }

    @Test(arguments: [
        ("true", true), ("True", true), ("TRUE", true), ("yes", true), ("on", true), ("y", true), ("Y", true),
        ("false", false), ("False", false), ("FALSE", false), ("no", false), ("off", false), ("n", false),
        ("N", false),
    ])
    func readsBoolsLikeLiteFS(text: String, value: Bool) throws {
        #expect(try load("skip-sync: \(text)").config.skipSync == value)
    }

    @Test func readsNumbersAndBoolsAsTextsWhereTextsBelong() throws {
        let lease = try load("lease: {hostname: 12, advertise-url: true}").config.lease
        #expect(lease.hostname == "12" && lease.advertiseURL == "true")
    }

    @Test(arguments: ["exec: app -x", "exec: 'app -x'", "exec: >\n  app\n  -x", "exec: !!str app -x"])
    func takesOneCommandAsAText(text: String) throws {
        #expect(try load(text).config.exec.first?.words() == ["app", "-x"])
    }

    @Test func takesAnEmptyListOfCommands() throws {
        #expect(try load("exec: []").config.exec.isEmpty)
    }

    @Test func expandsTheWholeFileFirst() throws {
        let text =
            "# ${BREAK}\nlease: {candidate: ${HOSTNAME == 'a'}, hostname: \"$HOSTNAME\"}\n$SECTION: {debug: true}"
        let config = try load(text, environment: ["HOSTNAME": "a", "SECTION": "log", "BREAK": "x"]).config
        #expect(config.lease.candidate && config.lease.hostname == "a" && config.log.debug)
    }

    @Test func canLeaveTheEnvironmentAlone() throws {
        let loader = ConfigLoader(homeDirectory: nil) { _ in "expanded" }
        let bytes = Array("backup: {auth-token: a$b}".utf8)
        #expect(
            try loader.decode(bytes, path: "x", expandsEnvironment: false).config.backup.authToken == "a$b"
        )
        #expect(try loader.decode(bytes, path: "x").config.backup.authToken == "aexpanded")
    }
}
