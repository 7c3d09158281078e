import Capture
import SQLiteFormat

extension FuzzTarget {
    static let capture = FuzzTarget(
        "capture",
        summary: "writes to a log, in any order and anywhere, as the mount sees them",
        seeds: {
            // A log as SQLite writes it: its header, then header and page of each frame.
            [
                [7, 0, 0, 0, 1, 0, 2, 1, 3, 0, 1, 3, 9, 0, 0, 2],
                [7, 1, 1, 2, 3, 4, 0, 1, 3, 9, 3, 2, 0, 4, 1, 1],
            ]
        },
        check: { bytes in
            var input = FuzzInput(bytes)
            let source = LogScript.log(&input)
            var second = FuzzInput(bytes)
            try CaptureRun(source: source).run(&second)
        }
    )
}

/// A file in memory and the capture that follows it.
private final class CaptureRun {
    private let source: [UInt8]
    private var file: [UInt8] = []
    private let capture = WALCapture()
    private static let bound: Int64 = 1 << 16

    init(source: [UInt8]) { self.source = source }

    private func read(_ buffer: UnsafeMutableRawBufferPointer, _ offset: Int64) -> Int {
        guard offset >= 0, offset < Int64(file.count) else { return 0 }
        let part = file[Int(offset)...].prefix(buffer.count)
        buffer.copyBytes(from: part)
        return part.count
    }

    func run(_ input: inout FuzzInput) throws {
        var steps = 0
        while !input.isEmpty, steps < 64 {
            steps += 1
            switch input.byte() % 10 {
            case 0: try write(source.prefix(Int(input.integer(UInt16.self))), at: Int64(input.byte()))
            case 1: try writeFrames(from: Int(input.byte()), count: 1)
            case 2: try writeFrames(from: Int(input.byte()), count: Int(input.byte()))
            case 3: try write(Array(input.bytes(Int(input.byte())))[...], at: input.extreme())
            case 4: truncate(to: input.extreme())
            case 5: try resume(from: UInt32(truncatingIfNeeded: input.extreme()))
            case 7: try appear(&input)
            case 8: try takeOver(&input)
            case 6: try write(source.dropFirst(32).prefix(24), at: 32 + 536 * Int64(input.byte()))
            default: try write(source.prefix(32), at: 0)
            }
            try checkState()
        }
    }

    /// Frames of the source, each as SQLite writes it.
    private func writeFrames(from first: Int, count: Int) throws {
        for frame in first..<first + min(count, 16) {
            let offset = 32 + 536 * frame
            guard offset + 536 <= source.count else { return }
            try write(source[offset..<offset + 24], at: Int64(offset))
            try write(source[offset + 24..<offset + 536], at: Int64(offset) + 24)
        }
    }

    /// Frames that nobody saw being written, as `Database.captureTail` finds them.
    private func appear(_ input: inout FuzzInput) throws {
        let count = min(source.count, Int(input.integer(UInt16.self)))
        source.withUnsafeBytes { store(UnsafeRawBufferPointer(rebasing: $0[..<count]), at: 0) }
        if capture.header == nil { _ = capture.headerWritten(read: read) }
        capture.appeared(
            through: UInt32(truncatingIfNeeded: input.extreme()) & 0xFF_FFFF,
            isPublished: input.byte() & 1 == 1
        )
        while let commit = capture.nextCommit(after: nil, read: read) { try check(commit) }
    }

    private func takeOver(_ input: inout FuzzInput) throws {
        let frame = UInt32(input.integer(UInt16.self))
        let isTaken = capture.takeOver(through: frame, WALChecksum(), read: read)
        try require(capture.committedFrames == (isTaken ? frame : 0), "frames that were not taken over")
    }

    /// As `Database.writeWAL` does it; beyond the bound the file is full and the write fails.
    private func write(_ bytes: ArraySlice<UInt8>, at offset: Int64) throws {
        guard offset >= 0, Int64.max - offset >= Int64(bytes.count) else { return }
        try Array(bytes)
            .withUnsafeBytes { bytes in
                if capture.touchesHeader(at: offset) {
                    store(bytes, at: offset)
                    _ = capture.headerWritten(read: read)
                } else {
                    if let frame = capture.firstCommittedFrame(overwrittenBy: bytes, at: offset, read: read) {
                        try require(frame <= capture.committedFrames, "a frame that is not committed")
                        _ = capture.withdraw(from: frame, read: read)
                        try require(capture.committedFrames < frame, "frame \(frame) was not withdrawn")
                    }
                    guard offset + Int64(bytes.count) <= Self.bound else {
                        return capture.wrote(UnsafeRawBufferPointer(start: nil, count: 0), at: offset)
                    }
                    store(bytes, at: offset)
                }
                capture.wrote(bytes, at: offset)
                while let commit = capture.nextCommit(after: (bytes, offset), read: read) {
                    try check(commit)
                }
            }
    }

    private func store(_ bytes: UnsafeRawBufferPointer, at offset: Int64) {
        let end = Int(offset) + bytes.count
        if !bytes.isEmpty, file.count < end { file += [UInt8](repeating: 0, count: end - file.count) }
        for (index, byte) in bytes.enumerated() { file[Int(offset) + index] = byte }
    }

    /// As `Database.truncateWAL` does it.
    private func truncate(to size: Int64) {
        guard size >= 0 else { return }
        if size < capture.capturedBytes { capture.end() }
        if size <= Int64(file.count) {
            file.removeLast(file.count - Int(size))
        } else if size <= Self.bound {
            file += [UInt8](repeating: 0, count: Int(size) - file.count)
        }
        capture.truncated(to: size)
    }

    /// As at the start of the daemon.
    private func resume(from frame: UInt32) throws {
        let content = WALContent(reading: read)
        let base = content.commits.last { $0 <= frame } ?? 0
        capture.resume(content, capturedThrough: base, fileSize: Int64(file.count), read: read)
        while let commit = capture.nextCommit(after: nil, read: read) { try check(commit) }
        try require(capture.committedFrames >= UInt32(content.frames.count), "a log taken over lacks commits")
        try require(capture.frames.starts(with: content.frames), "a log taken over has other frames")
    }

    private func check(_ commit: WALCapture.Commit) throws {
        try require(
            commit.firstFrame >= 1 && commit.firstFrame <= commit.lastFrame,
            "frames in the wrong order"
        )
        try require(commit.lastFrame <= capture.committedFrames, "a commit beyond the captured frames")
        var last: UInt32 = 0
        for page in commit.pages {
            try require(page.number.rawValue > last, "pages do not ascend")
            try require(page.number.rawValue <= commit.pageCount, "a page beyond the database")
            try require(
                (commit.firstFrame...commit.lastFrame).contains(page.frame.frame),
                "a page of another commit"
            )
            try require(
                capture.frames[Int(page.frame.frame) - 1] == page.number.rawValue,
                "a frame of another page"
            )
            last = page.number.rawValue
        }
    }

    private func checkState() throws {
        try require(capture.header != nil || capture.committedFrames == 0, "frames without a header")
        try require(
            capture.lastTransaction.count <= capture.frames.count,
            "the last transaction has more frames"
        )
        try require(capture.capturedBytes <= max(Int64(file.count), Self.bound), "captured beyond the file")
    }
}
