import POSIX

/// What did not happen in time.
package struct Timeout: Error, CustomStringConvertible {
    package let what: String
    package let limit: Duration

    package var description: String { "not within \(limit.seconds) s: \(what)" }
}

/// Waits until a condition holds.
///
/// - Parameters:
///   - what: What is waited for, evaluated when it did not come.
///   - limit: The longest time.
///   - condition: Asked again and again, at least twice.
/// - Throws: `Timeout`, or what the condition throws.
package func eventually(
    _ what: @autoclosure () -> String,
    within limit: Duration = .seconds(12),
    _ condition: () throws -> Bool
) throws {
    let deadline = MonotonicTime.now + limit
    var interval = Duration.milliseconds(1)
    while true {
        let isLast = deadline <= .now
        if try condition() { return }
        if isLast { throw Timeout(what: what(), limit: limit) }
        pause(interval)
        interval = min(interval * 2, .milliseconds(20))
    }
}
