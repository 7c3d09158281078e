/// A name that a database may have: on the mount, as a folder of the data directory, and on the wire.
public struct DatabaseName: Hashable, Comparable, Sendable, CustomStringConvertible {
    /// The name, 1 to 247 bytes of UTF-8, so that `NAME-journal` is still a legal file name.
    public let text: String

    /// Ends of names that belong to a database's other files.
    public static let suffixes = ["-journal", "-wal", "-shm", "-pos", "-lock"]
    /// Longest name in bytes.
    public static let maximumBytes = 255 - 8

    /// Checks a name from outside.
    public init(_ text: String) throws(DatabaseNameError) {
        if text.isEmpty { throw DatabaseNameError(text, "it is empty") }
        if text.utf8.count > Self.maximumBytes {
            throw DatabaseNameError(
                text,
                "it has \(text.utf8.count) bytes; at most \(Self.maximumBytes) are possible"
            )
        }
        if text == "." || text == ".." { throw DatabaseNameError(text, "it names a folder") }
        if text.utf8.contains(UInt8(ascii: "/")) {
            throw DatabaseNameError(text, "it contains '/'; use a plain file name")
        }
        if text.utf8.contains(0) { throw DatabaseNameError(text, "it contains a NUL byte") }
        if text == ".primary" || text == ".lag" || text == ".litefs" {
            throw DatabaseNameError(text, "it is a special file of the mount")
        }
        if let suffix = Self.suffixes.first(where: { text.hasSuffix($0) }) {
            throw DatabaseNameError(text, "names that end in '\(suffix)' belong to the database without it")
        }
        self.text = text
    }

    /// Checks a name of raw bytes from outside, which must be UTF-8.
    public init(bytes: some Collection<UInt8>) throws(DatabaseNameError) {
        guard let text = String(validating: bytes, as: UTF8.self) else {
            throw DatabaseNameError(String(decoding: bytes, as: UTF8.self), "it is not UTF-8")
        }
        try self.init(text)
    }

    /// The name.
    public var description: String { text }

    /// Order of the bytes.
    public static func < (left: DatabaseName, right: DatabaseName) -> Bool {
        left.text.utf8.lexicographicallyPrecedes(right.text.utf8)
    }
}

/// Why a name cannot be a database's.
public struct DatabaseNameError: Error, Equatable, CustomStringConvertible {
    private let name: String
    private let reason: String

    init(_ name: String, _ reason: String) {
        self.name = name
        self.reason = reason
    }

    /// Names the name, shortened and without control characters, and what is wrong with it.
    public var description: String {
        let shown = String(name.prefix(64).map { $0.unicodeScalars.allSatisfy { $0.value >= 32 } ? $0 : "?" })
        return "invalid database name \"\(shown)\(name.count > 64 ? "…" : "")\": \(reason)"
    }
}
