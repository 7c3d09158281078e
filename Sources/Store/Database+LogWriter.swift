import Capture
import LTX
import Logging
import POSIX
import SQLiteFormat

// The log writer: one thread for each database that commits in WAL mode. It takes everything that is queued, merges it into
// one LTX file, and publishes it (design: group commit). Under light load a file is one transaction, under heavy load hundreds.
extension Database {
    /// Most page data in one file of merged transactions, in bytes.
    ///
    /// A single transaction may be larger.
    private static let batchBound = 16 << 20
    /// Shortest time from one file to the next while commits flow: they are merged, at some hundred files a second.
    ///
    /// Only where many commits were merged into the last file: a replica must not wait for commits that come one by one.
    private static let pace = Duration.milliseconds(2)
    /// Commits in a file from which on the next one keeps the pace.
    private static let crowd = 16
    /// Queued pages that do not wait for the pace.
    private static let pagesWithoutPace = 1024
    /// Pause after a failure to store.
    private static let retryDelay = Duration.milliseconds(200)

    /// Wakes the log writer, or starts it.
    ///
    /// Call with `monitor` held.
    func wakeLogWriter() {
        if logWriter == nil {
            logWriter = Thread("ltx-\(name)") { [weak self] in
                while self?.storeNextBatch() == true {}
            }
        }
        monitor.wakeAll()
    }

    /// Waits for commits and stores them.
    ///
    /// Returns false when the database closes.
    private func storeNextBatch() -> Bool {
        let batch = locked { () -> Batch? in
            while true {
                if queue.isEmpty {
                    if isClosing { return nil }
                    monitor.wait()
                } else if lastBatchCount < Self.crowd || drainers > 0 || queuedPages >= Self.pagesWithoutPace
                    || isClosing
                    || !monitor.wait(until: lastBatch + Self.pace)
                {
                    let batch = takeBatch()
                    (lastBatch, lastBatchCount) = (.now, batch?.commits ?? 0)
                    return batch
                }
            }
        }
        guard let batch else { return false }
        do throws(StoreError) {
            try store(batch)
            locked {
                if queueNumber == batch.queueNumber {
                    for commit in queue.prefix(batch.commits) { queuedPages -= commit.pages.count }
                    queue.removeFirst(batch.commits)
                }
                if logFailure != nil {
                    context.logger.info("database \"\(name)\": transactions can be stored again")
                }
                logFailure = nil
            }
            monitor.wakeAll()
            context.transactionsAppeared(in: self)
            return true
        } catch {
            return locked {
                if case .overwritten = error, queueNumber == batch.queueNumber {
                    abandonQueue("the log was overwritten")
                    return true
                }
                if logFailure == nil {
                    context.logger.error(
                        "database \"\(name)\": cannot store transactions, will try again: \(error)"
                    )
                }
                logFailure = error
                monitor.wakeAll()
                if isClosing { return false }
                _ = monitor.wait(until: .now + Self.retryDelay)
                return true
            }
        }
    }

    /// Commits merged into one: for each page its newest version.
    private struct Batch {
        var commits: Int
        var queueNumber: Int
        var header: LTXHeader
        var pages: [WALCapture.Page]
        var postApply: Checksum
        var log: BackingFile
    }

    private func takeBatch() -> Batch? {
        guard let first = queue.first, let log = files[first.file] else {
            // The log went with commits in the queue: `leaveLog` waits for the queue, so this cannot be.
            preconditionFailure("queued commits refer to a log that is gone")
        }
        var count = 0
        var pageCount = 0
        for commit in queue {
            // Frames of one log only, and bounded.
            if commit.pageSize != first.pageSize || commit.salt1 != first.salt1 || commit.salt2 != first.salt2
            {
                break
            }
            // A snapshot's reader continues from the snapshot's position: a file must begin there.
            if count > 0, snapshots.contains(where: { $0.position.txid == commit.before.txid }) { break }
            if count > 0, (pageCount + commit.pages.count) * first.pageSize.bytes > Self.batchBound { break }
            count += 1
            pageCount += commit.pages.count
        }
        let last = queue[count - 1]
        var pages = first.pages
        if count > 1 {
            pages.reserveCapacity(pageCount)
            for commit in queue[1..<count] { pages += commit.pages }
            pages.keepNewestVersions()
            while let page = pages.last, page.number.rawValue > last.pageCount { pages.removeLast() }
        }
        let start = WALFrames.offset(ofFrame: first.firstFrame, pageSize: first.pageSize)
        let end = WALFrames.offset(ofFrame: last.lastFrame + 1, pageSize: first.pageSize)
        let isFirst = first.before.txid == .zero
        return Batch(
            commits: count,
            queueNumber: queueNumber,
            header: LTXHeader(
                isCompressed: context.options.compress,
                pageSize: first.pageSize,
                commit: last.pageCount,
                minTXID: TXID(first.before.txid.rawValue + 1),
                maxTXID: last.after.txid,
                timestampMilliseconds: last.timestamp,
                preApply: isFirst ? .zero : first.before.postApply,
                walOffset: start,
                walSize: end - start,
                walSalt1: first.salt1,
                walSalt2: first.salt2,
                nodeID: context.options.nodeID
            ),
            pages: pages,
            postApply: last.after.postApply,
            log: log
        )
    }

    /// Reads the pages from the log (invariant 3 keeps the frames) and writes the file.
    ///
    /// Memory does not grow with the batch.
    private func store(_ batch: Batch) throws(StoreError) {
        let pageSize = batch.header.pageSize
        let buffer = Buffer(count: pageSize.bytes)
        let writer = try LTXFileWriter(log, header: batch.header, encoders: context.encoders)
        for page in batch.pages {
            if page.number == pageSize.lockPage { continue }
            guard
                batch.log.lenientRead(buffer.bytes, page.frame.pageOffset(pageSize)) == pageSize.bytes
            else {
                let log = path(DatabaseFileKind(page.frame.file))
                throw .file(FileError("read frame \(page.frame.frame) of", log, .io))
            }
            let content = UnsafeRawBufferPointer(buffer.bytes)
            guard PageChecksum.compute(page.number, content) == page.checksum else {
                throw .overwritten(database: name.text, frame: page.frame.frame)
            }
            try writer.append(page.number, content)
        }
        try writer.finish(postApply: batch.postApply, synchronize: false)
        try writer.publish(synchronize: false)
    }
}
