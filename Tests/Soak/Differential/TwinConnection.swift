/// A connection that exists twice: to a database on the mount, and to its counterpart in a native folder.
///
/// What is known of it here follows from the requests and the answers, which are the same on both sides.
final class TwinConnection {
    /// Its name in requests.
    let name: String
    /// The file name of the database it was opened with.
    let database: String
    /// The process it belongs to.
    unowned let process: TwinProcess
    /// Schema names of attached databases, and their file names.
    var attached: [String: String] = [:]
    /// Whether a transaction is open.
    var isInTransaction = false
    /// Whether it may hold locks outside of transactions: `locking_mode=exclusive` was asked for once.
    var mayBeExclusive = false
    /// Whether it may keep its rollback journal in memory: then its death in a transaction damages the database, as documented.
    var mayJournalInMemory = false
    /// Whether a statement is in the middle of its rows.
    var hasCursor = false

    init(_ name: String, _ database: String, _ process: TwinProcess) {
        self.name = name
        self.database = database
        self.process = process
    }

    /// The schema names that statements may use.
    var schemas: [String] { ["main"] + attached.keys.sorted() }

    /// The file names of all its databases.
    var databases: Set<String> { Set(attached.values).union([database]) }
}

/// Two processes that get the same requests.
final class TwinProcess {
    let name: String
    private(set) var connections: [TwinConnection] = []
    private var made = 0

    init(_ name: String) { self.name = name }

    func open(_ database: String) -> TwinConnection {
        made += 1
        let connection = TwinConnection("c\(made)", database, self)
        connections.append(connection)
        return connection
    }

    func forget(_ connection: TwinConnection) { connections.removeAll { $0 === connection } }
}
