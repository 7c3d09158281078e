import JSON
import Testing

@Suite struct JSONParserTests {
    @Test func `a document is read into values`() throws {
        let value = try JSONValue.parse(
            #" {"a" : [1, -2.5e3, "xA😀\n", true, null], "b":{}} "#
        )
        #expect(value["a"]?[0]?.integer == 1)
        #expect(value["a"]?[1]?.double == -2500)
        #expect(value["a"]?[2]?.string == "xA😀\n")
        #expect(value["a"]?[3]?.boolean == true)
        #expect(value["a"]?[4] == .null)
        #expect(value["a"]?[5] == nil)
        #expect(value["b"] == .object([]))
        #expect(value["c"] == nil)
    }

    @Test func `surrogate pairs and plain escapes are joined`() throws {
        let text = "\"\\u0041\\ud83d\\ude00\\u0301\""
        #expect(try JSONValue.parse(text).string == "A😀\u{301}")
    }

    @Test(arguments: [
        "", " ", "{", "[1", "[1,]", "{\"a\"}", "{\"a\":1,}", "{a:1}", "01", "-", "1.", "1e", "+1", ".5",
        "nul",
        "\"", "\"\\x\"", "\"\\u12\"", "\"\\ud800\"", "\"\\ud800\\u0041\"", "\"\\udc00\"", "\"\u{1}\"", "1 2",
        "{\"a\":1,\"a\":2}", "NaN", "[1 2]", "'a'",
    ])
    func `malformed text is refused`(text: String) {
        #expect(throws: JSONError.self) { try JSONValue.parse(text) }
    }

    @Test func `invalid UTF-8 is refused`() {
        #expect(throws: JSONError(offset: 0, reason: "a string is not UTF-8")) {
            try JSONValue.parse([0x22, 0xFF, 0x22])
        }
    }

    @Test func `nesting is bounded`() throws {
        func nested(_ depth: Int) -> String {
            String(repeating: "[", count: depth) + String(repeating: "]", count: depth)
        }
        _ = try JSONValue.parse(nested(JSONValue.maximumDepth))
        #expect(throws: JSONError.self) { try JSONValue.parse(nested(JSONValue.maximumDepth + 1)) }
        #expect(throws: JSONError.self) { try JSONValue.parse(String(repeating: "[", count: 1_000_000)) }
    }

    @Test func `size is bounded`() {
        #expect(throws: JSONError(offset: 3, reason: "longer than 3 bytes")) {
            try JSONValue.parse("[11]", limit: 3)
        }
    }
}
