import POSIX

@testable import Config

/// Decodes a text as if it were the file `/etc/litefs.yml`.
func load(_ text: String, environment: [String: String] = [:]) throws(ConfigError) -> LoadedConfig {
    try ConfigLoader(homeDirectory: nil) { environment[$0] }.decode(Array(text.utf8), path: "/etc/litefs.yml")
}

/// The message with which a text is rejected; nil when it is accepted.
func rejection(_ text: String, environment: [String: String] = [:]) -> String? {
    do throws(ConfigError) {
        _ = try load(text, environment: environment)
        return nil
    } catch {
        return error.description
    }
}

/// The message with which validation rejects a text that can be read; nil when it is accepted.
func invalidity(
    _ text: String,
    hostname: String = "node",
    realPath: (String) -> String? = { $0 }
) throws -> String? {
    let loaded = try load(text)
    do throws(ConfigError) {
        _ = try ConfigValidation.check(loaded, hostname: hostname, realPath: realPath)
        return nil
    } catch {
        return error.description
    }
}
