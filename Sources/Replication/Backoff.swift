/// How long to wait before the next attempt: twice as long each time, with some disorder, so that many nodes do not come
/// back at the same moment.
struct Backoff: Sendable {
    /// The first delay.
    let first: Duration
    /// The longest delay before disorder.
    let longest: Duration
    private var next: Duration

    init(first: Duration, longest: Duration = .seconds(10)) {
        self.first = max(first, .milliseconds(1))
        self.longest = max(longest, self.first)
        next = self.first
    }

    /// The delay before the next attempt, between 80 and 120 percent of twice the one before.
    ///
    /// - Parameters:
    ///   - bound: The longest delay this time, before disorder; the first delay may be longer.
    ///   - random: The disorder.
    /// - Returns: The delay.
    mutating func delay(
        atMost bound: Duration? = nil,
        using random: inout some RandomNumberGenerator
    ) -> Duration {
        let delay = min(next, max(first, bound ?? longest))
        next = min(delay * 2, longest)
        return delay * Int.random(in: 80...120, using: &random) / 100
    }

    /// Begins anew after a success.
    mutating func reset() {
        next = first
    }
}
