import POSIX

/// What did not happen in time.
struct Timeout: Error, CustomStringConvertible {
    let what: String
    let limit: Duration

    var description: String { "not within \(limit.seconds) s: \(what)" }
}

/// Waits until a condition holds.
///
/// - Parameters:
///   - what: What is waited for, evaluated when it did not come.
///   - limit: The longest time.
///   - condition: Asked again and again, at least twice.
/// - Throws: `Timeout`, or what the condition throws.
func eventually(
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
