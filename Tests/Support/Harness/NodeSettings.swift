import POSIX

/// What stands in a node's `litefs.yml`.
package struct NodeSettings: Sendable {
    /// The node's name, also that of its folder.
    package var name: String
    /// Whether it is the static primary.
    package var isPrimary: Bool
    /// Where data directory, mount, log and configuration lie.
    package var folder: String
    /// The address at which its HTTP server listens.
    package var host = "127.0.0.1"
    /// The port at which its HTTP server listens.
    package var port: UInt16
    /// The address of the primary's HTTP server, or of what stands between.
    package var primaryAddress = "127.0.0.1"
    /// The port of the primary's HTTP server, or of what stands between.
    package var primaryPort: UInt16
    /// Where it runs and is asked; nil for the network of this process.
    package var namespace: NetworkNamespace?
    /// The primary's name in `.primary`.
    package var primaryHost = "primary-host"
    /// The data directory.
    package var dataFolder: String
    /// The mount.
    package var mountFolder: String
    /// Whether SQLite's logs pass through (`fuse.passthrough`), when nothing that a run is started with needs them not to.
    ///
    /// `LITEFS_TEST_PASSTHROUGH` says it for all tests.
    package var passthrough = CurrentProcess.environment("LITEFS_TEST_PASSTHROUGH") ?? "auto"
    /// The lines of the section `lease`, without indentation; nil for a static one.
    package var lease: [String]?
    /// More lines for each section, without indentation.
    package var sections: [String: [String]] = [:]
    /// Lines at the end of the file.
    package var more = ""
    /// Arguments after `mount -config PATH`.
    package var arguments: [String] = []
    /// Variables of its environment beside those of this process.
    package var environment: [String: String] = [:]

    /// The usual settings of a node in a folder.
    package init(name: String, isPrimary: Bool, in folder: String, port: UInt16, primaryPort: UInt16) {
        self.name = name
        self.isPrimary = isPrimary
        self.folder = folder + "/" + name
        self.port = port
        self.primaryPort = primaryPort
        dataFolder = self.folder + "/data"
        mountFolder = self.folder + "/mnt"
    }

    /// The configuration file of a run with these variables: a fault at a write that passes the daemon by would never come.
    func text(with environment: [String: String]) -> String {
        let faults = environment["LITEFS_FAULTS"] ?? ""
        var settings = self
        if ["wal.write", "wal.header.write", "shm.write"].contains(where: { faults.contains($0 + "=") }) {
            settings.passthrough = "off"
        }
        return settings.text
    }

    /// The configuration file's text.
    package var text: String {
        var all = sections
        func add(_ section: String, _ lines: [String]) { all[section] = lines + (all[section] ?? []) }
        add("data", ["dir: \"\(dataFolder)\""])
        add("fuse", ["dir: \"\(mountFolder)\"", "passthrough: \(passthrough)"])
        add("http", ["addr: \"\(host):\(port)\""])
        add(
            "lease",
            lease ?? [
                "type: static", "candidate: \(isPrimary)", "hostname: \"\(primaryHost)\"",
                "advertise-url: \"http://\(primaryAddress):\(primaryPort)\"", "reconnect-delay: 100ms",
            ]
        )
        let sections = all.sorted { $0.key < $1.key }
            .map { section in section.key + ":\n" + section.value.map { "  \($0)\n" }.joined() }
        return sections.joined() + more
    }
}
