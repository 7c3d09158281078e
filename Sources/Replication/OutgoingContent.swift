import LTX
import Store

/// An LTX file that is in memory since it was made.
final class OutgoingContent: OutgoingFile {
    let frameType = "ltx"
    let isShort = true
    let end: Position
    private let content: SharedBytes
    private var offset = 0

    /// A file from the log; nil when its content is not in memory, or too short to be a file.
    init?(_ file: LTXFile) {
        guard let content = file.content else { return nil }
        self.content = content
        guard content.bytes.count >= LTXHeader.byteCount + LTXTrailer.byteCount else { return nil }
        let postApply =
            file.postApply
            ?? content.bytes.suffix(LTXTrailer.byteCount)
            .withUnsafeBytes { try? LTXTrailer(decoding: $0).postApply }
        guard let postApply else { return nil }
        end = Position(txid: file.name.maxTXID, postApply: postApply)
    }

    func read(into buffer: UnsafeMutableRawBufferPointer) -> Int {
        content.bytes.withUnsafeBytes { bytes in
            let count = min(buffer.count, bytes.count - offset)
            buffer.copyMemory(from: UnsafeRawBufferPointer(rebasing: bytes[offset..<offset + count]))
            offset += count
            return count
        }
    }
}
