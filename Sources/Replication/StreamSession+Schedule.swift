import LTX
import POSIX
import Store

// What is sent next: the order of databases, and for each of them the file that its client needs.
extension StreamSession {
    /// Begins the next file or stages the next frame.
    ///
    /// - Returns: false when there is nothing to do now, or nothing without waiting while `mayWait` is false.
    func beginNext(mayWait: Bool) throws -> Bool {
        for name in mailbox.take() { due.append(name) }
        if let retry, MonotonicTime.now >= retry {
            self.retry = nil
            for name in postponed.keys.sorted() { due.append(name) }
        }
        if stageReady() { return true }
        while let name = due.popFirst() {
            guard let database = server.source.streamableDatabase(name) else {
                if goals.removeValue(forKey: name) != nil, positions[name] != nil {
                    stage(.dropDatabase(name))
                }
                positions[name] = nil
                postponed[name] = nil
                continue
            }
            switch next(for: database) {
            case .nothing:
                goals[name] = nil
                postponed[name] = nil
            case .file(let file):
                begin(name, file)
                return true
            case .snapshot(let reason) where maySendDifference(of: database, reason):
                // It ends this stream, and begins another one when it has what differs.
                if compared.insert(name).inserted {
                    for line in reason.logLines.dropLast() {
                        server.logger.info(line, ["db": .string(name.text)])
                    }
                    stage(.compare(name))
                    return true
                }
            case .snapshot(let reason):
                guard mayWait else {
                    due.putBack(name)
                    return false
                }
                if beginSnapshot(of: database, reason) { return true }
                // Trying took time, in which the client heard nothing.
                if stageHeartbeatWhenDue() { return true }
            }
        }
        return stageReady()
    }

    /// Says once that everything was sent, as soon as it was.
    private func stageReady() -> Bool {
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
        // A snapshot or a difference may be ahead of the log, which then catches up.
        if let client, client.txid > primary.txid,
            sent.contains(database.name) || client.txid <= database.capturedPosition.txid
        {
            return .nothing
        }

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
                    let opened = try OutgoingStoredFile(
                        path: database.log.path(of: stored.name),
                        name: stored.name
                    )
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
        current = Current(name: name, file: file)
    }

    /// Begins a snapshot; when the database cannot be read now, that is postponed.
    private func beginSnapshot(of database: any StreamableDatabase, _ reason: SnapshotReason) -> Bool {
        let name = database.name
        if let moment = nextSnapshot[name], MonotonicTime.now < moment {
            postpone(name, until: moment, reason: "one was sent a moment ago")
            return false
        }
        do {
            let position = database.storedPosition
            let isDeleted = position.postApply == .empty
            let read =
                isDeleted ? nil : try database.consistentRead(deadline: .now + server.options.snapshotWait)
            for line in reason.logLines { server.logger.info(line, ["db": .string(name.text)]) }
            let snapshot =
                if let read {
                    try OutgoingSnapshot(
                        of: name,
                        read,
                        isCompressed: server.options.compressesSnapshots,
                        nodeID: server.source.nodeID,
                        logger: server.logger
                    )
                } else {
                    try OutgoingSnapshot(
                        ofDeleted: name,
                        at: position,
                        nodeID: server.source.nodeID,
                        logger: server.logger
                    )
                }
            postponed[name] = nil
            begin(name, snapshot)
            return true
        } catch {
            postpone(name, until: .now + server.options.heartbeat, reason: "\(error)")
            return false
        }
    }

    /// Whether the client can be told to ask for what differs: it has a state of a database that exists here.
    private func maySendDifference(of database: any StreamableDatabase, _ reason: SnapshotReason) -> Bool {
        guard client.acceptsDifference, reason != .noPosition, !sent.contains(database.name) else {
            return false
        }
        let position = database.storedPosition
        return position.postApply != .empty && position.txid > TXID(1)
    }

    private func postpone(_ name: DatabaseName, until moment: MonotonicTime, reason: String) {
        if postponed.updateValue(reason, forKey: name) != reason {
            server.logger.warning("cannot send a snapshot of \"\(name)\" now, will try again: \(reason)")
        }
        retry = min(retry ?? moment, moment)
    }

    func reachedGoal(_ name: DatabaseName) {
        guard let goal = goals[name], let position = positions[name], position.txid >= goal else { return }
        goals[name] = nil
    }

    /// Databases that cannot be read hold up the others no longer.
    private var isReadyOverdue: Bool {
        goals.keys.allSatisfy { postponed[$0] != nil }
            && MonotonicTime.now >= start + server.options.readyGrace
    }

    /// Waits until there is something to do; says that the stream is alive when there is not.
    func waitForNews() {
        let deadline = lastFrame + server.options.heartbeat
        guard case .timeout = mailbox.wait(until: min(deadline, retry ?? deadline)) else { return }
        _ = stageHeartbeatWhenDue()
    }

    private func stageHeartbeatWhenDue() -> Bool {
        guard MonotonicTime.now >= lastFrame + server.options.heartbeat else { return false }
        stage(.heartbeat(milliseconds: WallClock.milliseconds))
        return true
    }
}
