import CCurl

// How the library is told what to do, and what its results are called.
extension CurlTransfer {
    /// The size in bytes of the buffer that the library receives into.
    private static let receiveBuffer = 512 << 10

    func setOptions(_ easy: UnsafeMutableRawPointer) throws {
        func set(_ option: CURLoption, _ value: Int) { _ = ccurl_set_long(easy, option, value) }
        let version =
            switch client.wireProtocol {
            case .http1: CURL_HTTP_VERSION_1_1
            case .http2PriorKnowledge: CURL_HTTP_VERSION_2_PRIOR_KNOWLEDGE
            }
        set(CURLOPT_HTTP_VERSION, Int(version))
        set(CURLOPT_NOSIGNAL, 1)
        set(CURLOPT_CONNECTTIMEOUT_MS, Int(client.limits.connect.nanoseconds / 1_000_000))
        set(CURLOPT_TCP_NODELAY, 1)
        set(CURLOPT_TCP_KEEPALIVE, 1)
        set(CURLOPT_TCP_KEEPIDLE, 2)
        set(CURLOPT_TCP_KEEPINTVL, 1)
        set(CURLOPT_BUFFERSIZE, Self.receiveBuffer)
        set(CURLOPT_FOLLOWLOCATION, 0)
        set(CURLOPT_HTTP09_ALLOWED, 0)
        set(CURLOPT_PATH_AS_IS, 1)
        // A look-up of a name that hangs must not hold up the end of a cancelled call.
        set(CURLOPT_QUICK_EXIT, 1)
        _ = ccurl_set_string(easy, CURLOPT_PROXY, "")
        _ = ccurl_set_string(easy, CURLOPT_PROTOCOLS_STR, "http,https")
        guard ccurl_set_string(easy, CURLOPT_URL, request.url) == CURLE_OK else {
            throw error(.invalidRequest, "the URL cannot be used")
        }
        try setTrust(easy)
        let context = Unmanaged.passUnretained(self).toOpaque()
        _ = ccurl_set_callback(easy, CURLOPT_HEADERFUNCTION, Self.receiveHeader)
        _ = ccurl_set_pointer(easy, CURLOPT_HEADERDATA, context)
        _ = ccurl_set_callback(easy, CURLOPT_WRITEFUNCTION, Self.receiveBody)
        _ = ccurl_set_pointer(easy, CURLOPT_WRITEDATA, context)
    }

    /// Says whom to believe; the library reads the file when it connects.
    private func setTrust(_ easy: UnsafeMutableRawPointer) throws {
        _ = ccurl_set_long(easy, CURLOPT_SSL_VERIFYPEER, 1)
        // The name in the URL is the certificate's.
        _ = ccurl_set_long(easy, CURLOPT_SSL_VERIFYHOST, 2)
        _ = ccurl_set_long(easy, CURLOPT_SSLVERSION, CURL_SSLVERSION_TLSv1_2)
        guard case .file(let path) = client.trust else { return }
        // Without that the system's folder of authorities would count beside the file.
        _ = ccurl_set_string(easy, CURLOPT_CAPATH, nil)
        guard ccurl_set_string(easy, CURLOPT_CAINFO, path) == CURLE_OK else {
            throw error(.untrusted, "the file \(path) cannot be used")
        }
    }

    /// The header fields as the library wants them; the caller frees the list.
    func headerList() -> UnsafeMutablePointer<curl_slist>? {
        var list: UnsafeMutablePointer<curl_slist>?
        for (name, value) in request.headers.fields {
            // A field without a value is written with a semicolon, because a colon would remove it.
            list = curl_slist_append(list, value.isEmpty ? "\(name);" : "\(name): \(value)")
        }
        // Fields that the library would add by itself.
        for name in ["Accept", "Content-Type", "Expect"] where request.headers[name] == nil {
            list = curl_slist_append(list, "\(name):")
        }
        return list
    }

    /// Sets method and body; the body's memory must outlive the transfer.
    func setMethod(_ easy: UnsafeMutableRawPointer, _ body: UnsafeRawBufferPointer) {
        if request.method == "HEAD" {
            _ = ccurl_set_long(easy, CURLOPT_NOBODY, 1)
            return
        }
        if !body.isEmpty || ["POST", "PUT", "PATCH"].contains(request.method) {
            _ = ccurl_set_long(easy, CURLOPT_POST, 1)
            _ = ccurl_set_offset(easy, CURLOPT_POSTFIELDSIZE_LARGE, curl_off_t(body.count))
            // Without a pointer the library would ask a callback for the body.
            if let start = body.baseAddress {
                _ = ccurl_set_pointer(easy, CURLOPT_POSTFIELDS, start)
            } else {
                _ = ccurl_set_string(easy, CURLOPT_COPYPOSTFIELDS, "")
            }
        }
        _ = ccurl_set_string(easy, CURLOPT_CUSTOMREQUEST, request.method)
    }

    func describe(
        _ result: CURLcode,
        _ detail: UnsafePointer<CChar>,
        _ easy: UnsafeMutableRawPointer
    ) -> HTTPClientError {
        let text = String(cString: detail)
        let reason = text.isEmpty ? String(cString: curl_easy_strerror(result)) : text
        let kind: HTTPClientError.Kind
        switch result {
        case CURLE_PEER_FAILED_VERIFICATION, CURLE_SSL_CACERT_BADFILE, CURLE_SSL_ISSUER_ERROR:
            return error(.untrusted, reason + "; " + trusted)
        // The TLS library's own finding has a code; without one the connection ended meanwhile.
        case CURLE_SSL_CONNECT_ERROR where reason.contains("error:"):
            return error(.untrusted, reason + "; " + trusted)
        case CURLE_SSL_CONNECT_ERROR: kind = .interrupted
        case CURLE_URL_MALFORMAT, CURLE_UNSUPPORTED_PROTOCOL: kind = .invalidRequest
        case CURLE_COULDNT_CONNECT, CURLE_COULDNT_RESOLVE_HOST: kind = .cannotConnect
        // Only connecting has a time limit inside the library.
        case CURLE_OPERATION_TIMEDOUT: kind = .cannotConnect
        case CURLE_PARTIAL_FILE, CURLE_GOT_NOTHING, CURLE_RECV_ERROR, CURLE_SEND_ERROR, CURLE_HTTP2_STREAM:
            kind = .interrupted
        default: kind = .failed
        }
        return error(kind, reason)
    }

    /// Who is trusted, in words.
    private var trusted: String {
        switch client.trust {
        case .system: "trusted are the authorities of the system"
        case .file(let path): "trusted are the authorities in \(path)"
        }
    }
}
