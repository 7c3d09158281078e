import POSIX
import Synchronization

/// The open files of a session, by the number that the kernel has for each (`fh`).
///
/// Invariant: an open file is in the session's memory before the kernel gets its number, and its number is never given twice, in whatever
/// process. So a request that comes again finds what it did: OPEN and CREATE the open file that they made, RELEASE none.
/// Thread-safe.
final class OpenFiles: Sendable {
    /// An open file.
    ///
    ///      8  inode    16  unique number of the request that opened it    24  backing id, 0 without passthrough
    struct OpenFile: Sendable {
        let number: UInt64
        let inode: InodeNumber
        let request: UInt64
        let backing: Int32
        fileprivate let slot: SlotTable.Slot?
    }

    private struct State: ~Copyable {
        var slots: SlotTable
        var files: [UInt64: OpenFile] = [:]
        /// Numbers for open files that the memory has no room for.
        var nextUnkept = UInt64(1) << 63
    }
    private let state: Mutex<State>

    static let kind: UInt32 = 2
    static let slotSize = 32

    /// The open files that an earlier process left in the memory, or none.
    init(_ memory: SessionMemory) {
        var slots = SlotTable(memory, kind: Self.kind, slotSize: Self.slotSize)
        var files: [UInt64: OpenFile] = [:]
        for slot in slots.takePublished() {
            let file = OpenFile(
                number: slot.sequence,
                inode: slot.word(at: 8),
                request: slot.word(at: 16),
                backing: Int32(truncatingIfNeeded: slot.word(at: 24)),
                slot: slot
            )
            files[file.number] = file
        }
        state = Mutex(State(slots: slots, files: files))
    }

    /// All of them.
    var all: [OpenFile] { state.withLock { Array($0.files.values) } }

    /// Notes an open file.
    ///
    /// - Parameters:
    ///   - inode: what is open.
    ///   - request: the unique number of the request, without the bit that says that it came again.
    ///   - backing: the backing id, or 0.
    /// - Returns: its number.
    func add(_ inode: InodeNumber, request: UInt64, backing: Int32) -> UInt64 {
        state.withLock { state in
            let slot = state.slots.publish { slot in
                slot.set(inode, at: 8)
                slot.set(request, at: 16)
                slot.set(UInt64(UInt32(bitPattern: backing)), at: 24)
            }
            var number = slot?.sequence ?? 0
            if slot == nil {
                number = state.nextUnkept
                state.nextUnkept += 1
            }
            state.files[number] = OpenFile(
                number: number,
                inode: inode,
                request: request,
                backing: backing,
                slot: slot
            )
            return number
        }
    }

    /// The open file that a request made, if it did.
    func opened(by request: UInt64) -> OpenFile? {
        state.withLock { $0.files.values.first { $0.request == request } }
    }

    /// Takes an open file away; nil when it is gone already.
    func remove(_ number: UInt64) -> OpenFile? {
        state.withLock { state in
            guard let file = state.files.removeValue(forKey: number) else { return nil }
            if let slot = file.slot { state.slots.release(slot) }
            return file
        }
    }
}

extension SessionMemory {
    /// The inode of each open file that an earlier process left, and whether it passes through.
    public var openFiles: [(inode: InodeNumber, passesThrough: Bool)] {
        OpenFiles(self).all.map { ($0.inode, $0.backing != 0) }
    }
}
