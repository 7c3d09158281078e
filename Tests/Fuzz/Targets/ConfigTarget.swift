import Config

extension FuzzTarget {
    static let config = FuzzTarget(
        "config",
        summary: "litefs.yml, from bytes to checked settings",
        maximumByteCount: 2048,
        seeds: {
            let full = """
                exec: [{cmd: "a 'b' \\"c\\"", if-candidate: true}]
                data: {dir: /d, retention: 1h2m3.5s}
                fuse: {dir: "/f/../g"}
                http: {addr: "[::1]:20202"}
                lease:
                  type: static
                  candidate: ${HOSTNAME == 'a'}
                  advertise-url: "http://$HOSTNAME:20202/x"
                log:
                  format: json
                """
            return [full, "fuse:\n  dir: /litefs\n", "a: &b [*b]", "\t- x", "%TAG ! !x", "exec: |\n  a\n  b"]
                .map { Array($0.utf8) }
        },
        check: { bytes in
            let loader = ConfigLoader(currentDirectory: "/", homeDirectory: nil) {
                $0 == "HOSTNAME" ? "a" : nil
            }
            let first = outcome(loader, Array(bytes))
            try require(!first.isEmpty, "an error that says nothing")
            try require(first.utf8.count <= 64 << 10, "a message of \(first.utf8.count) bytes")
        }
    )

    private static func outcome(_ loader: ConfigLoader, _ bytes: [UInt8]) -> String {
        do throws(ConfigError) {
            let loaded = try loader.decode(bytes, path: "x")
            return try "ok "
                + ConfigValidation.check(loaded, hostname: "a").joined(separator: "\n").prefix(1000)
        } catch {
            return error.description
        }
    }
}
