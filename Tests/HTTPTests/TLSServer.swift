import Harness
import POSIX

/// An authority of a test's own.
struct TestAuthority {
    /// The file with its certificate.
    let certificate: String
    private let folder: TestFolder
    private let name: String

    /// Makes one in a folder.
    init(_ name: String, in folder: TestFolder) throws {
        self.folder = folder
        self.name = name
        certificate = folder.path + "/\(name).crt"
        try Self.openssl(
            [
                "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes",
                "-days", "2", "-subj", "/CN=\(name)", "-keyout", folder.path + "/\(name).key",
                "-out", certificate,
            ],
            in: folder
        )
    }

    /// Vouches for a server: makes `SERVER.crt` and `SERVER.key`, valid for a subject such as `IP:127.0.0.1`.
    func vouch(for server: String, as subject: String) throws {
        let base = folder.path + "/" + server
        try Self.openssl(
            [
                "req", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes",
                "-subj", "/CN=\(server)", "-keyout", base + ".key", "-out", base + ".csr",
            ],
            in: folder
        )
        try Files.replace(base + ".ext", with: Array("subjectAltName=\(subject)\n".utf8))
        try Self.openssl(
            [
                "x509", "-req", "-in", base + ".csr", "-CA", certificate,
                "-CAkey", folder.path + "/\(name).key", "-CAcreateserial", "-days", "2",
                "-extfile", base + ".ext", "-out", base + ".crt",
            ],
            in: folder
        )
    }

    private static func openssl(_ arguments: [String], in folder: TestFolder) throws {
        let outcome = try Outcome.of(["openssl"] + arguments, in: folder.path)
        try check(outcome.exit == .code(0), "openssl \(arguments) to work: \(outcome.errors)")
    }
}

/// OpenSSL's own server, which answers every GET with a page about the connection.
final class TLSServer {
    /// Where it is asked.
    let url: String
    private let program: Program

    /// Starts it with a certificate of a `TestAuthority`.
    init(_ name: String, in folder: TestFolder, _ options: [String] = []) throws {
        let port = try freePort()
        url = "https://127.0.0.1:\(port)/"
        let base = folder.path + "/" + name
        program = try Program(
            [
                "openssl", "s_server", "-www", "-accept", "127.0.0.1:\(port)", "-cert", base + ".crt",
                "-key", base + ".key",
            ] + options,
            output: base + "-\(port).log"
        )
        let program = program
        try eventually("the TLS server listens: \(program.output)") { program.output.contains("ACCEPT") }
    }

    deinit { try? program.kill() }
}
