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
    }

    /// Room in the buffer that is worth a chunk of its own.
    private static let worthwhileRoom = 512
    private static let smallChunk = 4096

    let client: Client
    private let server: StreamServer
    private let mailbox = StreamMailbox()

    private var positions: [DatabaseName: Position]
    /// Databases whose position comes from what was sent here.
    private var sent: Set<DatabaseName> = []
    private var due = NameQueue()
    /// What must be reached before Ready is sent.
    private var goals: [DatabaseName: TXID] = [:]
    /// Databases that could not be read, and why: tried again when there was nothing else to do for a while.
    private var postponed: [DatabaseName: String] = [:]
    private var hasBegun = false
    private var isReady = false
    private var isEnding = false
    private let start = MonotonicTime.now
    private var lastFrame = MonotonicTime.now

    private var current: (name: DatabaseName, file: any OutgoingFile)?
    /// Frames that are made and not given out yet, from `stagedStart` on.
    private var staged: [UInt8] = []
    private var stagedStart = 0

    init(_ client: Client, server: StreamServer) {
        self.client = client
        self.server = server
        positions = client.positions.positions
    }

    /// Notes what must be sent first. Not before the server tells this stream of new transactions, or some would be missed.
    private func beginOnce() {
        guard !hasBegun else { return }
        hasBegun = true
        for database in server.source.streamableDatabases where wants(database.name) {
            goals[database.name] = database.storedPosition.txid
        }
        let unknown = positions.keys.filter { goals[$0] == nil && wants($0) }
        for name in (goals.keys + unknown).sorted() { due.append(name) }
    }

    private func wants(_ name: DatabaseName) -> Bool { client.filter?.contains(name) ?? true }

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
            buffer.copyMemory(from: UnsafeRawBufferPointer(rebasing: bytes[stagedStart..<stagedStart + count]))
        }
        stagedStart += count
        if stagedStart == staged.count {
            staged.removeAll(keepingCapacity: true)
            stagedStart = 0
        }
        return count
    }

    private func stage(_ frame: StreamFrame) {
        frame.encode(into: &staged)
        lastFrame = .now
    }

    /// Makes a chunk of the current file, or ends it.
    private func sendChunk(_ room: UnsafeMutableRawBufferPointer) throws -> Int {
        guard let (name, file) = current else { return 0 }
        if mailbox.isStopping, !file.isShort { throw StreamCancelled() }
        let count: Int
        do {
            count = try ChunkFraming.write(into: room) { try file.read(into: $0) }
        } catch {
            server.noteFailure(of: name, error)
            throw error
        }
        guard count == 0 else { return count }
        current = nil
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

    // MARK: - What comes next

    /// Begins the next file or stages the next frame.
    ///
    /// - Returns: false when there is nothing to do now, or nothing without waiting while `mayWait` is false.
    private func beginNext(mayWait: Bool) throws -> Bool {
        for name in mailbox.take() {
            postponed[name] = nil
            due.append(name)
        }
        while let name = due.popFirst() {
            guard let database = server.source.streamableDatabase(name) else {
                if goals[name] == nil, !isReady, positions[name] != nil { stage(.dropDatabase(name)) }
                positions[name] = nil
                goals[name] = nil
                continue
            }
            switch next(for: database) {
            case .nothing:
                goals[name] = nil
                postponed[name] = nil
            case .file(let file):
                begin(name, file)
                return true
            case .snapshot(let reason):
                guard mayWait else {
                    due.putBack(name)
                    return false
                }
                if beginSnapshot(of: database, reason) { return true }
            }
        }
        guard !isReady, goals.isEmpty || isReadyOverdue else { return false }
        isReady = true
        stage(.ready)
        stage(.heartbeat(milliseconds: WallClock.milliseconds))
        return true
    }

    private enum Next {
        case nothing
        case file(any OutgoingFile)
        case snapshot(SnapshotReason)
    }

    /// Applies the plan to what the log has.
    private func next(for database: any StreamableDatabase) -> Next {
        let primary = database.storedPosition
        let client = positions[database.name]
        // A snapshot may be ahead of the log, which then catches up.
        if let client, client.txid > primary.txid, sent.contains(database.name) { return .nothing }

        var file: (any OutgoingFile)?
        var found: StreamPlan.NextFile?
        if let client, client.txid > .zero, client.txid < primary.txid,
            let stored = server.sound(database.log.file(after: client.txid), of: database.name)
        {
            if let content = OutgoingContent(stored), let preApply = stored.preApply {
                file = content
                found = StreamPlan.NextFile(name: stored.name, preApply: preApply)
            } else {
                do throws(OutgoingFileError) {
                    let opened = try OutgoingStoredFile(path: database.log.path(of: stored.name), name: stored.name)
                    file = opened
                    found = StreamPlan.NextFile(name: stored.name, preApply: opened.header.preApply)
                } catch {
                    server.noteFailure(of: database.name, stored.name, error)
                }
            }
        }
        let plan = StreamPlan.decide(
            client: client,
            primary: primary,
            next: found,
            acceptsOverlap: self.client.acceptsOverlap
        )
        switch plan {
        case .upToDate: return .nothing
        case .snapshot(let reason): return .snapshot(reason)
        case .send: return file.map { .file($0) } ?? .nothing
        }
    }

    private func begin(_ name: DatabaseName, _ file: any OutgoingFile) {
        stage(.ltxBegin(name))
        server.countFrame(of: name, type: file.frameType)
        current = (name, file)
    }

    /// Begins a snapshot; when the database cannot be read now, that is postponed.
    private func beginSnapshot(of database: any StreamableDatabase, _ reason: SnapshotReason) -> Bool {
        let name = database.name
        do {
            let position = database.storedPosition
            let snapshot =
                if position.postApply == .empty {
                    try OutgoingSnapshot(
                        ofDeleted: name,
                        at: position,
                        nodeID: server.source.nodeID,
                        logger: server.logger
                    )
                } else {
                    try OutgoingSnapshot(
                        of: name,
                        database.consistentRead(deadline: .now + server.options.snapshotWait),
                        isCompressed: server.options.compressesSnapshots,
                        nodeID: server.source.nodeID,
                        logger: server.logger
                    )
                }
            for line in reason.logLines { server.logger.info(line, ["db": .string(name.text)]) }
            postponed[name] = nil
            begin(name, snapshot)
            return true
        } catch {
            let reason = "\(error)"
            if postponed.updateValue(reason, forKey: name) != reason {
                server.logger.warning("cannot send a snapshot of \"\(name)\" now, will try again: \(reason)")
            }
            // What is postponed is tried again after the next wait, and meanwhile the client must hear something.
            stage(.heartbeat(milliseconds: WallClock.milliseconds))
            return true
        }
    }

    private func reachedGoal(_ name: DatabaseName) {
        guard let goal = goals[name], let position = positions[name], position.txid >= goal else { return }
        goals[name] = nil
    }

    /// Databases that cannot be read hold up the others no longer.
    private var isReadyOverdue: Bool {
        goals.keys.allSatisfy { postponed[$0] != nil } && MonotonicTime.now >= start + server.options.readyGrace
    }

    /// Waits until there is something to do; says that the stream is alive when there is not.
    private func waitForNews() {
        guard case .timeout = mailbox.wait(until: lastFrame + server.options.heartbeat) else { return }
        stage(.heartbeat(milliseconds: WallClock.milliseconds))
        for name in postponed.keys.sorted() { due.append(name) }
    }
}

/// The stream has no receiver any longer, or must end in the middle of a file.
struct StreamCancelled: Error {}
