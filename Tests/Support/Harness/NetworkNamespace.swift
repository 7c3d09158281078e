import CNamespaces
import Glibc
import POSIX
import Synchronization

/// A network namespace without a name: interfaces, addresses and routes that nobody else sees.
///
/// It goes with this value and the processes that were started in it, also when they are killed: there is nothing that could be
/// left behind.
package final class NetworkNamespace: Sendable {
    private let file: FileDescriptor

    /// Makes an empty one.
    package init() throws {
        let number = try Self.onThread {
            guard namespaces_new_network() == 0 else { throw Errno.last }
            return try FileDescriptor.open("/proc/thread-self/ns/net", .readOnly).release()
        }
        file = FileDescriptor(owning: number)
    }

    /// Why none can be made here; nil when it can.
    package static let refusal: String? = {
        do {
            _ = try NetworkNamespace()
            return nil
        } catch {
            return "network namespaces cannot be made: \(error)"
        }
    }()

    /// By which other processes find it as long as this one lives.
    package var path: String { "/proc/\(getpid())/fd/\(file.rawValue)" }

    /// What stands before a program and its arguments so that it runs here, with the same process ID.
    package var entering: [String] { ["nsenter", "--net=" + path] }

    /// Does something on a thread that is in this namespace; sockets made there stay in it.
    package func run<Value: Sendable>(_ body: @escaping @Sendable () throws -> Value) throws -> Value {
        let number = file.rawValue
        return try Self.onThread {
            guard namespaces_enter_network(number) == 0 else { throw Errno.last }
            return try body()
        }
    }

    private final class Answer<Value: Sendable>: Sendable {
        let result = Mutex<Result<Value, any Error>?>(nil)
    }

    private static func onThread<Value: Sendable>(
        _ body: @escaping @Sendable () throws -> Value
    ) throws -> Value {
        let answer = Answer<Value>()
        Thread("namespace") {
            let result = Result { try body() }
            answer.result.withLock { $0 = result }
        }
        .join()
        return try required(answer.result.withLock { $0 }, "the thread gave an answer").get()
    }
}
