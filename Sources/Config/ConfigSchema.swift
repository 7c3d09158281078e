/// The keys of `litefs.yml`: their paths, their types, and where their values go.
enum ConfigSchema {
    /// The type of a key's value and the place it is stored at.
    enum Target: Sendable {
        case bool(any WritableKeyPath<Config, Bool> & Sendable)
        case text(any WritableKeyPath<Config, String> & Sendable)
        case integer(any WritableKeyPath<Config, Int> & Sendable)
        case duration(any WritableKeyPath<Config, GoDuration> & Sendable)
        case address(any WritableKeyPath<Config, ListenAddress> & Sendable)
        case optionalAddress(any WritableKeyPath<Config, ListenAddress?> & Sendable)
        case texts(any WritableKeyPath<Config, [String]> & Sendable)
        case commands(any WritableKeyPath<Config, [Config.Command]> & Sendable)
    }

    /// A key that has a value.
    struct Key: Sendable {
        /// The names of the sections and the key, joined by dots.
        let path: String

        /// Where the value goes.
        let target: Target

        /// Whether setting the key changes what the daemon does.
        let hasEffect: Bool

        init(_ path: String, _ target: Target, hasEffect: Bool = true) {
            self.path = path
            self.target = target
            self.hasEffect = hasEffect
        }
    }

    /// The sections and how LiteFS calls their types in messages.
    static let sections: [String: String] = [
        "": "main.Config", "data": "main.DataConfig", "fuse": "main.FUSEConfig", "http": "main.HTTPConfig",
        "proxy": "main.ProxyConfig", "lease": "main.LeaseConfig", "lease.consul": "main.LeaseConfig.Consul",
        "lease.kubernetes": "main.LeaseConfig.Kubernetes",
        "backup": "main.BackupConfig", "log": "main.LogConfig", "tracing": "main.TracingConfig",
    ]

    /// All keys by path.
    static let keys: [String: Key] = {
        var keys: [String: Key] = [:]
        for key in node + proxy + lease + outside { keys[key.path] = key }
        return keys
    }()

    private static let node: [Key] = [
        Key("exit-on-error", .bool(\.exitOnError)),
        Key("skip-sync", .bool(\.skipSync)),
        Key("strict-verify", .bool(\.strictVerify), hasEffect: false),
        Key("exec", .commands(\.exec)),
        Key("data.dir", .text(\.data.dir)),
        Key("data.compress", .bool(\.data.compress)),
        Key("data.retention", .duration(\.data.retention)),
        Key("data.retention-monitor-interval", .duration(\.data.retentionMonitorInterval)),
        Key("data.local", .texts(\.data.local)),
        Key("fuse.dir", .text(\.fuse.dir)),
        Key("fuse.allow-other", .bool(\.fuse.allowOther)),
        Key("fuse.passthrough", .text(\.fuse.passthrough)),
        Key("fuse.debug", .bool(\.fuse.debug)),
        Key("http.addr", .address(\.http.addr)),
        Key("http.snapshot-timeout", .duration(\.http.snapshotTimeout), hasEffect: false),
        Key("log.format", .text(\.log.format)),
        Key("log.timestamp", .bool(\.log.timestamp)),
        Key("log.debug", .bool(\.log.debug)),
    ]

    private static let proxy: [Key] = [
        Key("proxy.addr", .optionalAddress(\.proxy.addr), hasEffect: false),
        Key("proxy.target", .text(\.proxy.target), hasEffect: false),
        Key("proxy.db", .text(\.proxy.db), hasEffect: false),
        Key("proxy.max-lag", .duration(\.proxy.maxLag)),
        Key("proxy.debug", .bool(\.proxy.debug), hasEffect: false),
        Key("proxy.passthrough", .texts(\.proxy.passthrough), hasEffect: false),
        Key("proxy.always-forward", .texts(\.proxy.alwaysForward), hasEffect: false),
        Key("proxy.primary-redirect-timeout", .duration(\.proxy.primaryRedirectTimeout), hasEffect: false),
        Key("proxy.read-timeout", .duration(\.proxy.readTimeout), hasEffect: false),
        Key("proxy.read-header-timeout", .duration(\.proxy.readHeaderTimeout), hasEffect: false),
        Key("proxy.write-timeout", .duration(\.proxy.writeTimeout), hasEffect: false),
        Key("proxy.idle-timeout", .duration(\.proxy.idleTimeout), hasEffect: false),
    ]

    private static let lease: [Key] = [
        Key("lease.type", .text(\.lease.type)),
        Key("lease.hostname", .text(\.lease.hostname)),
        Key("lease.advertise-url", .text(\.lease.advertiseURL)),
        Key("lease.candidate", .bool(\.lease.candidate)),
        Key("lease.promote", .bool(\.lease.promote), hasEffect: false),
        Key("lease.reconnect-delay", .duration(\.lease.reconnectDelay)),
        Key("lease.demote-delay", .duration(\.lease.demoteDelay), hasEffect: false),
        Key("lease.databases", .texts(\.lease.databases)),
        Key("lease.kubernetes.name", .text(\.lease.kubernetes.name)),
        Key("lease.kubernetes.namespace", .text(\.lease.kubernetes.namespace)),
        Key("lease.kubernetes.duration", .duration(\.lease.kubernetes.duration)),
        Key("lease.kubernetes.pod", .text(\.lease.kubernetes.pod)),
        Key("lease.kubernetes.url", .text(\.lease.kubernetes.url)),
        Key("lease.kubernetes.token-file", .text(\.lease.kubernetes.tokenFile)),
        Key("lease.kubernetes.ca-file", .text(\.lease.kubernetes.caFile)),
        Key("lease.consul.url", .text(\.lease.consul.url), hasEffect: false),
        Key("lease.consul.key", .text(\.lease.consul.key), hasEffect: false),
        Key("lease.consul.ttl", .duration(\.lease.consul.ttl), hasEffect: false),
        Key("lease.consul.lock-delay", .duration(\.lease.consul.lockDelay), hasEffect: false),
    ]

    private static let outside: [Key] = [
        Key("backup.type", .text(\.backup.type), hasEffect: false),
        Key("backup.path", .text(\.backup.path), hasEffect: false),
        Key("backup.url", .text(\.backup.url), hasEffect: false),
        Key("backup.cluster", .text(\.backup.cluster), hasEffect: false),
        Key("backup.auth-token", .text(\.backup.authToken), hasEffect: false),
        Key("tracing.enabled", .bool(\.tracing.enabled), hasEffect: false),
        Key("tracing.path", .text(\.tracing.path), hasEffect: false),
        Key("tracing.max-size", .integer(\.tracing.maxSize), hasEffect: false),
        Key("tracing.max-count", .integer(\.tracing.maxCount), hasEffect: false),
        Key("tracing.compress", .bool(\.tracing.compress), hasEffect: false),
    ]
}
