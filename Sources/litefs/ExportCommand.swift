import JSON
import Logging
import POSIX

/// `litefs export`: writes a consistent copy of a database to a file.
///
/// Invariant: the file at the path is the old one until the new one is whole and on disk.
struct ExportCommand {
    private let arguments: ExportArguments

    init(_ arguments: ExportArguments) {
        self.arguments = arguments
    }

    /// Runs and gives the exit code.
    func run() -> Int32 {
        let start = MonotonicTime.now
        do {
            try export()
        } catch {
            StandardError.report("\(error)")
            return 1
        }
        let seconds = ((MonotonicTime.now - start).seconds * 1000).rounded() / 1000
        StandardOutput.line("Export of database \"\(arguments.name)\" in \(JSONText.number(seconds))s")
        return 0
    }

    private func export() throws {
        let path = arguments.path
        let temporary = path + ".tmp"
        let progress = Progress("exporting \(arguments.name)")
        do {
            let file = try FileDescriptor.open(temporary, [.readWrite, .create, .truncate])
            var offset: Int64 = 0
            try NodeClient(arguments.url)
                .export(arguments.name) { bytes in
                    try file.write(bytes, at: offset)
                    offset += Int64(bytes.count)
                    progress.show(offset)
                }
            progress.end()
            try file.synchronize()
            // They belong to the file that goes.
            for suffix in ["-journal", "-wal", "-shm"] { try Files.unlink(path + suffix, ifExists: true) }
            try Files.rename(temporary, path)
            let folder = path.lastIndex(of: "/").map { String(path[...$0]) } ?? "."
            try Files.synchronizeDirectory(folder)
        } catch {
            progress.end()
            try? Files.unlink(temporary, ifExists: true)
            if let errno = error as? Errno { throw FileError("write", path, errno) }
            throw error
        }
    }
}

/// Says on a terminal how far something is.
final class Progress {
    private let title: String
    private var next = MonotonicTime.now + .seconds(1)
    private var isShown = false
    private let isTerminal = CurrentProcess.isTerminal(2)

    init(_ title: String) {
        self.title = title
    }

    /// Shows a number of bytes, once a second at most.
    func show(_ bytes: Int64) {
        guard isTerminal, MonotonicTime.now >= next else { return }
        next = .now + .seconds(1)
        isShown = true
        write("\r\(title): \(bytes >> 20) MiB")
    }

    /// Takes the line away.
    func end() {
        if isShown { write("\r\u{1B}[K") }
        isShown = false
    }

    private func write(_ text: String) { Array(text.utf8).withUnsafeBytes(StandardError.write) }
}
