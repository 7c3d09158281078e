/// The changes to names, and which of them are on disk for certain.
struct NameHistory {
    enum Change {
        case make(Node, Place)
        case remove(Place)
        case rename(Place, Place)

        var places: [Place] {
            switch self {
            case .make(_, let place), .remove(let place): [place]
            case .rename(let old, let new): [old, new]
            }
        }
    }

    private var changes: [Change] = []
    /// For each change the one before it to each of its names.
    private var conditions: [[Int]] = []
    private var newest: [Place: Int] = [:]
    /// Whether a change is on disk, where nothing keeps changes in order but their names.
    private var isDurable: [Bool] = []
    /// Changes of which `isDurable` is false.
    private var pending: [Int] = []
    /// How many changes are on disk, where all are kept in order.
    private var durableCount = 0

    mutating func add(_ change: Change) {
        let index = changes.count
        changes.append(change)
        conditions.append(change.places.compactMap { newest[$0] })
        for place in change.places { newest[place] = index }
        isDurable.append(false)
        pending.append(index)
    }

    /// The names in a folder are on disk.
    mutating func synchronize(_ folder: Node) {
        for index in pending where changes[index].places.contains(where: { $0.folder == folder }) {
            durableCount = max(durableCount, index + 1)
            settle(index)
        }
        pending.removeAll { isDurable[$0] }
    }

    private mutating func settle(_ index: Int) {
        guard !isDurable[index] else { return }
        isDurable[index] = true
        for condition in conditions[index] { settle(condition) }
    }

    /// All names are on disk.
    mutating func synchronizeAll() {
        for index in pending { isDurable[index] = true }
        pending.removeAll()
        durableCount = changes.count
    }

    /// The content of each folder in one of the states that may be on disk.
    func tree(_ survival: NameSurvival, _ random: inout some RandomNumberGenerator) -> [Node: [String: Node]]
    {
        let chosen = choose(survival, &random)
        var tree: [Node: [String: Node]] = [:]
        for (index, change) in changes.enumerated() where chosen[index] {
            switch change {
            case .make(let node, let place):
                tree[place.folder, default: [:]][place.name] = node
            case .remove(let place):
                tree[place.folder]?[place.name] = nil
            case .rename(let old, let new):
                let node = tree[old.folder]?.removeValue(forKey: old.name)
                tree[new.folder, default: [:]][new.name] = node
            }
        }
        return tree
    }

    private func choose(_ survival: NameSurvival, _ random: inout some RandomNumberGenerator) -> [Bool] {
        switch survival {
        case .nothing:
            return isDurable
        case .everything:
            return isDurable.map { _ in true }
        case .prefix:
            let count = Int.random(in: durableCount...changes.count, using: &random)
            return isDurable.indices.map { $0 < count }
        case .parts:
            var chosen = isDurable
            let share = Double.random(in: 0...1, using: &random)
            for index in pending where conditions[index].allSatisfy({ chosen[$0] }) {
                chosen[index] = Double.random(in: 0..<1, using: &random) < share
            }
            return chosen
        }
    }
}
