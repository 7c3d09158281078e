import CShims
import Glibc
import POSIX

/// A FUSE mount that nobody sees until it is attached (fsopen, fsmount, move_mount; Linux 5.6 and later).
struct DetachedMount: ~Copyable {
    /// The root folder of the mount, for `openat`.
    let root: FileDescriptor

    /// Makes the file system for an open `/dev/fuse`.
    ///
    /// Other users may use it only with `allowOther`; the kernel checks permission bits only with `checksPermissions`.
    init(
        device: borrowing FileDescriptor,
        allowOther: Bool,
        checksPermissions: Bool = false
    ) throws(MountError) {
        let context = cshims_fsopen("fuse", 1)
        guard context >= 0 else { throw .cannotMake(step: "fsopen", Errno.last, detail: "") }
        let configuration = FileDescriptor(owning: context)

        func set(_ key: String, _ value: String?) throws(MountError) {
            let result =
                value.map { cshims_fsconfig(context, 1, key, $0, 0) }
                ?? cshims_fsconfig(context, 0, key, nil, 0)
            if result != 0 {
                throw .cannotMake(step: "option \(key)", Errno.last, detail: Self.messages(context))
            }
        }
        try set("source", "litefs")
        try set("subtype", "litefs")
        try set("fd", String(device.rawValue))
        try set("rootmode", "40000")
        try set("user_id", String(getuid()))
        try set("group_id", String(getgid()))
        if allowOther { try set("allow_other", nil) }
        if checksPermissions { try set("default_permissions", nil) }
        guard cshims_fsconfig(context, 6, nil, nil, 0) == 0 else {
            throw .cannotMake(step: "create", Errno.last, detail: Self.messages(context))
        }
        let attributes: UInt32 = 0x2 | 0x4  // nosuid, nodev
        let mount = cshims_fsmount(context, 1, attributes)
        guard mount >= 0 else {
            throw .cannotMake(step: "fsmount", Errno.last, detail: Self.messages(context))
        }
        root = FileDescriptor(owning: mount)
        // An open context holds the file system: it would outlive its unmount.
        _ = consume configuration
    }

    /// The mount of a session that goes on.
    init(continuing root: consuming FileDescriptor) {
        self.root = root
    }

    /// Makes the mount visible at `path`.
    func attach(at path: String) throws(MountError) {
        guard cshims_move_mount(root.rawValue, "", AT_FDCWD, path, 4) == 0 else {
            throw .cannotAttach(path: path, Errno.last)
        }
    }

    /// What the kernel says about the last failure.
    private static func messages(_ context: Int32) -> String {
        var bytes = [UInt8](repeating: 0, count: 512)
        let count = Glibc.read(context, &bytes, bytes.count)
        return count > 0 ? String(decoding: bytes[..<count], as: UTF8.self) : ""
    }
}

/// Why there is no mount.
public enum MountError: Error, CustomStringConvertible {
    /// `/dev/fuse` cannot be opened.
    case noDevice(Errno)
    /// The kernel refused to make the file system.
    case cannotMake(step: String, Errno, detail: String)
    /// The file system cannot be attached to its folder.
    case cannotAttach(path: String, Errno)
    /// The session of an earlier process cannot be continued.
    case cannotContinue(String)
    /// libfuse refused the session.
    case cannotStartSession
    /// A dead mount of an earlier run cannot be removed.
    case cannotReplace(path: String, Errno)

    /// What failed and what helps.
    public var description: String {
        switch self {
        case .noDevice(let errno):
            "cannot open /dev/fuse: \(errno): load the fuse module, or give the container the device and CAP_SYS_ADMIN"
        case .cannotMake(let step, let errno, let detail):
            "cannot make the FUSE file system (\(step)): \(errno)\(detail.isEmpty ? "" : ": " + detail):"
                + " mounting needs root (CAP_SYS_ADMIN) and Linux 5.6 or later"
        case .cannotAttach(let path, let errno):
            "cannot mount at \(path): \(errno): the folder must exist and not be in use"
        case .cannotContinue(let reason):
            "cannot go on with the mount of the daemon before: \(reason)"
        case .cannotStartSession:
            "cannot start the FUSE session: libfuse refused it (see its message on standard error)"
        case .cannotReplace(let path, let errno):
            "cannot remove the dead mount at \(path): \(errno): run 'umount -l \(path)' and start again"
        }
    }
}
