/// Writes text from outside in double quotes for a message: control characters escaped, long text cut.
///
/// - Parameters:
///   - text: Any text.
///   - limit: How many characters of it are shown at most.
/// - Returns: The text in quotes.
func quoted(_ text: String, limit: Int = 80) -> String {
    var result = "\""
    var count = 0
    for scalar in text.unicodeScalars {
        if count == limit { return result + "…\"" }
        count += 1
        switch scalar {
        case "\"": result += "\\\""
        case "\\": result += "\\\\"
        case "\n": result += "\\n"
        case "\t": result += "\\t"
        case "\r": result += "\\r"
        case _ where scalar.value < 0x20 || scalar.value == 0x7F:
            let hexadecimal = String(scalar.value, radix: 16)
            result += "\\x" + (hexadecimal.count == 1 ? "0" : "") + hexadecimal
        default: result.unicodeScalars.append(scalar)
        }
    }
    return result + "\""
}
