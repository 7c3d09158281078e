import SQLiteFormat

/// What the decoder found in an LTX file, in the order of the file.
public enum LTXEvent {
    /// The header, valid in itself. Neither it nor the pages are verified before the trailer comes.
    case header(LTXHeader)

    /// A page with all its bytes, which are valid only during the call.
    case page(PageNumber, UnsafeRawBufferPointer)

    /// The trailer, after the file's checksum, and the pages' checksum in a snapshot, were found right.
    case trailer(LTXTrailer)
}
