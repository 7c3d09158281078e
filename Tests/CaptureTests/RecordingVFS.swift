import CRecordingVFS
import CSQLite
import Synchronization

/// A VFS that shows to a follower what SQLite is about to write.
final class RecordingVFS {
    enum File {
        case database
        case journal
        case wal
    }

    enum Operation {
        case write(UnsafeRawBufferPointer, at: Int64)
        case truncate(to: Int64)
        case sync
        case delete
    }

    private static let number = Atomic<Int>(0)

    let name: String
    private var vfs: OpaquePointer?
    /// Receives what SQLite is about to do; its result is SQLite's, and only `SQLITE_OK` lets the operation happen.
    private let handler: (File, Operation) -> Int32

    init(_ handler: @escaping (File, Operation) -> Int32) {
        self.handler = handler
        name = "recording-\(Self.number.add(1, ordering: .relaxed).newValue)"
        let context = Unmanaged.passUnretained(self).toOpaque()
        vfs = recording_vfs_add(
            name,
            { context, operation, file, offset, bytes, count in
                guard let context else { return SQLITE_MISUSE }
                let recording = Unmanaged<RecordingVFS>.fromOpaque(context).takeUnretainedValue()
                let bytes = UnsafeRawBufferPointer(start: bytes, count: Int(count))
                return recording.handle(operation, file, offset, bytes)
            },
            context
        )
    }

    deinit {
        recording_vfs_remove(vfs)
    }

    private func handle(
        _ operation: Int32,
        _ file: Int32,
        _ offset: Int64,
        _ bytes: UnsafeRawBufferPointer
    ) -> Int32 {
        let kind: File =
            switch UInt32(file) {
            case RECORDING_VFS_WAL.rawValue: .wal
            case RECORDING_VFS_JOURNAL.rawValue: .journal
            default: .database
            }
        switch UInt32(operation) {
        case RECORDING_VFS_WRITE.rawValue: return handler(kind, .write(bytes, at: offset))
        case RECORDING_VFS_TRUNCATE.rawValue: return handler(kind, .truncate(to: offset))
        case RECORDING_VFS_DELETE.rawValue: return handler(kind, .delete)
        default: return handler(kind, .sync)
        }
    }
}
