/// Writes one JSON value, piece by piece, into a byte array.
///
/// The caller gives names and values in order; the writer puts commas, colons and indentation between them. Giving
/// a value in an object without a name first, or a name outside an object, is a mistake of the programmer and traps.
public struct JSONWriter: Sendable {
    /// How the text is laid out.
    public enum Style: Sendable {
        /// No white space at all.
        case compact
        /// Each member and element on a line of its own, indented by two spaces for each level.
        case pretty
    }

    private enum Container {
        case object
        case array
    }

    private struct Level {
        let container: Container
        var isEmpty = true
        var hasName = false
    }

    private let style: Style
    private let escapesHTML: Bool
    private var levels: [Level] = []

    /// The UTF-8 text written so far.
    public private(set) var bytes: [UInt8] = []

    /// Starts with nothing written.
    ///
    /// With `escapesHTML` the characters `<`, `>` and `&` are written as `\u003c`, `\u003e` and `\u0026`.
    public init(style: Style = .compact, escapesHTML: Bool = true) {
        self.style = style
        self.escapesHTML = escapesHTML
    }

    /// The text written so far.
    public var text: String { String(decoding: bytes, as: UTF8.self) }

    /// Writes an object whose members `body` writes.
    public mutating func object<Failure: Error>(
        _ body: (inout JSONWriter) throws(Failure) -> Void
    ) throws(Failure) {
        begin(.object, UInt8(ascii: "{"))
        try body(&self)
        end(UInt8(ascii: "}"))
    }

    /// Writes an array whose elements `body` writes.
    public mutating func array<Failure: Error>(
        _ body: (inout JSONWriter) throws(Failure) -> Void
    ) throws(Failure) {
        begin(.array, UInt8(ascii: "["))
        try body(&self)
        end(UInt8(ascii: "]"))
    }

    /// Writes the name of the next member.
    public mutating func name(_ name: String) {
        guard let level = levels.last, level.container == .object, !level.hasName else {
            preconditionFailure("a JSON name must be written directly inside an object")
        }
        separate()
        JSONText.appendQuoted(name, escapesHTML: escapesHTML, to: &bytes)
        bytes.append(UInt8(ascii: ":"))
        if style == .pretty { bytes.append(UInt8(ascii: " ")) }
        levels[levels.count - 1].hasName = true
    }

    /// Writes a string.
    public mutating func string(_ value: String) {
        beginValue()
        JSONText.appendQuoted(value, escapesHTML: escapesHTML, to: &bytes)
    }

    /// Writes an integer.
    public mutating func integer(_ value: some BinaryInteger) {
        beginValue()
        bytes.append(contentsOf: String(value).utf8)
    }

    /// Writes a number; `null` when it is infinite or not a number, which JSON cannot say.
    public mutating func number(_ value: Double) {
        beginValue()
        bytes.append(contentsOf: JSONText.number(value).utf8)
    }

    /// Writes `true` or `false`.
    public mutating func boolean(_ value: Bool) {
        beginValue()
        bytes.append(contentsOf: (value ? "true" : "false").utf8)
    }

    /// Writes `null`.
    public mutating func null() {
        beginValue()
        bytes.append(contentsOf: "null".utf8)
    }

    /// Writes a value that was read, with its members in their order and its numbers as they stood in the text.
    public mutating func value(_ value: JSONValue) {
        switch value {
        case .null: null()
        case .boolean(let value): boolean(value)
        case .number(let text):
            beginValue()
            bytes.append(contentsOf: text.utf8)
        case .string(let value): string(value)
        case .array(let elements):
            array { writer in
                for element in elements { writer.value(element) }
            }
        case .object(let members):
            object { writer in
                for member in members {
                    writer.name(member.name)
                    writer.value(member.value)
                }
            }
        }
    }

    /// Writes a member with a string.
    public mutating func member(_ name: String, _ value: String) {
        self.name(name)
        string(value)
    }

    /// Writes a member with an integer.
    public mutating func member(_ name: String, _ value: some BinaryInteger) {
        self.name(name)
        integer(value)
    }

    /// Writes a member with `true` or `false`.
    public mutating func member(_ name: String, _ value: Bool) {
        self.name(name)
        boolean(value)
    }

    /// Ends the line after a complete value; for one value a line.
    public mutating func newline() {
        precondition(levels.isEmpty, "a JSON line ends only after a complete value")
        bytes.append(UInt8(ascii: "\n"))
    }

    private mutating func begin(_ container: Container, _ bracket: UInt8) {
        beginValue()
        bytes.append(bracket)
        levels.append(Level(container: container))
    }

    private mutating func end(_ bracket: UInt8) {
        let level = levels.removeLast()
        precondition(!level.hasName, "a JSON name was written without its value")
        if !level.isEmpty { indent() }
        bytes.append(bracket)
    }

    private mutating func beginValue() {
        guard let level = levels.last else { return }
        switch level.container {
        case .array:
            separate()
        case .object:
            precondition(level.hasName, "a value in a JSON object needs a name")
            levels[levels.count - 1].hasName = false
        }
    }

    private mutating func separate() {
        let last = levels.count - 1
        if !levels[last].isEmpty { bytes.append(UInt8(ascii: ",")) }
        levels[last].isEmpty = false
        indent()
    }

    private mutating func indent() {
        guard style == .pretty else { return }
        bytes.append(UInt8(ascii: "\n"))
        bytes.append(contentsOf: repeatElement(UInt8(ascii: " "), count: 2 * levels.count))
    }
}
