import JSON

/// The text of one line, its newline included.
enum LogLine {
    static func text(
        time: String?,
        level: LogLevel,
        message: String,
        attributes: Logger.Attributes
    ) -> [UInt8] {
        var line: [UInt8] = []
        line.reserveCapacity(32 + message.utf8.count)
        if let time { line.append(contentsOf: "time=\(time) ".utf8) }
        line.append(contentsOf: "level=\(level.name) msg=".utf8)
        LogText.append(message, to: &line)
        for (key, value) in attributes {
            line.append(UInt8(ascii: " "))
            LogText.append(key, to: &line)
            line.append(UInt8(ascii: "="))
            switch value {
            case .string(let text): LogText.append(text, to: &line)
            case .integer(let number): line.append(contentsOf: String(number).utf8)
            case .number(let number): LogText.append(JSONText.number(number), to: &line)
            case .boolean(let flag): line.append(contentsOf: String(flag).utf8)
            }
        }
        line.append(UInt8(ascii: "\n"))
        return line
    }

    static func json(
        time: String?,
        level: LogLevel,
        message: String,
        attributes: Logger.Attributes
    ) -> [UInt8] {
        var writer = JSONWriter(escapesHTML: false)
        writer.object { object in
            if let time { object.member("time", time) }
            object.member("level", level.name)
            object.member("msg", message)
            for (key, value) in attributes {
                object.name(key)
                switch value {
                case .string(let text): object.string(text)
                case .integer(let number): object.integer(number)
                case .number(let number): object.number(number)
                case .boolean(let flag): object.boolean(flag)
                }
            }
        }
        writer.newline()
        return writer.bytes
    }
}
