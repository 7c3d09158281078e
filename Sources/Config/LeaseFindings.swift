/// What a check of the section `lease` found: problems stop the start, warnings are logged.
public struct LeaseFindings: Equatable, Sendable {
    /// What cannot work.
    public internal(set) var problems: [ConfigProblem] = []

    /// What is probably not meant.
    public internal(set) var warnings: [ConfigProblem] = []

    mutating func fail(_ key: String, _ message: String, _ remedy: String) {
        problems.append(ConfigProblem(key: key, message: message, remedy: remedy))
    }

    mutating func warn(_ key: String?, _ message: String, _ remedy: String) {
        warnings.append(ConfigProblem(key: key, message: message, remedy: remedy))
    }
}
