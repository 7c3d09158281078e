import Config
import LTX
import Store

extension FuzzTarget {
    static let texts = FuzzTarget(
        "texts",
        summary:
            "positions, names of files and databases, cluster IDs, durations, addresses, URLs, command lines",
        maximumByteCount: 256,
        seeds: {
            [
                "0000000000000007/8000000000000001", "0000000000000001-000000000000000a.ltx",
                "LFSC0123456789ABCDEF", "1h2m3.5s",
                "-9223372036854775808ns", "9223372036854775807ns", "0.9999999999999999999s", "µs", "[::1]:80",
                "http://[::1]:80/x",
                "sh -c 'a \"b\" \\n'", "${A == 'b'}$A", "a.db-wal", "..",
            ]
            .map { Array($0.utf8) }
        },
        check: { bytes in
            let text = String(decoding: bytes, as: UTF8.self)
            if let name = try? DatabaseName(bytes: bytes) {
                try require(
                    try DatabaseName(name.text) == name && name.text.utf8.count <= 247,
                    "another name"
                )
                try require(!name.text.utf8.contains(UInt8(ascii: "/")), "a name with a slash")
            } else if let error = Result(catching: { try DatabaseName(text) }).failure {
                try require(
                    !"\(error)".unicodeScalars.contains { $0.value < 32 },
                    "a message with control characters"
                )
            }
            try same(text, Position(text)?.description)
            try same(text, LTXFileName(text)?.description)
            try same(text, TXID(hex: text)?.description)
            try same(text, Checksum(hex: text)?.description)
            try same(text, ClusterID(text)?.description)
            if let duration = try? GoDuration(parsing: text) {
                try require(
                    try GoDuration(parsing: duration.description) == duration,
                    "\(text) is read as \(duration)"
                )
                _ = duration.duration
            }
            if let address = try? ListenAddress(parsing: text) {
                try require(
                    try ListenAddress(parsing: address.description) == address,
                    "another address: \(address)"
                )
            }
            if let url = try? AdvertiseURL(parsing: text) {
                try require(
                    try AdvertiseURL(parsing: url.description + url.path) == url,
                    "another URL: \(url)"
                )
            }
            if let words = try? ShellWords.split(text) {
                let again = words.map { "'" + escaped($0) + "'" }
                try require(
                    try ShellWords.split(again.joined(separator: " ")) == words,
                    "other words: \(words)"
                )
            }
            let expanded = EnvironmentExpansion.expand(text, limit: 1000) {
                $0 == "A" ? String(repeating: "x", count: 400) : nil
            }
            try require(expanded.utf8.count <= 1400 + text.utf8.count, "an expansion without a bound")
        }
    )

    /// A text as it stands in single quotes; scalar by scalar, as an accent may stand on a quote.
    private static func escaped(_ text: String) -> String {
        var escaped = ""
        for scalar in text.unicodeScalars {
            if scalar == "'" { escaped.unicodeScalars += "'\\'".unicodeScalars }
            escaped.unicodeScalars.append(scalar)
        }
        return escaped
    }

    /// Text forms have one spelling only.
    private static func same(_ text: String, _ again: String?) throws(Broken) {
        if let again { try require(again.utf8.elementsEqual(text.utf8), "\(text) is read as \(again)") }
    }
}

extension Result {
    fileprivate var failure: Failure? { if case .failure(let error) = self { error } else { nil } }
}
