/// Something that must hold does not.
///
/// The end of a test or of a soak run's round; it says what was expected and what was found.
package struct Finding: Error, CustomStringConvertible {
    /// What was expected, and what was found.
    package let description: String

    package init(_ description: String) {
        self.description = description
    }
}

/// Throws a `Finding` unless a condition holds.
package func check(_ condition: Bool, _ what: @autoclosure () -> String) throws {
    guard condition else { throw Finding("expected: " + what()) }
}

/// The value; throws a `Finding` when there is none.
package func required<Value>(_ value: Value?, _ what: @autoclosure () -> String) throws -> Value {
    guard let value else { throw Finding("expected: " + what()) }
    return value
}
