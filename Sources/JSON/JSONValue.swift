/// A JSON value that was read from text.
public enum JSONValue: Sendable, Equatable {
    /// `null`.
    case null
    /// `true` or `false`.
    case boolean(Bool)
    /// A number as it stands in the text; `integer` and `double` convert it.
    case number(String)
    /// A string, unescaped.
    case string(String)
    /// The elements of an array.
    case array([JSONValue])
    /// The members of an object, in the order of the text.
    ///
    /// No name occurs twice.
    case object([JSONMember])

    /// The member of this name; nil when there is none or this is no object.
    public subscript(name: String) -> JSONValue? {
        guard case .object(let members) = self else { return nil }
        return members.first { $0.name == name }?.value
    }

    /// An object with one member set, at its place or at the end; without it for nil.
    ///
    /// What is no object counts as one without members.
    public func setting(_ name: String, to value: JSONValue?) -> JSONValue {
        guard case .object(var members) = self else { return JSONValue.object([]).setting(name, to: value) }
        let index = members.firstIndex { $0.name == name }
        switch (index, value) {
        case (let index?, let value?): members[index] = JSONMember(name: name, value: value)
        case (let index?, nil): members.remove(at: index)
        case (nil, let value?): members.append(JSONMember(name: name, value: value))
        case (nil, nil): break
        }
        return .object(members)
    }

    /// The elements; nil when this is no array.
    public var elements: [JSONValue]? {
        guard case .array(let elements) = self else { return nil }
        return elements
    }

    /// The element at this index; nil when there is none or this is no array.
    public subscript(index: Int) -> JSONValue? {
        guard case .array(let elements) = self, elements.indices.contains(index) else { return nil }
        return elements[index]
    }

    /// The string; nil when this is none.
    public var string: String? {
        guard case .string(let value) = self else { return nil }
        return value
    }

    /// The integer; nil when this is no number, or one that is not an integer of 64 bits.
    public var integer: Int64? {
        guard case .number(let text) = self else { return nil }
        return Int64(text)
    }

    /// The number; nil when this is none.
    public var double: Double? {
        guard case .number(let text) = self else { return nil }
        return Double(text)
    }

    /// The truth value; nil when this is none.
    public var boolean: Bool? {
        guard case .boolean(let value) = self else { return nil }
        return value
    }
}

/// One member of a JSON object.
public struct JSONMember: Sendable, Equatable {
    /// Its name, unescaped.
    public let name: String
    /// Its value.
    public let value: JSONValue

    /// Joins a name to its value.
    public init(name: String, value: JSONValue) {
        self.name = name
        self.value = value
    }
}

/// Why text is not the JSON we accept.
public struct JSONError: Error, Sendable, Equatable, CustomStringConvertible {
    /// Where it was noticed, in bytes from the start of the text.
    public let offset: Int
    /// What is wrong there.
    public let reason: String

    /// Joins a reason to its place.
    public init(offset: Int, reason: String) {
        self.offset = offset
        self.reason = reason
    }

    /// What is wrong, and where.
    public var description: String { "invalid JSON at byte \(offset): \(reason)" }
}
