import Glibc
import POSIX

/// What is to happen at which points: the value of `LITEFS_FAULTS`.
public struct FaultPlan: Sendable {
    /// The name of the environment variable.
    public static let variable = "LITEFS_FAULTS"

    /// What happens at a point.
    enum Action: Equatable {
        case kill
        case torn
        case fail(Errno)
        case short
        case stop
        case note
    }

    /// An action and the hits of its point at which it is taken.
    struct Rule {
        var text: String
        var action: Action
        var hits: ClosedRange<Int>
    }

    private(set) var rules: [FaultPoint: [Rule]] = [:]

    /// Reads a plan.
    ///
    /// - Throws: What is wrong with it, and what would be right.
    public init(_ text: String) throws(FaultPlanError) {
        for part in text.split(separator: ",", omittingEmptySubsequences: false) {
            let words = part.split(separator: "=", maxSplits: 1, omittingEmptySubsequences: false)
            let ends =
                words.last?.split(separator: "@", maxSplits: 1, omittingEmptySubsequences: false) ?? []
            guard words.count == 2, ends.count == 2 else {
                throw FaultPlanError("\"\(part)\" is not NAME=ACTION@HITS")
            }
            guard let action = Self.action(ends[0]) else {
                throw FaultPlanError("there is no action \"\(ends[0])\"")
            }
            guard let hits = Self.hits(ends[1]) else {
                throw FaultPlanError("\"\(ends[1])\" is not N, N-M or N+ with hits counted from 1")
            }
            let points =
                words[0] == "*" ? FaultPoint.allCases : FaultPoint(rawValue: String(words[0])).map { [$0] }
            guard let points else { throw FaultPlanError("there is no fault point \"\(words[0])\"") }
            for point in points {
                rules[point, default: []].append(Rule(text: String(ends[0]), action: action, hits: hits))
            }
        }
    }

    private static func action(_ text: Substring) -> Action? {
        switch text {
        case "kill": .kill
        case "torn": .torn
        case "short": .short
        case "stop": .stop
        case "note": .note
        case "EIO": .fail(.io)
        case "ENOSPC": .fail(.noSpace)
        case "EDQUOT": .fail(Errno(rawValue: EDQUOT))
        default: nil
        }
    }

    private static func hits(_ text: Substring) -> ClosedRange<Int>? {
        if text.last == "+" { return Int(text.dropLast()).flatMap { $0 > 0 ? $0...Int.max : nil } }
        let ends = text.split(separator: "-", omittingEmptySubsequences: false).map { Int($0) }
        guard let first = ends.first ?? nil, let last = ends.last ?? nil, ends.count <= 2, first > 0,
            first <= last
        else { return nil }
        return first...last
    }
}

/// A value of `LITEFS_FAULTS` that makes no sense.
public struct FaultPlanError: Error, CustomStringConvertible {
    /// What is wrong, and what would be right.
    public let description: String

    init(_ reason: String) {
        description = """
            \(FaultPlan.variable): \(reason)
            It is NAME=ACTION@HITS, several of them separated by commas: ACTION is kill, torn, EIO, ENOSPC, EDQUOT, short, \
            stop or note; HITS is N, N-M or N+; NAME is * or one of:
            \(FaultPoint.allCases.map { "  " + $0.rawValue }.joined(separator: "\n"))
            """
    }
}
