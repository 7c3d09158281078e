import Harness
import Lease

extension KubernetesLease.Options {
    /// Those of a node of an account.
    init(_ account: KubernetesAccount, name: String = "app") {
        self.init(name: name)
        url = account.api.url
        tokenFile = account.tokenFile
        caFile = account.credentials + "/ca.crt"
    }
}

/// The error that a call ends with; nil when it succeeds.
func failure(_ call: () throws(LeaseError) -> Void) -> LeaseError? {
    do throws(LeaseError) {
        try call()
        return nil
    } catch {
        return error
    }
}

extension LeaseError {
    /// Whether the service refuses, with all these words.
    func isRefusal(_ words: String...) -> Bool {
        guard case .refused(let text) = self else { return false }
        return words.allSatisfy { text.contains($0) }
    }

    /// Whether the service does not answer, with all these words.
    func isUnreachable(_ words: String...) -> Bool {
        guard case .unreachable(let text) = self else { return false }
        return words.allSatisfy { text.contains($0) }
    }

    /// Whether the answer cannot be understood, with all these words.
    func isUnreadable(_ words: String...) -> Bool {
        guard case .unreadable(let text) = self else { return false }
        return words.allSatisfy { text.contains($0) }
    }
}
