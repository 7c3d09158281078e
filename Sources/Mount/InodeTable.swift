import FUSE
import POSIX
import Store
import Synchronization

/// What an inode is.
enum InodeKind: Sendable {
    /// A folder; its content is in the folder of the same name below `DATA/local`.
    case folder
    /// One of the files of a database.
    case database(Database, DatabaseFileKind, BackingFile)
    /// A file that stays on this node.
    ///
    /// The backing file is open while somebody has the inode open.
    case local(BackingFile?)
    /// A symbolic link; like a file it stays on this node.
    case symbolicLink
    /// A file whose content the daemon makes up.
    case special(SpecialFile)
    /// The folder `.litefs`.
    case statusFolder

    /// The file in the data directory that is open for it.
    var backing: BackingFile? {
        switch self {
        case .database(_, _, let file): file
        case .local(let file): file
        case .folder, .symbolicLink, .special, .statusFolder: nil
        }
    }
}

/// An inode that the kernel knows, or may get to know.
final class Inode: Sendable {
    /// Its number; never used again.
    let number: InodeNumber

    struct State: Sendable {
        var kind: InodeKind
        /// Name and folder; nil when the name was removed.
        var place: Place?
        /// How often the kernel looked it up and did not forget it.
        var lookups: UInt64 = 0
        /// Its name went to another file without the kernel's doing: who opens it by what the kernel remembers is to look again.
        var isReplaced = false
        /// Programs wrote to it past the daemon: what the kernel remembers of its content may be old.
        var hasPassed = false
        /// It became a database while a program had it open and wrote past the daemon.
        var isUnseen = false
        /// The log has said that this file is not replicated.
        var wasNamed = false
        /// Where the session's memory has it; the root folder has no place there.
        var slot: InodeSlot?
    }

    /// A name in a folder.
    struct Place: Hashable, Sendable {
        var folder: InodeNumber
        var name: String
    }

    private let state: Mutex<State>

    /// An inode that nobody looked up yet.
    init(number: InodeNumber, kind: InodeKind, place: Place?) {
        self.number = number
        state = Mutex(State(kind: kind, place: place))
    }

    /// Notes that the inode was opened; `file` backs it if nothing does yet.
    func opened(_ file: BackingFile) {
        withState { state in
            if case .local(nil) = state.kind { state.kind = .local(file) }
            guard let file = state.kind.backing else { return }
            file.opened()
            state.slot?.note(file)
        }
    }

    /// Notes that the inode was opened, and says whether that passes through; `file` backs it if nothing does yet.
    func opened(_ file: BackingFile, mayPassThrough: Bool) -> Bool {
        withState { state in
            if case .local(nil) = state.kind { state.kind = .local(file) }
            if let backing = state.kind.backing { state.slot?.note(backing) }
            let passes = state.kind.backing?.opened(mayPassThrough: mayPassThrough) ?? false
            if passes { state.hasPassed = true }
            return passes
        }
    }

    /// How the kernel treats what it remembers of the content when it is opened and does not pass through.
    func cachePolicy() -> CachePolicy {
        withState { state in
            defer { state.hasPassed = false }
            return state.hasPassed ? .fresh : .keep
        }
    }

    /// Notes that an open file of the inode was closed; a file that has a name can be opened again when it is needed.
    ///
    /// - Returns: the file that backs it, when nobody uses it any more.
    func closed() -> BackingFile? {
        withState { state in
            guard let file = state.kind.backing else { return nil }
            file.closed()
            guard !file.isInUse else { return nil }
            if case .local = state.kind, state.place != nil { state.kind = .local(nil) }
            return file
        }
    }

    var kind: InodeKind { state.withLock { $0.kind } }
    var place: Place? { state.withLock { $0.place } }

    func withState<Result: Sendable>(_ body: (inout sending State) -> Result) -> Result {
        state.withLock { body(&$0) }
    }
}

extension Inode.State {
    /// The name goes; the inode lives on as long as somebody uses it.
    mutating func loseName() {
        place = nil
        slot?.setNameless()
    }
}

/// Inodes by number and by name.
///
/// Thread-safe; a lock is held only for look-ups in tables.
///
/// Numbers begin somewhere else in each run of the daemon. SQLite compares the number of the file that it has open with that of
/// the file that has its name now (`databaseIsUnmoved`), and only then opens a journal by name or removes a log when it
/// closes. A program that outlived its mount must not find the same number on the next one: it would remove the log of
/// programs that it shares no lock with.
final class InodeTable: Sendable {
    static let root: InodeNumber = 1
    /// The folder `.litefs`.
    static let statusFolder: InodeNumber = 2

    private struct State: ~Copyable {
        var inodes: [InodeNumber: Inode] = [:]
        var names: [Inode.Place: Inode] = [:]
        /// Below 2^32, so that programs with a short `st_ino` can look at files.
        var next: InodeNumber
        var slots: SlotTable
    }
    private let state: Mutex<State>
    private let memory: SessionMemory

    /// The inodes that an earlier process left in the session's memory, without saying what they are; in a new memory, the root folder.
    init(_ memory: SessionMemory) {
        self.memory = memory
        let root = Inode(number: Self.root, kind: .folder, place: nil)
        let place = Inode.Place(folder: Self.root, name: StatusFolder.name)
        let status = Inode(number: Self.statusFolder, kind: .statusFolder, place: place)
        var state = State(
            inodes: [Self.root: root, Self.statusFolder: status],
            names: [place: status],
            next: memory.nextInode > 0 ? memory.nextInode : .random(in: 16..<1 << 31),
            slots: SlotTable(memory, kind: InodeSlot.kind, slotSize: InodeSlot.size)
        )
        for slot in state.slots.takePublished() { Self.restore(InodeSlot(slot), &state) }
        memory.nextInode = state.next
        self.state = Mutex(state)
    }

