extension Election.Obstacle {
    /// What is in the way and what to do, for the log; in LiteFS's words where it has them.
    func text(_ lease: String, _ candidacy: Candidacy) -> String {
        switch self {
        case .otherCluster(let theirs, let ours):
            "cannot connect, \"kubernetes\" lease already initialized with different ID: \(theirs) (\(lease)), this node has \(ours): "
                + "if this node's data is the right one, stop all nodes and delete the Lease; else give this node an empty data folder"
        case .noCluster(let theirs):
            "cannot become primary, local node has no cluster ID and \"kubernetes\" lease already initialized with cluster ID \(theirs) "
                + "(\(lease)): start a node that has its data, or, for a new cluster, stop all nodes and delete the Lease"
        case .behind(let database, let recorded, let local):
            "cannot become primary, database \"\(database)\" is at \(local) here, and was at \(recorded) when \(lease) was last renewed: "
                + "start a node that has it, or wait for it; or, to go on without what is missing, annotate the Lease with litefs.io/takeover=\(candidacy.hostname)"
        case .doubtful(let database):
            "cannot become primary, it is not known yet what database \"\(database)\" of this node holds: a primary has to be compared with"
        }
    }
}
