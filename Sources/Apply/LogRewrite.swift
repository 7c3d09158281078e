import Faults
import POSIX
import SQLiteFormat

/// Writes a file of a log again and puts it on disk, after a sync of it failed.
///
/// The kernel takes pages whose writing failed for written: another sync would succeed without them. Readers see the same bytes all the time.
enum LogRewrite {
    /// Writes the file again.
    ///
    /// - Parameters:
    ///   - file: the file in which the log lies, on the disk.
    ///   - name: how errors name it.
    ///   - frames: the page of each of its committed frames.
    ///   - chain: its chain up to the last of them.
    /// - Throws: `ApplyError`; `unsynchronized` if the file is not what was written to it any more: what is left of it is found by opening
    ///   it anew.
    static func run(
        _ file: borrowing FileDescriptor,
        _ name: String,
        frames: [UInt32],
        chain: WALChain
    ) throws(ApplyError) {
        do throws(Errno) {
            let content = try WALContent { buffer, offset throws(Errno) in
                try file.read(into: buffer, at: offset)
            }
            guard content.frames == frames, content.chain == chain else { throw .stale }
            let end = WALFrames.offset(ofFrame: UInt32(frames.count) + 1, pageSize: chain.pageSize)
            let buffer = Buffer(count: 1 << 20)
            var offset: Int64 = 0
            while offset < end, !frames.isEmpty {
                let count = Int(min(end - offset, Int64(buffer.bytes.count)))
                let part = UnsafeMutableRawBufferPointer(rebasing: buffer.bytes[..<count])
                guard try file.read(into: part, at: offset) == count else { throw .stale }
                try file.write(UnsafeRawBufferPointer(part), at: offset, passing: .checkpointLogRewrite)
                offset += Int64(count)
            }
            try file.synchronizeData(passing: .checkpointLogSync)
        } catch .stale {
            throw ApplyError(name, .unsynchronized)
        } catch {
            throw ApplyError(name, .system(call: "rewrite", error))
        }
    }
}
