import Store

/// Names that wait for their turn, each once, in the order in which they came.
struct NameQueue {
    private var names: [DatabaseName] = []
    private var head = 0
    private var members: Set<DatabaseName> = []

    var isEmpty: Bool { members.isEmpty }

    mutating func append(_ name: DatabaseName) {
        if members.insert(name).inserted { names.append(name) }
    }

    mutating func popFirst() -> DatabaseName? {
        guard head < names.count else { return nil }
        let name = names[head]
        head += 1
        members.remove(name)
        if head == names.count {
            names.removeAll(keepingCapacity: true)
            head = 0
        } else if head > 1024, head > names.count / 2 {
            names.removeFirst(head)
            head = 0
        }
        return name
    }

    /// Puts back the name that was taken last.
    mutating func putBack(_ name: DatabaseName) {
        guard members.insert(name).inserted else { return }
        if head > 0 {
            head -= 1
            names[head] = name
        } else {
            names.insert(name, at: 0)
        }
    }
}
