/// A file system on which the records of a recording are carried out, and which can lose power at any moment.
package struct Disk: Sendable {
    private var files: [Node: FileHistory] = [:]
    private var folders: Set<Node> = [.root]
    private var names = NameHistory()

    /// An empty file system.
    package init() {}

    /// Carries out what a record says.
    package mutating func carryOut(_ record: Recording.Record) {
        switch record.change {
        case .begin:
            break
        case .create(let node, let place):
            files[node] = FileHistory(modified: record.modified)
            names.add(.make(node, place))
        case .makeFolder(let node, let place):
            folders.insert(node)
            names.add(.make(node, place))
        case .write(let node, let offset, let bytes):
            files[node]?.add(.write(offset: offset, bytes), modified: record.modified)
        case .setSize(let node, let size):
            files[node]?.add(.setSize(size), modified: record.modified)
        case .extend(let node, let size):
            files[node]?.add(.extend(size), modified: record.modified)
        case .remove(let place):
            names.add(.remove(place))
        case .rename(let old, let new):
            names.add(.rename(old, new))
        case .synchronize(let node, let dataOnly):
            files[node]?.synchronize(dataOnly: dataOnly)
            if folders.contains(node) { names.synchronize(node) }
        case .synchronizeAll:
            for node in files.keys { files[node]?.synchronize(dataOnly: false) }
            names.synchronizeAll()
        }
    }

    /// One of the states in which power failure now can leave the disk.
    package func state(_ survival: Survival, _ random: inout some RandomNumberGenerator) -> DiskState {
        let (nameSurvival, contentSurvival): (NameSurvival, ContentSurvival) =
            switch survival {
            case .nothing: (.nothing, .nothing)
            case .everything: (.everything, .everything)
            case .namesOnly: (.everything, .nothing)
            case .sizesOnly: (.everything, .sizes)
            case .dataOnly: (.nothing, .everything)
            case .journalled: (.prefix, .parts(isOrdered: true))
            case .weak: (.parts, .parts(isOrdered: false))
            }
        let tree = names.tree(nameSurvival, &random)
        var state = DiskState()
        var open = [(Node.root, "")]
        while let (folder, path) = open.popLast() {
            for (name, node) in (tree[folder] ?? [:]).sorted(by: { $0.key < $1.key }) {
                if folders.contains(node) {
                    state.folders.append(path + name)
                    open.append((node, path + name + "/"))
                } else if let file = files[node] {
                    state.files[path + name] = DiskState.File(
                        node: node,
                        content: file.content(contentSurvival, &random)
                    )
                }
            }
        }
        return state
    }
}

/// What is on a disk: paths are relative to its root.
package struct DiskState: Sendable {
    /// A file.
    package struct File: Sendable {
        /// Which one it is.
        package var node: Node
        /// What it holds.
        package var content: FileContent
    }

    /// Folders, each after the one it is in.
    package var folders: [String] = []
    /// Files by their path.
    package var files: [String: File] = [:]
}