    /// Takes up a slot; of two for one inode, or for one name, the later one holds.
    private static func restore(_ slot: InodeSlot, _ state: inout State) {
        if let earlier = state.inodes[slot.number] {
            if let place = earlier.place { state.names[place] = nil }
            if let slot = earlier.withState({ $0.slot }) { state.slots.release(slot.slot) }
        }
        let inode = Inode(number: slot.number, kind: .local(nil), place: slot.place)
        inode.withState { current in
            current.slot = slot
            current.lookups = slot.lookups
        }
        state.inodes[slot.number] = inode
        guard let place = slot.place else { return }
        state.names[place]?.withState { $0.loseName() }
        state.names[place] = inode
    }

    /// All inodes but the root folder and `.litefs`.
    var all: [Inode] {
        state.withLock { state in state.inodes.values.filter { $0.number > Self.statusFolder } }
    }

    /// An earlier process noted a name that is no longer there.
    func lost(_ inode: Inode) {
        if let place = inode.place { removed(place) }
    }

    /// The inode of a number that the kernel sent.
    func inode(_ number: InodeNumber) throws(Errno) -> Inode {
        guard let inode = state.withLock({ $0.inodes[number] }) else { throw .stale }
        return inode
    }

    /// Whether the kernel holds the inode of a name: it was looked up, and is cached or in use.
    func isHeld(_ place: Inode.Place) -> Bool {
        inode(at: place)?.withState { $0.lookups > 0 } ?? false
    }

    /// The inode that has a name, if the kernel was told of it.
    func inode(at place: Inode.Place) -> Inode? { state.withLock { $0.names[place] } }

    /// The inode for what a name stands for now: the one it has, if that is the same thing, else a new one.
    ///
    /// Counts a look-up.
    func lookedUp(_ place: Inode.Place, _ kind: InodeKind) -> Inode {
        state.withLock { state in
            if let inode = state.names[place] {
                let isSame = inode.withState { current in
                    guard Self.isSame(current.kind, kind) else { return false }
                    current.lookups += 1
                    current.slot?.set(lookups: current.lookups)
                    return true
                }
                if isSame { return inode }
                inode.withState { $0.loseName() }
            }
            let inode = Inode(number: state.next, kind: kind, place: place)
            state.next += 1
            memory.nextInode = state.next
            let slot = InodeSlot.publish(inode.number, place, lookups: 1, in: &state.slots)
            inode.withState { current in
                current.lookups = 1
                current.slot = slot
            }
            state.inodes[inode.number] = inode
            state.names[place] = inode
            return inode
        }
    }

    private static func isSame(_ left: InodeKind, _ right: InodeKind) -> Bool {
        switch (left, right) {
        case (.folder, .folder), (.local, .local), (.symbolicLink, .symbolicLink): true
        case (.statusFolder, .statusFolder): true
        case (.database(_, let one, let file), .database(_, let other, let another)):
            one == other && file === another
        case (.special(let one), .special(let other)): one == other
        default: false
        }
    }

    /// The kernel forgot look-ups.
    func forget(_ number: InodeNumber, count: UInt64) {
        guard number != Self.root else { return }
        state.withLock { state in
            guard let inode = state.inodes[number] else { return }
            let (isGone, place, slot) = inode.withState { inode in
                inode.lookups -= min(count, inode.lookups)
                inode.slot?.set(lookups: inode.lookups)
                return (inode.lookups == 0, inode.place, inode.slot)
            }
            guard isGone, number != Self.statusFolder else { return }
            state.inodes[number] = nil
            if let slot { state.slots.release(slot.slot) }
            if let place, state.names[place] === inode { state.names[place] = nil }
        }
    }

    /// A name was removed; its inode lives on as long as somebody uses it.
    func removed(_ place: Inode.Place) {
        state.withLock { state in
            guard let inode = state.names.removeValue(forKey: place) else { return }
            inode.withState { $0.loseName() }
        }
    }

    /// A name went to another file without the kernel's doing.
    func replaced(_ place: Inode.Place) {
        state.withLock { state in
            guard let inode = state.names.removeValue(forKey: place) else { return }
            inode.withState { current in
                current.loseName()
                current.isReplaced = true
            }
        }
    }

    /// A name was changed.
    func renamed(_ old: Inode.Place, to new: Inode.Place) {
        state.withLock { state in
            if let replaced = state.names[new] { replaced.withState { $0.loseName() } }
            let inode = state.names.removeValue(forKey: old)
            state.names[new] = inode
            guard let inode else { return }
            // The new slot is there before the old one goes: a death in between leaves the later one.
            let slot = InodeSlot.publish(
                inode.number,
                new,
                lookups: inode.withState { $0.lookups },
                identity: inode.withState { $0.slot?.identity ?? 0 },
                in: &state.slots
            )
            let earlier = inode.withState { current in
                defer { current.slot = slot }
                current.place = new
                return current.slot
            }
            if let earlier { state.slots.release(earlier.slot) }
        }
    }

    /// The name in the root folder of what a name in a folder is, or is below of.
    func rootName(of place: Inode.Place) throws(Errno) -> String {
        let path = try path(of: place)
        return path.firstIndex(of: "/").map { String(path[..<$0]) } ?? path
    }

    /// The path below the root of what a name in a folder is called now.
    func path(of place: Inode.Place) throws(Errno) -> String {
        var path = place.name
        var folder = place.folder
        var depth = 0
        while folder != Self.root {
            guard let parent = try inode(folder).place, depth < 256 else { throw .noEntry }
            path = parent.name + "/" + path
            folder = parent.folder
            depth += 1
        }
        return path
    }
}
