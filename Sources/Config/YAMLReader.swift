import CYAML

/// Reads one YAML document into a tree, by libyaml's events.
///
/// Bounded by construction: the text is bounded by the caller, the depth by `depthLimit`, and aliases, by which a
/// small text can name a huge tree, are refused.
struct YAMLReader: ~Copyable {
    /// Why a text is no document we read.
    struct Failure: Error, Equatable {
        /// The line, counted from 1.
        let line: Int

        /// What is wrong and what to write instead.
        let message: String
    }

    /// How deep lists and mappings may be nested; the deepest setting is at level 3.
    static let depthLimit = 32

    /// The parser is on the heap, because libyaml keeps its address.
    private let parser: UnsafeMutablePointer<yaml_parser_t>

    /// Reads `text`.
    ///
    /// - Returns: The root of the document; nil when the text holds none.
    static func read(_ text: [UInt8]) throws(Failure) -> YAMLNode? {
        guard let reader = YAMLReader() else {
            throw Failure(line: 1, message: "out of memory while reading the file")
        }
        var result: Result<YAMLNode?, Failure> = .success(nil)
        text.withUnsafeBufferPointer { bytes in
            yaml_parser_set_encoding(reader.parser, YAML_UTF8_ENCODING)
            yaml_parser_set_input_string(reader.parser, bytes.baseAddress, bytes.count)
            result = Result { () throws(Failure) in try reader.document() }
        }
        return try result.get()
    }

    private init?() {
        parser = .allocate(capacity: 1)
        guard yaml_parser_initialize(parser) == 1 else {
            parser.deallocate()
            return nil
        }
    }

    deinit {
        yaml_parser_delete(parser)
        parser.deallocate()
    }

    /// What an event says, copied out of libyaml's memory.
    private enum Event {
        case value(YAMLNode)
        case sequenceStart(line: Int)
        case mappingStart(line: Int)
        case end
        case documentStart(line: Int)
        case streamStart
        case streamEnd
    }

    /// Reads the only document of the stream.
    private func document() throws(Failure) -> YAMLNode? {
        guard case .streamStart = try next() else { return nil }
        guard case .documentStart = try next() else { return nil }
        let root = try node(try next(), depth: 0)
        _ = try next()
        if case .documentStart(let line) = try next() {
            throw Failure(
                line: line,
                message: "a second document begins here, and only one is read; remove the line with ---"
            )
        }
        return root
    }

    /// Reads the value that begins with `event`; nil at the end of a list or mapping.
    private func node(_ event: Event, depth: Int) throws(Failure) -> YAMLNode? {
        switch event {
        case .value(let node):
            return node
        case .sequenceStart(let line):
            try check(depth, line)
            var elements: [YAMLNode] = []
            while let element = try node(try next(), depth: depth + 1) { elements.append(element) }
            return YAMLNode(content: .sequence(elements), line: line)
        case .mappingStart(let line):
            try check(depth, line)
            var entries: [YAMLNode.Entry] = []
            while let key = try node(try next(), depth: depth + 1) {
                guard let value = try node(try next(), depth: depth + 1) else { break }
                entries.append(YAMLNode.Entry(key: key, value: value))
            }
            return YAMLNode(content: .mapping(entries), line: line)
        case .end, .documentStart, .streamStart, .streamEnd:
            return nil
        }
    }

    private func check(_ depth: Int, _ line: Int) throws(Failure) {
        guard depth < Self.depthLimit else {
            throw Failure(
                line: line,
                message:
                    "lists and mappings are nested deeper than \(Self.depthLimit) levels; no setting needs that"
            )
        }
    }

    /// Takes the next event from libyaml.
    private func next() throws(Failure) -> Event {
        var event = yaml_event_t()
        guard yaml_parser_parse(parser, &event) == 1 else { throw syntaxFailure() }
        defer { yaml_event_delete(&event) }
        let line = Int(event.start_mark.line) + 1
        switch event.type {
        case YAML_SCALAR_EVENT:
            let scalar = event.data.scalar
            try refuse(anchor: scalar.anchor, line)
            let isTaggedText = try isTextTag(scalar.tag, line)
            let bytes = UnsafeBufferPointer(start: scalar.value, count: scalar.length)
            let isPlain = scalar.style == YAML_PLAIN_SCALAR_STYLE && !isTaggedText
            return .value(
                YAMLNode(
                    content: .scalar(String(decoding: bytes, as: UTF8.self), isPlain: isPlain),
                    line: line
                )
            )
        case YAML_SEQUENCE_START_EVENT:
            try refuse(anchor: event.data.sequence_start.anchor, line)
            try refuse(tag: event.data.sequence_start.tag, line)
            return .sequenceStart(line: line)
        case YAML_MAPPING_START_EVENT:
            try refuse(anchor: event.data.mapping_start.anchor, line)
            try refuse(tag: event.data.mapping_start.tag, line)
            return .mappingStart(line: line)
        case YAML_ALIAS_EVENT:
            throw Failure(line: line, message: "aliases (*name) are not read; write the value out here")
        case YAML_DOCUMENT_START_EVENT: return .documentStart(line: line)
        case YAML_STREAM_START_EVENT: return .streamStart
        case YAML_SEQUENCE_END_EVENT, YAML_MAPPING_END_EVENT, YAML_DOCUMENT_END_EVENT: return .end
        default: return .streamEnd
        }
    }

    private func refuse(anchor: UnsafeMutablePointer<yaml_char_t>?, _ line: Int) throws(Failure) {
        guard anchor == nil else {
            throw Failure(
                line: line,
                message:
                    "anchors (&name) are not read; remove it, and put a value that begins with & in quotes"
            )
        }
    }

    private func refuse(tag: UnsafeMutablePointer<yaml_char_t>?, _ line: Int) throws(Failure) {
        guard tag == nil else {
            throw Failure(
                line: line,
                message: "tags (!name) are not read; remove it, and put a value that begins with ! in quotes"
            )
        }
    }

    /// Whether the tag makes its scalar a text (`!!str`); other tags are refused.
    private func isTextTag(_ tag: UnsafeMutablePointer<yaml_char_t>?, _ line: Int) throws(Failure) -> Bool {
        guard let tag else { return false }
        if String(cString: tag) == "tag:yaml.org,2002:str" { return true }
        try refuse(tag: tag, line)
        return false
    }

    /// What libyaml says about the text it cannot read.
    private func syntaxFailure() -> Failure {
        let state = parser.pointee
        let problem = state.problem.map { String(cString: $0) } ?? "the text is no YAML"
        if state.error == YAML_READER_ERROR {
            return Failure(
                line: Int(state.mark.line) + 1,
                message: "\(problem) at byte \(state.problem_offset); the file must be UTF-8 text"
            )
        }
        return Failure(line: Int(state.problem_mark.line) + 1, message: problem + "; " + remedy(for: problem))
    }

    /// What to do about the problems that are met most.
    private func remedy(for problem: String) -> String {
        if problem.contains("cannot start any token") {
            return "indent with spaces, not tabs, and put values that begin with @ ` or % in quotes"
        }
        if problem.contains("mapping values are not allowed") {
            return
                "check the indentation, and that the line above has its colon; put values that contain ': ' in quotes"
        }
        if problem.contains("could not find expected ':'") {
            return "every key needs a colon and a blank after it, as in data: or dir: /var/lib/litefs"
        }
        if problem.contains("unexpected end of stream") {
            return "a quote that was opened above is never closed"
        }
        return "check the indentation and the quotes of this line and the one above"
    }
}
