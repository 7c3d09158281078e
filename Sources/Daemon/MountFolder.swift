import Logging
import POSIX

/// Makes `fuse.dir` ready to be mounted on: it exists, and nothing is mounted there.
public enum MountFolder {
    /// What is mounted at a folder.
    enum Finding: Equatable {
        /// Nothing.
        case free
        /// A litefs whose daemon is gone.
        case dead
        /// A litefs whose daemon answers, or at least lives.
        case live
        /// Some other file system.
        case other(type: String)
    }

    /// The type under which our mounts are listed, and LiteFS's.
    static let fileSystemType = "fuse.litefs"

    /// How many dead mounts may lie on top of each other.
    private static let mountLimit = 100

    /// Removes dead mounts and makes the folder where it is missing.
    ///
    /// - Parameters:
    ///   - path: The folder.
    ///   - keepsMounts: Whether what is mounted there stays, as `-skip-unmount` asks for.
    ///   - logger: Hears of each mount that is removed.
    /// - Returns: The names that the mount is going to hide.
    /// - Throws: `MountFolderError` when something is mounted there that must stay, or the folder cannot be made.
    @discardableResult
    public static func prepare(
        _ path: String,
        keepsMounts: Bool,
        logger: Logger
    ) throws(MountFolderError) -> Set<String> {
        if !keepsMounts { try clear(path, logger: logger) }
        do {
            try Files.makeDirectories(path, mode: 0o777)
        } catch {
            throw .cannotMake(path: path, error)
        }
        return keepsMounts ? [] : hiddenNames(path, logger: logger)
    }

    /// The names that the mount is going to hide; warns of them.
    ///
    /// While nothing is mounted, a program that opens a database makes an empty one in the bare folder. When the mount comes back,
    /// it still holds that one, finds the real database's log under the name beside it, and SQLite wants to remove a log whose
    /// database is empty (docs/CONSISTENCY.md, "While the mount is away").
    private static func hiddenNames(_ path: String, logger: Logger) -> Set<String> {
        let names = ((try? Files.list(path)) ?? []).map(\.name).sorted()
        guard !names.isEmpty else { return [] }
        let some = names.prefix(shownNames).joined(separator: ", ") + (names.count > shownNames ? ", …" : "")
        logger.warning(
            "the folder \(path) is not empty: the mount hides \(some). A program that ran while nothing was mounted may have made "
                + "them, and must open its database again, or it can do harm to the one on the mount"
        )
        return Set(names)
    }

    /// So many names are in a message at most.
    private static let shownNames = 5

    private static func clear(_ path: String, logger: Logger) throws(MountFolderError) {
        let target = resolved(path)
        for _ in 0..<mountLimit {
            let mounts: [MountPoint]
            do {
                mounts = try Mounts.list()
            } catch {
                throw .cannotLook(error)
            }
            switch judge(mounts, at: target, isDead: { isDead(target) }) {
            case .free: return
            case .live: throw .live(path: target)
            case .other(let type): throw .occupied(path: target, type: type)
            case .dead:
                do {
                    try Mounts.unmount(target, lazily: true)
                } catch {
                    throw .cannotRemove(path: target, error)
                }
                logger.warning("removed the mount at \(target) that an earlier run left behind")
            }
        }
        throw .cannotRemove(path: target, .busy)
    }

    /// Whether nothing is mounted at a folder, as far as that can be told.
    static func isFree(_ path: String) -> Bool {
        guard let mounts = try? Mounts.list() else { return false }
        return judge(mounts, at: resolved(path), isDead: { true }) == .free
    }

    /// Judges the topmost file system at a path without links; `isDead` is asked only about a litefs.
    static func judge(_ mounts: [MountPoint], at path: String, isDead: () -> Bool) -> Finding {
        guard let mount = mounts.last(where: { $0.path == path }) else { return .free }
        guard mount.fileSystemType == fileSystemType else { return .other(type: mount.fileSystemType) }
        return isDead() ? .dead : .live
    }

    /// Whether the daemon behind a mount is gone.
    ///
    /// Asks for the file system's space, which the kernel never answers from its cache, as it may with attributes.
    private static func isDead(_ path: String) -> Bool {
        do {
            _ = try Files.fileSystem(path)
            return false
        } catch {
            return error == .notConnected
        }
    }

    /// The path as the list of mounts has it: absolute and without links.
    private static func resolved(_ path: String) -> String {
        if let real = try? Files.realPath(path) { return real }
        // The folder itself cannot be looked at, or is missing: the one above it can.
        var parts = path.split(separator: "/").map(String.init)
        guard let name = parts.popLast() else { return "/" }
        let parent = (path.hasPrefix("/") ? "/" : "") + parts.joined(separator: "/")
        let real = (try? Files.realPath(parent.isEmpty ? "." : parent)) ?? parent
        return real.hasSuffix("/") ? real + name : real + "/" + name
    }
}

/// Why a folder cannot be mounted on.
public enum MountFolderError: Error, Equatable, CustomStringConvertible {
    /// A litefs is mounted there whose daemon lives.
    case live(path: String)
    /// Another file system is mounted there.
    case occupied(path: String, type: String)
    /// A dead mount cannot be removed.
    case cannotRemove(path: String, Errno)
    /// The folder is missing and cannot be made, or is none.
    case cannotMake(path: String, Errno)
    /// The list of mounts cannot be read.
    case cannotLook(Errno)

    /// What is in the way, and what to do about it.
    public var description: String {
        switch self {
        case .live(let path):
            "another litefs is running and mounted at \(path): stop it first, or give this one another fuse.dir"
        case .occupied(let path, let type):
            "a file system of type \(type) is mounted at \(path): unmount it, choose another fuse.dir, or mount on top "
                + "of it with -skip-unmount"
        case .cannotRemove(let path, let errno):
            "cannot remove the dead mount at \(path): \(errno): run 'umount -l \(path)' and start again"
        case .cannotMake(let path, let errno):
            "cannot make the folder \(path): \(errno): make it, or choose another fuse.dir"
        case .cannotLook(let errno):
            "cannot read /proc/self/mountinfo: \(errno): is /proc mounted?"
        }
    }
}
