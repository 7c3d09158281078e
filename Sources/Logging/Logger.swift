import POSIX

/// Writes events as lines; cheap to copy, usable from any thread.
public struct Logger: Sendable {
    /// How a line looks.
    public enum Format: Sendable {
        /// `level=INFO msg="…" key=value`.
        case text
        /// `{"level":"INFO","msg":"…","key":"value"}`.
        case json
    }

    /// Named values that belong to a message, in order.
    public typealias Attributes = KeyValuePairs<String, LogValue>

    /// Takes one complete line, its newline included.
    ///
    /// Called on the thread that logs.
    public typealias Sink = @Sendable (UnsafeRawBufferPointer) -> Void

    /// The least important level that is written; nil when nothing is.
    public let level: LogLevel?
    private let format: Format
    private let timestamps: Bool
    private let clock: @Sendable () -> Int64
    private let sink: Sink

    /// A logger that writes messages of `level` and above to `sink`.
    ///
    /// With `timestamps` each line starts with the time of `clock` (milliseconds since 1970).
    public init(
        level: LogLevel = .info,
        format: Format = .text,
        timestamps: Bool = false,
        clock: @escaping @Sendable () -> Int64 = { WallClock.milliseconds },
        sink: @escaping Sink = StandardError.write
    ) {
        self.init(minimum: level, format: format, timestamps: timestamps, clock: clock, sink: sink)
    }

    private init(
        minimum level: LogLevel?,
        format: Format,
        timestamps: Bool,
        clock: @escaping @Sendable () -> Int64,
        sink: @escaping Sink
    ) {
        self.level = level
        self.format = format
        self.timestamps = timestamps
        self.clock = clock
        self.sink = sink
    }

    /// A logger that writes nothing.
    public static let silent = Logger(
        minimum: nil,
        format: .text,
        timestamps: false,
        clock: { 0 },
        sink: { _ in }
    )

    /// Logs details for finding a fault.
    public func debug(
        _ message: @autoclosure () -> String,
        _ attributes: @autoclosure () -> Attributes = [:]
    ) {
        log(.debug, message(), attributes())
    }

    /// Logs normal operation.
    public func info(
        _ message: @autoclosure () -> String,
        _ attributes: @autoclosure () -> Attributes = [:]
    ) {
        log(.info, message(), attributes())
    }

    /// Logs that something is wrong but the daemon copes.
    public func warning(
        _ message: @autoclosure () -> String,
        _ attributes: @autoclosure () -> Attributes = [:]
    ) {
        log(.warning, message(), attributes())
    }

    /// Logs that something failed.
    public func error(
        _ message: @autoclosure () -> String,
        _ attributes: @autoclosure () -> Attributes = [:]
    ) {
        log(.error, message(), attributes())
    }

    /// Logs at a level; message and attributes are only evaluated when the line is written.
    public func log(
        _ level: LogLevel,
        _ message: @autoclosure () -> String,
        _ attributes: @autoclosure () -> Attributes = [:]
    ) {
        guard let minimum = self.level, level >= minimum else { return }
        let time = timestamps ? WallClock.text(milliseconds: clock()) : nil
        let line =
            switch format {
            case .text: LogLine.text(time: time, level: level, message: message(), attributes: attributes())
            case .json: LogLine.json(time: time, level: level, message: message(), attributes: attributes())
            }
        line.withUnsafeBytes(sink)
    }
}
