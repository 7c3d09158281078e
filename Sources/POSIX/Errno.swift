import CShims
import Glibc

/// An error number of the operating system.
public struct Errno: Error, Hashable, Sendable, RawRepresentable, CustomStringConvertible {
    /// The value as in `<errno.h>`, greater than zero.
    public let rawValue: Int32

    /// Wraps a value of `<errno.h>`.
    public init(rawValue: Int32) {
        self.rawValue = rawValue
    }

    /// The error of the last failed call on this thread.
    ///
    /// Read it before any other call is made.
    public static var last: Errno { Errno(rawValue: cshims_errno()) }

    /// `EPERM`.
    public static let notPermitted = Errno(rawValue: EPERM)
    /// `ENOENT`.
    public static let noEntry = Errno(rawValue: ENOENT)
    /// `EINTR`.
    public static let interrupted = Errno(rawValue: EINTR)
    /// `EIO`.
    public static let io = Errno(rawValue: EIO)
    /// `EBADF`.
    public static let badDescriptor = Errno(rawValue: EBADF)
    /// `EAGAIN`.
    public static let wouldBlock = Errno(rawValue: EAGAIN)
    /// `ENOMEM`.
    public static let outOfMemory = Errno(rawValue: ENOMEM)
    /// `EACCES`.
    public static let accessDenied = Errno(rawValue: EACCES)
    /// `EBUSY`.
    public static let busy = Errno(rawValue: EBUSY)
    /// `EEXIST`.
    public static let exists = Errno(rawValue: EEXIST)
    /// `EXDEV`.
    public static let crossDevice = Errno(rawValue: EXDEV)
    /// `ENOTDIR`.
    public static let notDirectory = Errno(rawValue: ENOTDIR)
    /// `EISDIR`.
    public static let isDirectory = Errno(rawValue: EISDIR)
    /// `EINVAL`.
    public static let invalidArgument = Errno(rawValue: EINVAL)
    /// `EFBIG`.
    public static let fileTooLarge = Errno(rawValue: EFBIG)
    /// `ENOSPC`.
    public static let noSpace = Errno(rawValue: ENOSPC)
    /// `EROFS`.
    public static let readOnlyFileSystem = Errno(rawValue: EROFS)
    /// `ENAMETOOLONG`.
    public static let nameTooLong = Errno(rawValue: ENAMETOOLONG)
    /// `ENOSYS`.
    public static let notImplemented = Errno(rawValue: ENOSYS)
    /// `ENOTEMPTY`.
    public static let notEmpty = Errno(rawValue: ENOTEMPTY)
    /// `EILSEQ`.
    public static let illegalByteSequence = Errno(rawValue: EILSEQ)
    /// `ENOTSUP`.
    public static let notSupported = Errno(rawValue: ENOTSUP)
    /// `EADDRINUSE`.
    public static let addressInUse = Errno(rawValue: EADDRINUSE)
    /// `ENOTCONN`.
    public static let notConnected = Errno(rawValue: ENOTCONN)
    /// `ETIMEDOUT`.
    public static let timedOut = Errno(rawValue: ETIMEDOUT)
    /// `ELOOP`.
    public static let tooManyLinks = Errno(rawValue: ELOOP)
    /// `ESTALE`.
    public static let stale = Errno(rawValue: ESTALE)
    /// `ENODEV`.
    public static let noDevice = Errno(rawValue: ENODEV)

    /// Symbolic name and text, for example `ENOSPC: No space left on device`.
    public var description: String {
        let text = strerror(rawValue).map { String(cString: $0) } ?? "unknown error"
        guard let name = cshims_errno_name(rawValue) else { return "errno \(rawValue): \(text)" }
        return "\(String(cString: name)): \(text)"
    }
}

/// An operating system error with what was done to what.
public struct FileError: Error, Sendable, CustomStringConvertible {
    /// The call that failed, for example `open`.
    public let operation: String
    /// The path it was made on.
    public let path: String
    /// Why it failed.
    public let errno: Errno

    /// Joins an error number to its circumstances.
    public init(_ operation: String, _ path: String, _ errno: Errno) {
        self.operation = operation
        self.path = path
        self.errno = errno
    }

    /// What could not be done, where, and why.
    public var description: String { "cannot \(operation) \(path): \(errno)" }
}

/// Repeats a call while it is interrupted by a signal.
///
/// Never inlined, so that nothing stands between the call and the reading of its error number.
@inline(never)
func retrying(_ call: () -> Int) throws(Errno) -> Int {
    while true {
        let result = call()
        if result >= 0 { return result }
        let errno = Errno.last
        if errno != .interrupted { throw errno }
    }
}
