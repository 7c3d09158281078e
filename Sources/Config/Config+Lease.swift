extension Config {
    /// The section `lease`.
    public struct Lease: Equatable, Sendable {
        /// `lease.type`: `static` or `consul`; there is no default.
        public var type = ""

        /// `lease.hostname`: the name shown as the primary's; with a static lease the same on every node.
        public var hostname = ""

        /// `lease.advertise-url`: where the primary is reached; with a static lease the same on every node.
        public var advertiseURL = ""

        /// `lease.candidate`: whether this node may be the primary; with a static lease, whether it is.
        public var candidate = true

        /// `lease.promote`: whether a candidate makes itself primary once it has caught up.
        public var promote = false

        /// `lease.reconnect-delay`: the pause before a lost primary is looked for again.
        public var reconnectDelay = GoDuration.seconds(1)

        /// `lease.demote-delay`: the pause after a forced demotion.
        public var demoteDelay = GoDuration.seconds(10)

        /// `lease.databases`: the databases a replica asks for; empty for all.
        public var databases: [String] = []

        /// `lease.consul`: settings of the Consul lease.
        public var consul = Consul()

        /// The section `lease.consul`.
        public struct Consul: Equatable, Sendable {
            /// `lease.consul.url`: the agent; the path is a key prefix, the password an ACL token.
            public var url = ""

            /// `lease.consul.key`: the key that is locked.
            public var key = ""

            /// `lease.consul.ttl`: how long the lock survives without renewal.
            public var ttl = GoDuration.seconds(10)

            /// `lease.consul.lock-delay`: how long the lock stays closed after it expired.
            public var lockDelay = GoDuration.seconds(1)
        }
    }
}
