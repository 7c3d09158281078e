import POSIX

/// Finds, reads and decodes `litefs.yml`.
///
/// Without a path it takes the first file that exists of `litefs.yml` in the current folder, `litefs.yml` in the
/// home folder, and `/etc/litefs.yml`. It is strict: every key must be known and every value of the right type.
public struct ConfigLoader {
    /// How many bytes a file may have, before and after environment variables are expanded.
    public static let sizeLimit = 1 << 20

    private let lookup: (String) -> String?
    private let currentDirectory: String?
    private let homeDirectory: String?

    /// Makes a loader.
    ///
    /// - Parameters:
    ///   - currentDirectory: Where to search first; nil for the folder the process is in.
    ///   - homeDirectory: Where to search next; nil for none.
    ///   - lookup: Gives the value of an environment variable. HOSTNAME should be there even when the environment
    ///   of the process lacks it.
    public init(
        currentDirectory: String? = nil,
        homeDirectory: String?,
        lookup: @escaping (String) -> String?
    ) {
        self.currentDirectory = currentDirectory
        self.homeDirectory = homeDirectory
        self.lookup = lookup
    }

    /// The files that are tried, in order.
    public var searchPaths: [String] {
        let current = currentDirectory ?? ((try? Files.realPath(".")) ?? ".")
        let folders = [current] + (homeDirectory.map { $0.isEmpty ? [] : [$0] } ?? []) + ["/etc"]
        return folders.map { $0.hasSuffix("/") ? $0 + "litefs.yml" : $0 + "/litefs.yml" }
    }

    /// Reads the settings of a node.
    ///
    /// - Parameters:
    ///   - path: The file; nil or empty to search.
    ///   - expandsEnvironment: Whether `$NAME` and `${…}` are replaced.
    /// - Returns: The settings, which `ConfigValidation` has not seen yet.
    /// - Throws: `ConfigError` when there is no file or it does not hold settings.
    public func load(path: String? = nil, expandsEnvironment: Bool = true) throws(ConfigError) -> LoadedConfig
    {
        if let path, !path.isEmpty {
            do {
                let bytes = try Files.read(path, limit: Self.sizeLimit)
                return try decode(
                    bytes,
                    path: path,
                    expandsEnvironment: expandsEnvironment,
                    isFromSearch: false
                )
            } catch let error as Errno {
                throw Self.readFailure(path, error)
            } catch let error as ConfigError {
                throw error
            } catch {
                throw .unreadable(path: path, reason: "\(error)")
            }
        }
        let paths = searchPaths
        for path in paths {
            if let bytes = try readIfExists(path) {
                return try decode(
                    bytes,
                    path: path,
                    expandsEnvironment: expandsEnvironment,
                    isFromSearch: true
                )
            }
        }
        throw .notFound(searched: paths)
    }

    private func readIfExists(_ path: String) throws(ConfigError) -> [UInt8]? {
        do {
            return try Files.read(path, limit: Self.sizeLimit)
        } catch .noEntry {
            return nil
        } catch {
            throw Self.readFailure(path, error)
        }
    }

    private static func readFailure(_ path: String, _ error: Errno) -> ConfigError {
        if error == .fileTooLarge { return .tooLarge(path: path, limit: sizeLimit, isExpanded: false) }
        return .unreadable(path: path, reason: "\(error)")
    }

    /// Turns the bytes of a file into settings.
    ///
    /// - Parameters:
    ///   - bytes: The content of the file, at most `sizeLimit` bytes.
    ///   - path: What messages call the file.
    ///   - expandsEnvironment: Whether `$NAME` and `${…}` are replaced.
    ///   - isFromSearch: Whether the file was found by searching.
    /// - Returns: The settings, which `ConfigValidation` has not seen yet.
    /// - Throws: `ConfigError` when the bytes are no settings.
    public func decode(
        _ bytes: [UInt8],
        path: String,
        expandsEnvironment: Bool = true,
        isFromSearch: Bool = false
    ) throws(ConfigError) -> LoadedConfig {
        guard bytes.count <= Self.sizeLimit else {
            throw .tooLarge(path: path, limit: Self.sizeLimit, isExpanded: false)
        }
        guard let text = String(validating: bytes, as: UTF8.self) else {
            throw .unreadable(path: path, reason: "it is not UTF-8 text")
        }
        let expanded =
            expandsEnvironment
            ? EnvironmentExpansion.expand(text, limit: Self.sizeLimit, lookup: lookup) : text
        guard expanded.utf8.count <= Self.sizeLimit else {
            throw .tooLarge(path: path, limit: Self.sizeLimit, isExpanded: true)
        }
        let root: YAMLNode?
        do {
            root = try YAMLReader.read(Array(expanded.utf8))
        } catch {
            throw .syntax(path: path, line: error.line, message: error.message)
        }
        guard let root, !root.isNull else { throw .empty(path: path) }
        let decoder = ConfigDecoder(root: root)
        guard decoder.problems.isEmpty else { throw .fields(path: path, problems: decoder.problems) }
        return LoadedConfig(
            config: decoder.config,
            path: path,
            isFromSearch: isFromSearch,
            warnings: warnings(setKeys: decoder.lines),
            lines: decoder.lines
        )
    }

    /// One line that names every key that is set and does nothing.
    private func warnings(setKeys lines: [String: Int]) -> [String] {
        var idle = lines.filter { ConfigSchema.keys[$0.key]?.hasEffect == false }
            .sorted { ($0.value, $0.key) < ($1.value, $1.key) }
            .map(\.key)
        if let token = lookup("LITEFS_CLOUD_TOKEN"), !token.isEmpty {
            idle.append("environment variable LITEFS_CLOUD_TOKEN")
        }
        guard !idle.isEmpty else { return [] }
        return ["config: not built yet, so this has no effect yet: \(idle.joined(separator: ", "))"]
    }
}
