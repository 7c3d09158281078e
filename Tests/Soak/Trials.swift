extension Trial {
    /// All of them, in the order in which `scripts/soak --help` lists them.
    package static let all: [Trial] = [
        .kills, .takeover, .crash, .disk, .network, .power, .differential, .mixed, .hostile,
    ]
}
