import CMicrohttpd
import POSIX

/// One request and its answer, on its connection's thread.
///
/// The library calls `begin`, then `proceed` once for the header, for each part of the body and at the end, then `end`.
final class Exchange {
    /// How many bytes of a body that is too long are read and thrown away, so that the peer gets to see the answer.
    static let maximumDiscarded: UInt64 = 64 << 20

    private let target: [UInt8]
    private var hasHeader = false
    private var body: [UInt8] = []
    private var received: UInt64 = 0

    private init(target: [UInt8]) {
        self.target = target
    }

    /// Called with the raw target of the request; the result is the exchange, handed to the other two.
    static let begin: cmhd_uri_callback = { _, uri, _ in
        guard let uri else { return nil }
        let target = Array(UnsafeRawBufferPointer(start: uri, count: UnsafePointer(uri).byteCount))
        return Unmanaged.passRetained(Exchange(target: target)).toOpaque()
    }

    /// Called when the request is done with, however it ended.
    static let end: MHD_RequestCompletedCallback = { cls, connection, slot, _ in
        guard let slot, let pointer = slot.pointee else { return }
        slot.pointee = nil
        // SAFETY: consumes the reference that `begin` made, once.
        Unmanaged<Exchange>.fromOpaque(pointer).release()
        guard let cls, let connection else { return }
        // SAFETY: the server keeps the context until its daemon has stopped.
        let context = Unmanaged<ServerContext>.fromOpaque(cls).takeUnretainedValue()
        _ = cmhd_set_timeout(connection, context.limits.idleSeconds)
    }

    /// Called whenever there is more of the request.
    static let proceed: MHD_AccessHandlerCallback = { cls, connection, _, method, version, data, size, slot in
        guard let cls, let connection, let method, let version, let size, let pointer = slot?.pointee else {
            return .NO
        }
        // SAFETY: the server keeps the context until its daemon has stopped; `end` has not been called yet.
        let context = Unmanaged<ServerContext>.fromOpaque(cls).takeUnretainedValue()
        let exchange = Unmanaged<Exchange>.fromOpaque(pointer).takeUnretainedValue()
        if !exchange.hasHeader {
            exchange.hasHeader = true
            return exchange.checkHeader(connection, context)
        }
        if size.pointee > 0 {
            let part = UnsafeRawBufferPointer(start: data, count: size.pointee)
            size.pointee = 0
            return exchange.take(part, limit: context.limits.requestBody)
        }
        return exchange.answer(
            connection,
            context,
            method: String(cString: method),
            isOldProtocol: String(cString: version) == "HTTP/1.0"
        )
    }

    /// Refuses a body that is announced as too long, when waiting for its end makes no sense.
    private func checkHeader(_ connection: OpaquePointer, _ context: ServerContext) -> MHD_Result {
        let headers = HTTPHeaders(of: connection)
        guard let length = headers["Content-Length"].flatMap({ UInt64($0) }),
            length > UInt64(context.limits.requestBody)
        else { return .YES }
        let waits = headers["Expect"] != nil
        guard waits || length > UInt64(context.limits.requestBody) + Self.maximumDiscarded else {
            return .YES
        }
        return send(tooLarge(context), connection, context, isOldProtocol: false)
    }

    private func take(_ part: UnsafeRawBufferPointer, limit: Int) -> MHD_Result {
        received += UInt64(part.count)
        if received <= UInt64(limit) {
            body.append(contentsOf: part)
        } else {
            body = []
            if received > UInt64(limit) + Self.maximumDiscarded { return .NO }
        }
        return .YES
    }

    private func tooLarge(_ context: ServerContext) -> HTTPResponse {
        .error(413, "request body is longer than \(context.limits.requestBody) bytes")
    }

    private func answer(
        _ connection: OpaquePointer,
        _ context: ServerContext,
        method: String,
        isOldProtocol: Bool
    ) -> MHD_Result {
        // The idle time does not count while the handler works and the answer is sent; `end` sets it again.
        _ = cmhd_set_timeout(connection, 0)
        let response: HTTPResponse
        if received > UInt64(context.limits.requestBody) {
            response = tooLarge(context)
        } else if let target = RequestTarget(target) {
            let address = cmhd_client_address(connection).flatMap { SocketAddress($0) }
            response = context.handler(
                HTTPRequest(
                    method: method,
                    path: target.path,
                    query: target.query,
                    headers: HTTPHeaders(of: connection),
                    body: body,
                    remoteAddress: address?.description ?? "?"
                )
            )
        } else {
            response = .error(400, "malformed request target")
        }
        body = []
        return send(response, connection, context, isOldProtocol: isOldProtocol)
    }

    private func send(
        _ response: HTTPResponse,
        _ connection: OpaquePointer,
        _ context: ServerContext,
        isOldProtocol: Bool
    ) -> MHD_Result {
        let raw: OpaquePointer?
        switch response.body {
        case .bytes(let bytes):
            raw = bytes.withUnsafeBytes { buffer in
                // The library copies the bytes; that it takes a mutable pointer is history.
                let start = UnsafeMutableRawPointer(mutating: buffer.baseAddress)
                return MHD_create_response_from_buffer(buffer.count, start, .RESPMEM_MUST_COPY)
            }
        case .stream(let body, let length):
            let active = ActiveBody(
                body,
                context: context,
                socket: cmhd_socket(connection),
                resetsOnFailure: isOldProtocol && length == nil
            )
            context.add(active)
            raw = MHD_create_response_from_callback(
                length ?? cmhd_size_unknown(),
                HTTPServer.blockSize,
                ActiveBody.read,
                Unmanaged.passRetained(active).toOpaque(),
                ActiveBody.free
            )
            if raw == nil {
                Unmanaged.passUnretained(active).release()
                context.remove(active)
            }
        }
        guard let raw else { return .NO }
        defer { MHD_destroy_response(raw) }
        for (name, value) in response.headers.fields {
            guard HTTPHeaders.isValid(name: name, value: value),
                MHD_add_response_header(raw, name, value) == .YES
            else { return .NO }
        }
        return MHD_queue_response(connection, UInt32(clamping: response.status), raw)
    }
}

extension HTTPHeaders {
    /// The header fields of the request on a connection; bytes that are not UTF-8 are replaced.
    init(of connection: OpaquePointer) {
        self.init()
        let append: MHD_KeyValueIterator = { headers, _, name, value in
            guard let headers, let name else { return .NO }
            headers.assumingMemoryBound(to: HTTPHeaders.self)
                .pointee.append(String(cString: name), value.map { String(cString: $0) } ?? "")
            return .YES
        }
        withUnsafeMutablePointer(to: &self) { pointer in
            _ = MHD_get_connection_values(connection, .HEADER_KIND, append, pointer)
        }
    }
}

extension UnsafePointer<CChar> {
    /// The bytes before the terminating zero.
    fileprivate var byteCount: Int {
        var count = 0
        while self[count] != 0 { count += 1 }
        return count
    }
}
