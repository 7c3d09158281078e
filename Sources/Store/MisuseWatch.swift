import Logging
import POSIX

/// The thread that looks, on a primary, for programs that do with a database what does not go together with its replication, and says
/// so once.
///
/// It only reads committed pages, takes no lock of SQLite's, and looks at a database only when that changed.
final class MisuseWatch: Sendable {
    private static let interval = Duration.seconds(2)

    private let bell = Doorbell()
    private let thread: Thread

    /// Starts the thread.
    init(_ context: StoreContext, databases: @escaping @Sendable () -> [Database]) {
        thread = Thread("misuse") { [bell] in
            while bell.wait(Self.interval) {
                for database in databases() {
                    for misuse in database.newMisuse() { context.logger.warning(misuse.text(database.name)) }
                }
            }
        }
    }

    /// Ends the thread.
    func stop() {
        bell.stop()
        thread.join()
    }
}
