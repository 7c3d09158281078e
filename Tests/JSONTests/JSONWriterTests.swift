import JSON
import Testing

@Suite struct JSONWriterTests {
    @Test func `compact text has no white space`() {
        var writer = JSONWriter()
        writer.object { object in
            object.member("type", "tx")
            object.member("n", 13)
            object.member("ok", true)
            object.name("list")
            object.array { array in
                array.integer(UInt64.max)
                array.null()
                array.object { _ in }
            }
        }
        writer.newline()
        #expect(
            writer.text == #"{"type":"tx","n":13,"ok":true,"list":[18446744073709551615,null,{}]}"# + "\n"
        )
    }

    @Test func `a value that was read is written as it stood in the text`() throws {
        let text = #"{"b":[1e3,-0.50,null,true,{}],"a":{"z":"é\n","y":18446744073709551616}}"#
        var writer = JSONWriter(escapesHTML: false)
        writer.value(try JSONValue.parse(text))
        #expect(writer.text == text)
    }

    @Test func `a member is set at its place, added or removed`() throws {
        func text(_ value: JSONValue) -> String {
            var writer = JSONWriter()
            writer.value(value)
            return writer.text
        }
        let value = try JSONValue.parse(#"{"a":1,"b":2}"#)
        #expect(text(value.setting("a", to: .string("x"))) == #"{"a":"x","b":2}"#)
        #expect(text(value.setting("c", to: .null)) == #"{"a":1,"b":2,"c":null}"#)
        #expect(text(value.setting("a", to: nil)) == #"{"b":2}"#)
        #expect(value.setting("c", to: nil) == value)
        #expect(text(JSONValue.null.setting("a", to: .boolean(true))) == #"{"a":true}"#)
    }

    @Test func `pretty text indents by two spaces and keeps empty containers on one line`() {
        var writer = JSONWriter(style: .pretty)
        writer.object { object in
            object.member("isPrimary", false)
            object.name("primary")
            object.object { $0.member("hostname", "node-0") }
            object.name("none")
            object.array { _ in }
            object.name("two")
            object.array {
                $0.integer(1)
                $0.integer(2)
            }
        }
        let expected = """
            {
              "isPrimary": false,
              "primary": {
                "hostname": "node-0"
              },
              "none": [],
              "two": [
                1,
                2
              ]
            }
            """
        #expect(writer.text == expected)
    }

    @Test func `strings are escaped`() {
        var writer = JSONWriter()
        writer.string("a\"b\\c\n\r\t\u{8}\u{C}\u{1}<&>\u{2028}é😀\u{7F}")
        #expect(writer.text == #""a\"b\\c\n\r\t\b\f\u0001\u003c\u0026\u003e\u2028é😀"# + "\u{7F}\"")
        var plain = JSONWriter(escapesHTML: false)
        plain.string("<&>")
        #expect(plain.text == #""<&>""#)
    }

    @Test(arguments: [
        (0.0, "0"), (1.5, "1.5"), (-2, "-2"), (100, "100"), (1e20, "100000000000000000000"), (1e21, "1e+21"),
        (1.25e22, "1.25e+22"), (0.000001, "0.000001"), (0.00000123, "0.00000123"), (1e-7, "1e-7"),
        (123456.789, "123456.789"), (0.1, "0.1"), (1_700_000_000, "1700000000"), (2.5e-300, "2.5e-300"),
        (Double.infinity, "null"), (Double.nan, "null"),
    ])
    func `numbers are the shortest exact text`(value: Double, text: String) {
        var writer = JSONWriter()
        writer.number(value)
        #expect(writer.text == text)
        if value.isFinite { #expect(Double(text) == value) }
    }

    @Test func `what was written can be read back`() throws {
        var writer = JSONWriter(style: .pretty)
        writer.object { object in
            object.member("text", "\u{0}\u{1F}\"\\/é😀\u{2029}")
            object.member("number", -42)
        }
        let value = try JSONValue.parse(writer.bytes)
        #expect(value["text"]?.string == "\u{0}\u{1F}\"\\/é😀\u{2029}")
        #expect(value["number"]?.integer == -42)
    }
}
