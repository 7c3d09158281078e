import LTX

/// An LTX file on its way to a client.
///
/// For one thread.
protocol OutgoingFile: AnyObject {
    /// What it counts as in metrics: `ltx` or `ltx:snapshot`.
    var frameType: String { get }
    /// Whether it is sent in so short a time that an orderly end can wait for it.
    var isShort: Bool { get }
    /// Where a client is that has it; known after the last byte was read.
    var end: Position { get }

    /// Fills the start of `buffer` with the next bytes, at least one.
    ///
    /// - Returns: how many; 0 after the last.
    /// - Throws: when the file is damaged; what was read before must not be completed.
    func read(into buffer: UnsafeMutableRawBufferPointer) throws -> Int
}
