import Glibc

/// A moment on the monotonic clock; it does not jump when somebody sets the time of day.
public struct MonotonicTime: Comparable, Hashable, Sendable {
    /// Nanoseconds since an arbitrary start.
    public let nanoseconds: Int64

    /// The moment `nanoseconds` after the arbitrary start.
    public init(nanoseconds: Int64) {
        self.nanoseconds = nanoseconds
    }

    /// Now.
    public static var now: MonotonicTime {
        var time = timespec()
        clock_gettime(CLOCK_MONOTONIC, &time)
        return MonotonicTime(nanoseconds: Int64(time.tv_sec) * 1_000_000_000 + Int64(time.tv_nsec))
    }

    /// Whether `left` comes before `right`.
    public static func < (left: MonotonicTime, right: MonotonicTime) -> Bool {
        left.nanoseconds < right.nanoseconds
    }

    /// The moment `duration` later; the last one that there is for a duration that no clock lives to see.
    public static func + (time: MonotonicTime, duration: Duration) -> MonotonicTime {
        let (sum, overflows) = time.nanoseconds.addingReportingOverflow(duration.nanoseconds)
        return MonotonicTime(nanoseconds: overflows ? .max : sum)
    }

    /// Time passed between two moments.
    public static func - (left: MonotonicTime, right: MonotonicTime) -> Duration {
        .nanoseconds(left.nanoseconds - right.nanoseconds)
    }
}

/// A moment on the clock that goes on while the machine sleeps: what was promised for some seconds is not kept longer by a suspend.
public struct BootTime: Comparable, Hashable, Sendable {
    /// Nanoseconds since the machine started.
    public let nanoseconds: Int64

    /// The moment `nanoseconds` after the machine started.
    public init(nanoseconds: Int64) {
        self.nanoseconds = nanoseconds
    }

    /// Now.
    public static var now: BootTime {
        var time = timespec()
        clock_gettime(CLOCK_BOOTTIME, &time)
        return BootTime(nanoseconds: Int64(time.tv_sec) * 1_000_000_000 + Int64(time.tv_nsec))
    }

    /// Whether `left` comes before `right`.
    public static func < (left: BootTime, right: BootTime) -> Bool { left.nanoseconds < right.nanoseconds }

    /// The moment `duration` later; the last one that there is for a duration that no clock lives to see.
    public static func + (time: BootTime, duration: Duration) -> BootTime {
        let (sum, overflows) = time.nanoseconds.addingReportingOverflow(duration.nanoseconds)
        return BootTime(nanoseconds: overflows ? .max : sum)
    }

    /// Time passed between two moments.
    public static func - (left: BootTime, right: BootTime) -> Duration {
        .nanoseconds(left.nanoseconds - right.nanoseconds)
    }
}

extension Duration {
    /// The whole duration in nanoseconds; the nearest that 64 bits hold, which is about 292 years.
    public var nanoseconds: Int64 {
        clampedNanoseconds(seconds: components.seconds, rest: components.attoseconds / 1_000_000_000)
    }

    /// The whole duration in seconds.
    public var seconds: Double { Double(nanoseconds) / 1e9 }
}

/// Nanoseconds of seconds and a rest; the nearest that 64 bits hold.
///
/// Anybody may give a file a time beyond the year 2262, where they end.
public func clampedNanoseconds(seconds: Int64, rest: Int64) -> Int64 {
    let whole = seconds.multipliedReportingOverflow(by: 1_000_000_000)
    let sum = whole.partialValue.addingReportingOverflow(rest)
    return whole.overflow || sum.overflow ? (seconds < 0 ? .min : .max) : sum.partialValue
}

/// The time of day.
public enum WallClock {
    /// Milliseconds since 1970-01-01T00:00:00Z.
    public static var milliseconds: Int64 {
        var time = timespec()
        clock_gettime(CLOCK_REALTIME, &time)
        return Int64(time.tv_sec) * 1000 + Int64(time.tv_nsec) / 1_000_000
    }

    /// Microseconds since 1970-01-01T00:00:00Z.
    public static var microseconds: Int64 {
        var time = timespec()
        clock_gettime(CLOCK_REALTIME, &time)
        return Int64(time.tv_sec) * 1_000_000 + Int64(time.tv_nsec) / 1000
    }

    /// RFC 3339 text in UTC with milliseconds, for example `2026-01-02T15:04:05.000Z`.
    public static func text(milliseconds: Int64) -> String {
        text(milliseconds, perSecond: 1000, digits: 3)
    }

    /// RFC 3339 text in UTC with microseconds, for example `2026-01-02T15:04:05.000000Z`.
    public static func text(microseconds: Int64) -> String {
        text(microseconds, perSecond: 1_000_000, digits: 6)
    }

    private static func text(_ time: Int64, perSecond: Int64, digits: Int) -> String {
        var seconds = time_t(time.quotientAndRemainder(dividingBy: perSecond).quotient)
        var parts = tm()
        gmtime_r(&seconds, &parts)
        func padded(_ value: Int64, _ width: Int) -> String {
            let digits = String(value)
            return String(repeating: "0", count: max(0, width - digits.count)) + digits
        }
        let (year, month, day) = (Int64(parts.tm_year) + 1900, Int64(parts.tm_mon) + 1, Int64(parts.tm_mday))
        let (hour, minute, second) = (Int64(parts.tm_hour), Int64(parts.tm_min), Int64(parts.tm_sec))
        return padded(year, 4) + "-" + padded(month, 2) + "-" + padded(day, 2)
            + "T" + padded(hour, 2) + ":" + padded(minute, 2) + ":" + padded(second, 2)
            + "." + padded(time % perSecond, digits) + "Z"
    }
}

/// Blocks the calling thread for a duration.
public func pause(_ duration: Duration) {
    var time = timespec(
        tv_sec: Int(duration.nanoseconds / 1_000_000_000),
        tv_nsec: Int(duration.nanoseconds % 1_000_000_000)
    )
    var left = timespec()
    while nanosleep(&time, &left) != 0 { time = left }
}
