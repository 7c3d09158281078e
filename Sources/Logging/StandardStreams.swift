import POSIX

/// The process's standard error, for log lines.
public enum StandardError {
    // Never deinitialised, so descriptor 2 stays open.
    private static let descriptor = FileDescriptor(owning: 2)

    /// Writes bytes with one write(2); when that fails there is nobody left to tell, and they are lost.
    @Sendable public static func write(_ bytes: UnsafeRawBufferPointer) {
        try? descriptor.append(bytes)
    }

    /// Writes `text` and a newline with one write(2).
    public static func line(_ text: String) {
        Array((text + "\n").utf8).withUnsafeBytes(write)
    }

    /// Writes `ERROR: `, `text` and a newline with one write(2): the form in which the program says why it ends.
    public static func report(_ text: String) {
        Array("ERROR: \(text)\n".utf8).withUnsafeBytes(write)
    }
}

/// The process's standard output, for the plain lines that supervision scripts read.
public enum StandardOutput {
    // Never deinitialised, so descriptor 1 stays open.
    private static let descriptor = FileDescriptor(owning: 1)

    /// Writes `text` and a newline with one write(2); when that fails the line is lost.
    public static func line(_ text: String) {
        let bytes = Array((text + "\n").utf8)
        bytes.withUnsafeBytes { try? descriptor.append($0) }
    }
}
