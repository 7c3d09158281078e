import CCurl
import POSIX

/// One request of the client and its answer, on the caller's thread.
///
/// It has handles of its own, so nothing is shared with other calls.
final class CurlTransfer {
    /// What is asked for.
    struct Request {
        let method: String
        let url: String
        let headers: HTTPHeaders
        let body: [UInt8]
    }

    let client: HTTPClient
    let request: Request
    private var parser = ResponseHeaderParser()
    private let onResponse: (Int, HTTPHeaders) throws -> Void
    private let onBytes: (UnsafeRawBufferPointer) throws -> Void
    /// What a callback threw; the transfer ends with it.
    private var failure: (any Error)?
    /// When the peer was last heard of.
    private var lastActivity = MonotonicTime.now

    init(
        _ client: HTTPClient,
        _ request: Request,
        onResponse: @escaping (Int, HTTPHeaders) throws -> Void,
        onBytes: @escaping (UnsafeRawBufferPointer) throws -> Void
    ) {
        self.client = client
        self.request = request
        self.onResponse = onResponse
        self.onBytes = onBytes
    }

    /// Initialises the library, once for the process.
    private static let isInitialised = curl_global_init(ccurl_global_flags()) == CURLE_OK

    func error(_ kind: HTTPClientError.Kind, _ reason: String) -> HTTPClientError {
        HTTPClientError(kind: kind, method: request.method, url: request.url, reason: reason)
    }

    /// Runs until the answer is complete, or throws.
    func run(deadline: MonotonicTime?) throws {
        for (name, value) in request.headers.fields where !HTTPHeaders.isValid(name: name, value: value) {
            throw error(.invalidRequest, "the header field \(name) cannot be sent")
        }
        guard HTTPHeaders.isValid(name: request.method, value: "") else {
            throw error(.invalidRequest, "the method cannot be sent")
        }
        // Whatever the handles point to outlives them.
        let reason = UnsafeMutablePointer<CChar>.allocate(capacity: Int(CURL_ERROR_SIZE))
        reason.initialize(repeating: 0, count: Int(CURL_ERROR_SIZE))
        defer { reason.deallocate() }
        let fields = headerList()
        defer { curl_slist_free_all(fields) }
        guard Self.isInitialised, let multi = curl_multi_init() else {
            throw error(.failed, "cannot initialise libcurl")
        }
        defer { curl_multi_cleanup(multi) }
        guard let easy = curl_easy_init() else { throw error(.failed, "cannot initialise libcurl") }
        defer { curl_easy_cleanup(easy) }
        guard client.register(multi) else { throw error(.cancelled, "cancelled") }
        defer { client.unregister(multi) }
        _ = ccurl_set_pointer(easy, CURLOPT_ERRORBUFFER, reason)
        _ = ccurl_set_list(easy, CURLOPT_HTTPHEADER, fields)
        try setOptions(easy)

        try request.body.withUnsafeBytes { body in
            setMethod(easy, body)
            guard curl_multi_add_handle(multi, easy) == CURLM_OK else {
                throw error(.failed, "cannot start the request")
            }
            defer { curl_multi_remove_handle(multi, easy) }
            let result = try wait(multi, easy, deadline: deadline)
            if let failure { throw failure }
            if result != CURLE_OK { throw describe(result, reason, easy) }
        }
    }

    /// Drives the transfer until it has ended; returns its result.
    private func wait(
        _ multi: UnsafeMutableRawPointer,
        _ easy: UnsafeMutableRawPointer,
        deadline: MonotonicTime?
    ) throws -> CURLcode {
        lastActivity = .now
        var uploaded: curl_off_t = 0
        while true {
            var running: Int32 = 0
            guard curl_multi_perform(multi, &running) == CURLM_OK else {
                throw error(.failed, "libcurl cannot go on")
            }
            var result = CURLE_OK
            if ccurl_finished(multi, easy, &result) != 0 { return result }
            if client.isCancelled { throw error(.cancelled, "cancelled") }

            // Until the request is on its way, the time to connect is what counts.
            var sent: curl_off_t = 0
            var ready: curl_off_t = 0
            _ = ccurl_get_offset(easy, CURLINFO_SIZE_UPLOAD_T, &sent)
            _ = ccurl_get_offset(easy, CURLINFO_PRETRANSFER_TIME_T, &ready)
            let now = MonotonicTime.now
            if ready == 0 || sent != uploaded { lastActivity = now }
            uploaded = sent

            var next = lastActivity + client.limits.stall
            if next <= now {
                let seconds = client.limits.stall.seconds
                throw error(.stalled, "the peer sent nothing for \(seconds) seconds")
            }
            if let deadline {
                if deadline <= now {
                    throw error(.timedOut, "took longer than \(client.limits.request.seconds) seconds")
                }
                next = min(next, deadline)
            }
            let milliseconds = ((next - now).nanoseconds + 999_999) / 1_000_000
            _ = curl_multi_poll(multi, nil, 0, Int32(clamping: milliseconds), nil)
        }
    }

    // MARK: - Callbacks

    // SAFETY, for both: `context` is this object, which outlives the handle it was given to.
    static let receiveHeader: ccurl_data_callback = { bytes, size, count, context in
        guard let bytes, let context else { return 0 }
        let transfer = Unmanaged<CurlTransfer>.fromOpaque(context).takeUnretainedValue()
        let line = UnsafeRawBufferPointer(start: bytes, count: size * count)
        return transfer.guarded(line.count) { try transfer.take(headerLine: line) }
    }

    static let receiveBody: ccurl_data_callback = { bytes, size, count, context in
        guard let bytes, let context else { return 0 }
        let transfer = Unmanaged<CurlTransfer>.fromOpaque(context).takeUnretainedValue()
        let part = UnsafeRawBufferPointer(start: bytes, count: size * count)
        return transfer.guarded(part.count) { try transfer.onBytes(part) }
    }

    /// Runs `body` for a callback that got `count` bytes; returns 0, which ends the transfer, when it throws.
    private func guarded(_ count: Int, _ body: () throws -> Void) -> Int {
        do {
            if client.isCancelled { throw error(.cancelled, "cancelled") }
            try body()
            lastActivity = .now
            return count
        } catch {
            failure = failure ?? error
            return 0
        }
    }

    private func take(headerLine line: UnsafeRawBufferPointer) throws {
        switch parser.take(line) {
        case .more: break
        case .complete(let status, let headers): try onResponse(status, headers)
        case .tooLarge: throw error(.tooLarge, "the header of the answer is too long")
        }
    }
}
