import Faults
import Harness
import POSIX

/// A piece of life in which a node passes certain fault points.
///
/// The nodes run, `prepare` makes what is needed, the node ends as `ending` says, `between` changes its files, it starts again
/// with faults, `act` makes it pass the points. Then it starts once more, without faults.
struct CrashScene: Sendable {
    /// How the node is ended before it starts with faults.
    enum Ending {
        case stop
        case kill
    }

    let name: String
    /// Whether the primary is the node that dies.
    let isPrimary: Bool
    /// The points that `act`, or the start itself, is sure to reach.
    let points: [FaultPoint]
    var ending = Ending.stop
    /// Faults beside the one that is tried, without which a point is not reached.
    var otherFaults: String?
    var prepare: @Sendable (CrashStage) throws -> Void = { _ in }
    var between: @Sendable (CrashStage) throws -> Void = { _ in }
    var act: @Sendable (CrashStage) throws -> Void = { _ in }

    /// All scenes.
    static let all: [CrashScene] =
        primaryScenes + nameScenes + primaryStarts + replicaScenes + replicaStarts

    /// Those that reach a point.
    static func reaching(_ point: FaultPoint) -> [CrashScene] { all.filter { $0.points.contains(point) } }

    /// Prepares, starts the node with faults and lets it act; it may die at any moment of it.
    ///
    /// - Throws: What goes wrong while the node has not died.
    func play(_ stage: CrashStage, faults: String) throws {
        try stage.cluster.start()
        try prepare(stage)
        switch ending {
        case .stop where stage.node.current?.exit == nil: try stage.node.stop()
        default: try stage.node.kill()
        }
        try between(stage)
        let all = [otherFaults, faults].compactMap { $0 }.joined(separator: ",")
        do {
            try stage.node.start(environment: [FaultPlan.variable: all])
            try act(stage)
        } catch {
            // A start that fails and a program that fails are what a dying node looks like from outside.
            try eventually("\(stage.node.settings.name) has died: \(error)", within: .seconds(3)) {
                stage.hasDied
            }
        }
    }
}
