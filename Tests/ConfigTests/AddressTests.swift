import Testing

@testable import Config

@Suite struct AddressTests {
    @Test(arguments: [
        (":20202", "", 20_202, ":20202"), ("localhost:80", "localhost", 80, "localhost:80"),
        ("[::1]:8080", "::1", 8_080, "[::1]:8080"), ("0.0.0.0:0", "0.0.0.0", 0, "0.0.0.0:0"),
    ])
    func readsListenAddresses(text: String, host: String, port: UInt16, printed: String) throws {
        let address = try ListenAddress(parsing: text)
        #expect(address == ListenAddress(host: host, port: port))
        #expect(address.description == printed)
    }

    @Test(arguments: [
        ("", "missing port in address"), ("20202", "missing port in address"),
        ("localhost", "missing port in address"),
        ("[::1]", "missing port in address"), ("::1:80", "too many colons in address"),
        (":x", #"invalid port "x""#), (":", #"invalid port """#), (":65536", #"invalid port "65536""#),
        (":-1", #"invalid port "-1""#), ("http://host:80", "too many colons in address"),
        ("//host:80", "invalid character in host"), ("[]:80", "missing ']' in address"),
        ("[::1:80", "missing ']' in address"), ("a b:80", "invalid character in host"),
    ])
    func refusesOtherListenAddresses(text: String, reason: String) {
        let failure = #expect(throws: ListenAddress.ParseFailure.self) { try ListenAddress(parsing: text) }
        #expect(failure?.description == "address \"\(text)\": \(reason)")
    }

    @Test func knowsWhichAddressesAreAll() throws {
        #expect(try ListenAddress(parsing: ":1").isWildcard)
        #expect(try ListenAddress(parsing: "0.0.0.0:1").isWildcard)
        #expect(try ListenAddress(parsing: "[::]:1").isWildcard)
        #expect(try !ListenAddress(parsing: "localhost:1").isWildcard)
    }

    @Test(arguments: [
        ("http://primary:20202", "primary", 20_202, "http://primary:20202"),
        ("http://primary", "primary", 80, "http://primary:80"),
        ("HTTP://Primary:1/", "Primary", 1, "http://Primary:1"),
        ("http://[::1]:1/path?x#y", "::1", 1, "http://[::1]:1"),
        ("http://[::1]", "::1", 80, "http://[::1]:80"),
        ("http://primary:", "primary", 80, "http://primary:80"),
    ])
    func readsAdvertiseURLs(text: String, host: String, port: UInt16, printed: String) throws {
        let url = try AdvertiseURL(parsing: text)
        #expect(url.host == host)
        #expect(url.port == port)
        #expect(url.description == printed)
    }

    @Test(arguments: [
        ("primary:20202", "invalid URL scheme: \"primary:20202\" has none; write http://HOST:PORT"),
        ("primary", "invalid URL scheme: \"primary\" has none"),
        ("https://primary", "invalid URL scheme: \"https://primary\"; TLS between nodes is not built"),
        ("ftp://primary", "invalid URL scheme: \"ftp://primary\"; only http is spoken between nodes"),
        ("http://", "URL host required: \"http://\" names none"),
        ("http:///x", "URL host required"), ("http://:80", "URL host required"),
        ("http://u:p@primary", "invalid URL: it holds credentials"),
        ("http://primary:x", "invalid URL \"http://primary:x\": address \"primary:x\": invalid port \"x\""),
    ])
    func refusesOtherAdvertiseURLs(text: String, message: String) throws {
        let failure = #expect(throws: AdvertiseURL.ParseFailure.self) { try AdvertiseURL(parsing: text) }
        #expect(try #require(failure).description.hasPrefix(message))
        #expect(try !#require(failure).description.contains("u:p"))
    }
}
