extension Config {
    /// The section `proxy`.
    public struct Proxy: Equatable, Sendable {
        /// `proxy.addr`: where the proxy listens; nil when the file does not say.
        public var addr: ListenAddress?

        /// `proxy.target`: the application's `host:port`; empty when there is no proxy.
        public var target = ""

        /// `proxy.db`: the database whose TXID the cookie carries.
        public var db = ""

        /// `proxy.max-lag`: from which replication lag on a replica is not ready; zero for never.
        public var maxLag = GoDuration.seconds(10)

        /// `proxy.debug`: whether requests are logged.
        public var debug = false

        /// `proxy.passthrough`: path patterns that go to the application untouched.
        public var passthrough: [String] = []

        /// `proxy.always-forward`: path patterns that go to the primary whatever the method.
        public var alwaysForward: [String] = []

        /// `proxy.primary-redirect-timeout`: how long a write waits for a primary.
        public var primaryRedirectTimeout = GoDuration.seconds(5)

        /// `proxy.read-timeout`: the limit for reading a request; zero for none.
        public var readTimeout = GoDuration.zero

        /// `proxy.read-header-timeout`: the limit for reading a request's header.
        public var readHeaderTimeout = GoDuration.seconds(10)

        /// `proxy.write-timeout`: the limit for writing a response; zero for none.
        public var writeTimeout = GoDuration.zero

        /// `proxy.idle-timeout`: how long an idle connection stays open.
        public var idleTimeout = GoDuration.seconds(30)
    }
}
