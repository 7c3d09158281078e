import JSON

extension FuzzTarget {
    static let json = FuzzTarget(
        "json",
        summary: "JSON: read, written, read again",
        maximumByteCount: 2048,
        seeds: {
            [
                #"{"a":[1,-2.5e3,true,false,null],"b":{"c":"\u00e9\ud83d\ude00\n"},"":""}"#, "[[[[]]]]",
                "\"\\u0000\"", "-0.0",
            ]
            .map { Array($0.utf8) }
        },
        check: { bytes in
            let text = Array(bytes)
            let value: JSONValue
            do throws(JSONError) {
                value = try JSONValue.parse(text)
            } catch {
                return try require((0...text.count).contains(error.offset), "an error outside of the text")
            }
            _ = (value.integer, value.double, value.string, value[0], value["a"])
            var again = ""
            write(value, to: &again)
            try require(try JSONValue.parse(again) == value, "the value is another one: \(again)")
        }
    )

    private static func write(_ value: JSONValue, to text: inout String) {
        switch value {
        case .null: text += "null"
        case .boolean(let value): text += value ? "true" : "false"
        case .number(let number): text += number
        case .string(let string): text += quoted(string)
        case .array(let elements):
            text += "["
            for (index, element) in elements.enumerated() {
                if index > 0 { text += "," }
                write(element, to: &text)
            }
            text += "]"
        case .object(let members):
            text += "{"
            for (index, member) in members.enumerated() {
                if index > 0 { text += "," }
                text += quoted(member.name) + ":"
                write(member.value, to: &text)
            }
            text += "}"
        }
    }

    private static func quoted(_ string: String) -> String {
        var writer = JSONWriter()
        writer.string(string)
        return writer.text
    }
}
