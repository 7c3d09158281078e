import HTTP
import LTX
import Logging
import POSIX
import Store

/// The body of one answer to POST /stream.
///
/// First every database is brought up to where it was when the stream began; then Ready; from then on, what is new. One file
/// at a time, because the wire cannot mix them; databases take turns. A failure cuts the connection, and what cannot be
/// sent now is tried again later, so that one database does not hold up the others.
final class StreamSession: ResponseBody, @unchecked Sendable {
    // SAFETY: `read` is called by one thread at a time, and only it touches the mutable properties; the mailbox is for others.

    /// Who receives the stream, and how.
    struct Client: Sendable {
        let nodeID: UInt64
        let address: String
        let positions: PositionMap
        /// Databases that are wanted; nil for all.
        let filter: Set<DatabaseName>?
        let acceptsOverlap: Bool
        /// Whether it asks for what differs when it is told to.
        let acceptsDifference: Bool
    }

    /// Room in the buffer that is worth a chunk of its own.
    private static let worthwhileRoom = 512
    private static let smallChunk = 4096

    let client: Client
    let server: StreamServer
    let mailbox = StreamMailbox()

    var positions: [DatabaseName: Position]
    /// Databases whose position comes from what was sent here.
    var sent: Set<DatabaseName> = []
    var due = NameQueue()
    /// What must be reached before Ready is sent.
    ///
    /// Databases of the client that do not exist here are answered before, too.
    var goals: [DatabaseName: TXID] = [:]
    /// Databases that could not be read, and why; and when that is tried again.
    var postponed: [DatabaseName: String] = [:]
    var retry: MonotonicTime?
    /// Databases that the client was told to compare.
    var compared: Set<DatabaseName> = []
    /// When a database may be sent as a whole again: at most half of the time goes into that.
    var nextSnapshot: [DatabaseName: MonotonicTime] = [:]
    private var hasBegun = false
    var isReady = false
    private var isEnding = false
    let start = MonotonicTime.now
    var lastFrame = MonotonicTime.now

    var current: Current?
    /// Frames that are made and not given out yet, from `stagedStart` on.
    private var staged: [UInt8] = []
    private var stagedStart = 0

    struct Current {
        let name: DatabaseName
        let file: any OutgoingFile
        let start = MonotonicTime.now
    }

    init(_ client: Client, server: StreamServer) {
        self.client = client
        self.server = server
        positions = client.positions.positions
    }

    /// Notes what must be sent first.
    ///
    /// Not before the server tells this stream of new transactions, or some would be missed.
    private func beginOnce() {
        guard !hasBegun else { return }
        hasBegun = true
        for database in server.source.streamableDatabases where wants(database.name) {
            goals[database.name] = database.storedPosition.txid
        }
        for name in positions.keys where goals[name] == nil && wants(name) { goals[name] = .zero }
        for name in goals.keys.sorted() { due.append(name) }
    }

    func wants(_ name: DatabaseName) -> Bool { client.filter?.contains(name) ?? true }

    // MARK: - From other threads

    /// Tells that a database has new transactions.
    func post(_ name: DatabaseName) {
        if wants(name) { mailbox.post(name) }
    }

    /// Asks for an orderly end.
    func stop() { mailbox.stop() }

    func cancel() {
        mailbox.cancel()
        server.ended(self)
    }

    // MARK: - Bytes

    func read(into buffer: UnsafeMutableRawBufferPointer) throws -> Int {
        beginOnce()
        do {
            return try fill(buffer)
        } catch {
            current = nil
            if !(error is StreamCancelled) { server.logAbort(client, error) }
            throw error
        }
    }

    /// Fills the buffer with what there is, and waits only while it is empty.
    private func fill(_ buffer: UnsafeMutableRawBufferPointer) throws -> Int {
        var count = 0
        while true {
            count += takeStaged(UnsafeMutableRawBufferPointer(rebasing: buffer[count...]))
            if count == buffer.count || isEnding { return count }
            if mailbox.isCancelled { throw StreamCancelled() }
            if current != nil {
                let room = UnsafeMutableRawBufferPointer(rebasing: buffer[count...])
                if room.count >= Self.worthwhileRoom {
                    count += try sendChunk(room)
                } else if count > 0 {
                    return count
                } else {
                    try stageChunk()
                }
            } else if mailbox.isStopping {
                stage(.end)
                isEnding = true
            } else if try !beginNext(mayWait: count == 0) {
                if count > 0 { return count }
                waitForNews()
            }
        }
    }

    private func takeStaged(_ buffer: UnsafeMutableRawBufferPointer) -> Int {
        let count = min(buffer.count, staged.count - stagedStart)
        guard count > 0 else { return 0 }
        staged.withUnsafeBytes { bytes in
            buffer.copyMemory(
                from: UnsafeRawBufferPointer(rebasing: bytes[stagedStart..<stagedStart + count])
            )
        }
        stagedStart += count
        if stagedStart == staged.count {
            staged.removeAll(keepingCapacity: true)
            stagedStart = 0
        }
        return count
    }

    func stage(_ frame: StreamFrame) {
        frame.encode(into: &staged)
        lastFrame = .now
    }

    /// Makes a chunk of the current file, or ends it.
    private func sendChunk(_ room: UnsafeMutableRawBufferPointer) throws -> Int {
        guard let current else { return 0 }
        let (name, file) = (current.name, current.file)
        if mailbox.isStopping, !file.isShort { throw StreamCancelled() }
        let count: Int
        do {
            count = try ChunkFraming.write(into: room) { try file.read(into: $0) }
        } catch {
            server.noteFailure(of: name, error)
            throw error
        }
        guard count == 0 else { return count }
        self.current = nil
        if file is OutgoingSnapshot {
            let now = MonotonicTime.now
            nextSnapshot[name] = now + (now - current.start)
        }
        stage(.ltxEnd)
        positions[name] = file.end
        sent.insert(name)
        reachedGoal(name)
        due.append(name)
        return 0
    }

    private func stageChunk() throws {
        try withUnsafeTemporaryAllocation(byteCount: Self.smallChunk, alignment: 16) { memory in
            let count = try sendChunk(memory)
            staged.append(contentsOf: memory[..<count])
        }
    }
}

/// The stream has no receiver any longer, or must end in the middle of a file.
struct StreamCancelled: Error {}
