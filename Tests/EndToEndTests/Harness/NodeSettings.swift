/// What stands in a node's `litefs.yml`.
struct NodeSettings: Sendable {
    /// The node's name, also that of its folder.
    var name: String
    /// Whether it is the static primary.
    var isPrimary: Bool
    /// Where data directory, mount, log and configuration lie.
    var folder: String
    /// Where its HTTP server listens on loopback.
    var port: UInt16
    /// Where the primary's HTTP server listens on loopback.
    var primaryPort: UInt16
    /// The primary's name in `.primary`.
    var primaryHost = "primary-host"
    /// The data directory.
    var dataFolder: String
    /// The mount.
    var mountFolder: String
    /// More lines for each section, without indentation.
    var sections: [String: [String]] = [:]
    /// Lines at the end of the file.
    var more = ""
    /// Arguments after `mount -config PATH`.
    var arguments: [String] = []

    /// The usual settings of a node in a folder.
    init(name: String, isPrimary: Bool, in folder: String, port: UInt16, primaryPort: UInt16) {
        self.name = name
        self.isPrimary = isPrimary
        self.folder = folder + "/" + name
        self.port = port
        self.primaryPort = primaryPort
        dataFolder = self.folder + "/data"
        mountFolder = self.folder + "/mnt"
    }

    /// The configuration file's text.
    var text: String {
        var all = sections
        func add(_ section: String, _ lines: [String]) { all[section] = lines + (all[section] ?? []) }
        add("data", ["dir: \"\(dataFolder)\""])
        add("fuse", ["dir: \"\(mountFolder)\""])
        add("http", ["addr: \"127.0.0.1:\(port)\""])
        add(
            "lease",
            [
                "type: static", "candidate: \(isPrimary)", "hostname: \"\(primaryHost)\"",
                "advertise-url: \"http://127.0.0.1:\(primaryPort)\"", "reconnect-delay: 100ms",
            ]
        )
        let sections = all.sorted { $0.key < $1.key }
            .map { section in section.key + ":\n" + section.value.map { "  \($0)\n" }.joined() }
        return sections.joined() + more
    }
}
