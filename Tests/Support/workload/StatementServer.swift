/// Carries out what standard input says, a line at a time, and answers each line on standard output.
///
/// A line is `CONNECTION VERB TEXT`:
///
///     open PATH     opens a connection
///     close         closes it
///     run SQL       carries statements out, up to the first that fails
///     start SQL     begins a statement that stays in the middle of its rows
///     fetch N       gives N more rows of it
///     finish        ends it
///     copy PATH     copies the database into another one with the backup API
///
/// The answer is a few `row` lines and one line `done CODE AUTOCOMMIT ROWS HASH MESSAGE`: the extended result code, whether no
/// transaction is open, how many rows there were, a hash of them all. `$DIR` in a line means the folder, and answers say `$DIR`
/// where the folder occurs, so that the same lines to servers of two folders must have the same answers.
struct StatementServer {
    /// The folder that `$DIR` means.
    let folder: String
    private var connections: [Substring: ServedConnection] = [:]

    init(folder: String) { self.folder = folder }

    mutating func run() {
        while let line = readLine() {
            let words = line.split(separator: " ", maxSplits: 2, omittingEmptySubsequences: false)
            guard words.count >= 2 else { continue }
            let text = words.count > 2 ? replacing("$DIR", by: folder, in: String(words[2])) : ""
            answer(words[0], words[1], text)
        }
    }

    private mutating func answer(_ name: Substring, _ verb: Substring, _ text: String) {
        if verb == "open" { connections[name] = ServedConnection(text) }
        guard let connection = connections[name] else { return say("done -1 1 0 0 no such connection") }
        var result = ServedResult()
        switch verb {
        case "open": connection.check(&result)
        case "run": connection.run(text, &result)
        case "start": connection.start(text, &result)
        case "fetch": connection.fetch(Int(text) ?? 1, &result)
        case "finish": connection.finish(&result)
        case "copy": connection.copy(to: text, &result)
        case "close":
            connection.close(&result)
            connections[name] = nil
        default: result.message = "what is \(verb)?"
        }
        say(replacing(folder, by: "$DIR", in: result.text))
    }

    private func replacing(_ part: String, by other: String, in text: String) -> String {
        guard text.contains(part) else { return text }
        return text.split(separator: part, omittingEmptySubsequences: false).joined(separator: other)
    }
}

/// What a line came to.
struct ServedResult {
    var code: Int32 = 0
    var isAutocommit = true
    var message = ""
    private var rows = 0
    private var shown = ""
    private var hash: UInt64 = 0xCBF2_9CE4_8422_2325

    private static let shownRows = 6

    /// Adds a row; `bytes` are all of it, `text` is for people.
    mutating func add(_ text: String, _ bytes: [UInt8]) {
        rows += 1
        for byte in bytes { hash = (hash ^ UInt64(byte)) &* 0x100_0000_01B3 }
        if rows <= Self.shownRows {
            shown += "row " + String(text.map { $0.isNewline ? " " : $0 }) + "\n"
        }
    }

    /// The answer's lines.
    var text: String {
        let line = String(message.map { $0.isNewline ? " " : $0 })
        return
            "\(shown)done \(code) \(isAutocommit ? 1 : 0) \(rows) \(String(hash, radix: 16)) \(line)"
    }
}
