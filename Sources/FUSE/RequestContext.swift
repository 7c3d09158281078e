import CShims
import Glibc

/// What a thread that takes requests knows of the one it has at hand; libfuse does not tell it.
final class RequestContext {
    /// The bit of a unique number that says that the kernel sends the request again (`FUSE_UNIQUE_RESEND`, Linux 6.9).
    static let repeated = UInt64(1) << 63

    /// Where the number stands in the session's memory.
    private let word: UnsafeMutableRawPointer
    private(set) var unique: UInt64 = 0

    init(_ memory: SessionMemory, thread: Int) {
        word = memory.requestWord(ofThread: thread)
    }

    /// The request's number without that bit: the same however often it comes.
    var request: UInt64 { unique & ~Self.repeated }

    /// Whether the request may have been carried out, wholly or in part.
    var isRepeated: Bool { unique & Self.repeated != 0 }

    func begin(_ unique: UInt64) {
        self.unique = unique
        cshims_store_release_u64(word, unique)
    }

    func end() {
        unique = 0
        cshims_store_release_u64(word, 0)
    }

    /// Runs `body` with this as the calling thread's context.
    func withCurrent<Result>(_ body: () -> Result) -> Result {
        pthread_setspecific(Self.key, Unmanaged.passUnretained(self).toOpaque())
        defer { pthread_setspecific(Self.key, nil) }
        return body()
    }

    /// That of the calling thread.
    static var current: RequestContext {
        // SAFETY: `withCurrent` keeps the object alive for as long as the key has it.
        guard let pointer = pthread_getspecific(key) else {
            preconditionFailure("requests are handled inside of withCurrent")
        }
        return Unmanaged<RequestContext>.fromOpaque(pointer).takeUnretainedValue()
    }

    private static let key: pthread_key_t = {
        var key = pthread_key_t()
        pthread_key_create(&key, nil)
        return key
    }()
}
