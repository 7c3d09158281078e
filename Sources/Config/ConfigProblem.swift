/// One thing that is wrong with the settings.
public struct ConfigProblem: Equatable, Sendable, CustomStringConvertible {
    /// The line of the file, counted from 1 after environment variables were expanded; nil when none is to blame.
    public let line: Int?

    /// The setting by its full path, such as `data.retention`; nil when none is to blame.
    public let key: String?

    /// What is wrong.
    public let message: String

    /// What to do about it.
    public let remedy: String

    /// Makes a problem.
    public init(line: Int? = nil, key: String? = nil, message: String, remedy: String) {
        self.line = line
        self.key = key
        self.message = message
        self.remedy = remedy
    }

    /// The message, the remedy, and where in the file the setting stands.
    public var description: String {
        switch (line, key) {
        case (let line?, let key?): "\(message); \(remedy) (\(key), line \(line))"
        case (nil, let key?): "\(message); \(remedy) (\(key))"
        case (let line?, nil): "\(message); \(remedy) (line \(line))"
        case (nil, nil): "\(message); \(remedy)"
        }
    }
}
