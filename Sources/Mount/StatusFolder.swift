import FUSE
import Glibc
import Store
import Synchronization

/// The folder `.litefs`: a file for each database that the mount shows.
///
/// Programs see its names as they are. The kernel, which tells those who watch the folder or its files, learns of a name when the daemon
/// makes or removes it through the mount (`StatusAnnouncer`): so to the daemon's own threads a name is there from its announcement on.
///
/// Thread-safe; a leaf in the order of locks.
final class StatusFolder: Sendable {
    static let name = ".litefs"
    private static let suffix = ".json"

    private struct State {
        /// Names that the kernel was told of.
        var announced: Set<String> = []
        /// Names that programs looked up since they were taken last; the empty one is the folder.
        var wanted: Set<String> = []
    }
    private let store: Store
    private let state = Mutex(State())
    private let isWanted = Atomic<Bool>(false)

    init(_ store: Store) {
        self.store = store
    }

    /// The name of a database's file.
    static func fileName(of database: DatabaseName) -> String { database.text + suffix }

    /// What a name stands for.
    func resolve(_ name: String, isOwn: Bool) -> InodeKind? {
        guard name.hasSuffix(Self.suffix), let database = database(String(name.dropLast(Self.suffix.count)))
        else { return nil }
        guard isOwn ? isAnnounced(name) : database.isShownOnMount else { return nil }
        return .special(.status(database))
    }

    private func database(_ text: String) -> Database? {
        guard let name = try? DatabaseName(text) else { return nil }
        return store.database(name)
    }

    /// The names for a listing.
    var names: [ListedName] {
        store.databases.filter(\.isShownOnMount)
            .map { ListedName(name: Self.fileName(of: $0.name), inode: UInt64(UInt32.max), type: S_IFREG) }
    }

    // MARK: - What the kernel knows

    func isAnnounced(_ name: String) -> Bool { state.withLock { $0.announced.contains(name) } }

    /// Notes that the kernel is told of a name, and says what it stands for.
    func announce(_ name: String) -> InodeKind? {
        guard let database = database(String(name.dropLast(Self.suffix.count))) else { return nil }
        state.withLock { _ = $0.announced.insert(name) }
        return .special(.status(database))
    }

    /// Notes that the kernel was told that a name is gone.
    func withdraw(_ name: String) { state.withLock { _ = $0.announced.remove(name) } }

    // MARK: - Who wants to know

    /// Notes that a program looked for the folder or a file in it: it may watch it from now on.
    func noteLookup(_ kind: InodeKind) {
        switch kind {
        case .statusFolder: want("")
        case .special(.status(let database)): want(Self.fileName(of: database.name))
        default: break
        }
    }

    private func want(_ name: String) {
        state.withLock { _ = $0.wanted.insert(name) }
        isWanted.store(true, ordering: .releasing)
    }

    /// Whether a program looked for something since the last `takeWanted`.
    var hasWanted: Bool { isWanted.load(ordering: .acquiring) }

    /// The names that programs looked for since the last call.
    func takeWanted() -> Set<String> {
        isWanted.store(false, ordering: .releasing)
        return state.withLock { state in
            defer { state.wanted = [] }
            return state.wanted
        }
    }
}
