/// Collects the header of an answer from its lines.
package struct ResponseHeaderParser {
    /// The most bytes that a header may have.
    static let maximumBytes = 256 << 10

    /// What a line led to.
    package enum Event {
        /// There is more to come, or the line is of no interest.
        case more
        /// The header of the final answer is complete.
        case complete(status: Int, headers: HTTPHeaders)
        /// The header is longer than `maximumBytes`.
        case tooLarge
    }

    private var status = 0
    private var headers = HTTPHeaders()
    private var byteCount = 0
    private var isComplete = false

    /// A parser before the first line.
    package init() {}

    /// Takes one line with its line end; the last of a header is empty.
    ///
    /// Interim answers (1xx) are skipped, and so are fields that follow the body.
    package mutating func take(_ line: UnsafeRawBufferPointer) -> Event {
        byteCount += line.count
        guard byteCount <= Self.maximumBytes else { return .tooLarge }
        guard !isComplete else { return .more }
        var text = line[...]
        while let last = text.last, last == 0x0A || last == 0x0D { text = text.dropLast() }

        if text.isEmpty {
            guard status >= 200 else { return .more }
            isComplete = true
            return .complete(status: status, headers: headers)
        }
        if text.starts(with: "HTTP/".utf8) {
            let words = text.split(separator: UInt8(ascii: " "), maxSplits: 2)
            status = words.count > 1 ? Int(String(decoding: words[1], as: UTF8.self)) ?? 0 : 0
            headers = HTTPHeaders()
        } else if let colon = text.firstIndex(of: UInt8(ascii: ":")) {
            let value = text[colon...].dropFirst().drop { $0 == 0x20 || $0 == 0x09 }
            headers.append(
                String(decoding: text[..<colon], as: UTF8.self),
                String(decoding: value, as: UTF8.self)
            )
        }
        return .more
    }
}
