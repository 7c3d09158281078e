import HTTP
import Replication
import Store

extension FuzzTarget {
    static let http = FuzzTarget(
        "http",
        summary: "request targets, header fields, headers of answers, listening addresses",
        maximumByteCount: 1024,
        seeds: {
            [
                "/export?name=a%20b.db&x=%C3%A9+1#f", "http://h:1/info?a", "/%00", "*", "[::1]:20202",
                "HTTP/1.1 200 OK\r\nA: b\r\n\r\n",
                "overlap, x", "0123456789ABCDEF",
            ]
            .map { Array($0.utf8) } + [try RealFiles.recorded("stream_headers.txt")]
        },
        check: { bytes in
            try checkTarget(bytes)
            try checkAnswer(bytes)
            let text = String(decoding: bytes, as: UTF8.self)
            _ = try? ListenAddress(text)
            if let node = NodeHeaders.parse(nodeID: text) {
                try require(
                    NodeHeaders.parse(nodeID: NodeHeaders.text(nodeID: node)) == node,
                    "another node ID"
                )
            }
            _ = NodeHeaders.capabilities(of: ["Litefs-Capabilities": text])
            if HTTPHeaders.isValid(name: "X", value: text) {
                try require(
                    !text.utf8.contains(10) && !text.utf8.contains(13) && !text.utf8.contains(0),
                    "a new field"
                )
            }
        }
    )

    private static func checkTarget(_ bytes: UnsafeRawBufferPointer) throws {
        guard let target = RequestTarget(Array(bytes)) else { return }
        let texts = [target.path] + target.query.flatMap { [$0.name, $0.value] }
        try require(texts.allSatisfy { !$0.utf8.contains(0) }, "a NUL in a target")
        try require(
            texts.reduce(0) { $0 + $1.utf8.count } <= bytes.count + 1,
            "a target longer than its text"
        )
        func escaped(_ text: String) -> String {
            text.utf8.map { "%" + ($0 < 16 ? "0" : "") + String($0, radix: 16) }.joined()
        }
        let query = target.query.map { escaped($0.name) + "=" + escaped($0.value) }.joined(separator: "&")
        guard let again = RequestTarget(Array(("/" + escaped(target.path) + "?" + query).utf8)) else {
            throw Broken("an escaped target is none")
        }
        try require(again.path == "/" + target.path, "the path \(target.path) is read as \(again.path)")
        try require(again.query.elementsEqual(target.query) { $0 == $1 }, "the query is another one")
    }

    private static func checkAnswer(_ bytes: UnsafeRawBufferPointer) throws {
        var parser = ResponseHeaderParser()
        var isComplete = false
        for line in bytes.split(separator: 10, omittingEmptySubsequences: false) {
            let event = parser.take(UnsafeRawBufferPointer(rebasing: line))
            guard case .complete(let status, let headers) = event else { continue }
            try require(!isComplete, "an answer with two headers")
            try require(status >= 200, "an interim answer counts")
            try require(headers.fields.count <= bytes.count, "more fields than bytes")
            isComplete = true
        }
    }
}
