import Logging
import POSIX
import Synchronization
import Testing

/// Collects the lines that a logger writes.
private final class Lines: Sendable {
    private let lines = Mutex<[String]>([])

    func take(_ bytes: UnsafeRawBufferPointer) {
        let line = String(decoding: bytes, as: UTF8.self)
        lines.withLock { $0.append(line) }
    }

    var all: [String] { lines.withLock { $0 } }
}

private func lines(
    level: LogLevel = .info,
    format: Logger.Format = .text,
    timestamps: Bool = false,
    _ body: (Logger) -> Void
) -> [String] {
    let lines = Lines()
    body(
        Logger(
            level: level,
            format: format,
            timestamps: timestamps,
            clock: { 1_767_366_245_000 },
            sink: { lines.take($0) }
        )
    )
    return lines.all
}

@Suite struct LoggingTests {
    @Test func `text lines are those of slog`() {
        let lines = lines { log in
            log.info("http server listening on: :20202")
            log.warning(
                "slow",
                ["db": "my db", "n": 3, "ratio": 0.5, "ok": true, "path": "/a/b", "none": ""]
            )
            log.error("a=b")
        }
        #expect(
            lines == [
                "level=INFO msg=\"http server listening on: :20202\"\n",
                "level=WARN msg=slow db=\"my db\" n=3 ratio=0.5 ok=true path=/a/b none=\"\"\n",
                "level=ERROR msg=\"a=b\"\n",
            ]
        )
    }

    @Test func `JSON lines are those of slog`() {
        let lines = lines(format: .json) { log in
            log.info("say \"<hi>\"\n", ["db": "d", "n": -1, "ratio": 0.25, "ok": false])
        }
        #expect(
            lines == [
                #"{"level":"INFO","msg":"say \"<hi>\"\n","db":"d","n":-1,"ratio":0.25,"ok":false}"# + "\n"
            ]
        )
    }

    @Test func `a timestamp comes first`() {
        #expect(
            lines(timestamps: true) { $0.info("x") } == ["time=2026-01-02T15:04:05.000Z level=INFO msg=x\n"]
        )
        #expect(
            lines(format: .json, timestamps: true) { $0.info("x") }
                == [#"{"time":"2026-01-02T15:04:05.000Z","level":"INFO","msg":"x"}"# + "\n"]
        )
    }

    @Test(arguments: [
        ("plain", "plain"), ("back\\slash", "back\\slash"), ("two words", "\"two words\""), ("", "\"\""),
        ("say \"x\"", "\"say \\\"x\\\"\""), ("line\nbreak", "\"line\\nbreak\""), ("bell\u{7}", "\"bell\\a\""),
        ("esc\u{1B}[0m", "\"esc\\x1b[0m\""), ("été", "été"), ("nbsp\u{A0}x", "\"nbsp\\u00a0x\""),
        ("tag\u{E0001}", "\"tag\\U000e0001\""), ("a\\b c", "\"a\\\\b c\""), ("\u{FFFD}", "\"\u{FFFD}\""),
    ])
    func `text is quoted only when it must be`(text: String, written: String) {
        #expect(lines { $0.info(text) } == ["level=INFO msg=\(written)\n"])
    }

    @Test func `messages below the level are not evaluated`() {
        var evaluations = 0
        func message() -> String {
            evaluations += 1
            return "x"
        }
        let written = lines(level: .warning) { log in
            log.debug(message())
            log.info(message(), ["n": .string(message())])
            log.warning(message())
        }
        #expect(written == ["level=WARN msg=x\n"])
        #expect(evaluations == 1)
        Logger.silent.error(message())
        #expect(evaluations == 1)
    }

    @Test func `levels are read from configuration text`() {
        #expect(LogLevel("debug") == .debug)
        #expect(LogLevel("INFO") == .info)
        #expect(LogLevel("Warn") == .warning)
        #expect(LogLevel("warning") == .warning)
        #expect(LogLevel("error") == .error)
        #expect(LogLevel("verbose") == nil)
        #expect(LogLevel.allCases.sorted() == [.debug, .info, .warning, .error])
    }

    @Test func `every line of concurrent writers arrives whole`() {
        let lines = Lines()
        let log = Logger(sink: { lines.take($0) })
        let threads = (0..<4)
            .map { number in
                Thread("log-\(number)") { for count in 0..<100 { log.info("t\(number)-\(count)") } }
            }
        for thread in threads { thread.join() }
        #expect(lines.all.count == 400)
        #expect(Set(lines.all).count == 400)
        #expect(lines.all.allSatisfy { $0.hasPrefix("level=INFO msg=t") && $0.hasSuffix("\n") })
    }
}
