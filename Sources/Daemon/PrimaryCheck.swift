import JSON

/// Finds the mistake that the settings of one node cannot show: two nodes that both believe to be the primary.
///
/// A primary asks its own `advertise-url` who is there. Replicas follow that URL, so whoever answers is the one that they
/// take for the primary.
struct PrimaryCheck: Equatable, Sendable {
    /// Who answered at the advertised URL.
    struct Answer: Equatable, Sendable {
        /// The header field `Litefs-Id`, 16 hex digits; nil when there is none.
        let nodeID: String?
        /// `isPrimary` of `/info`; nil when the body does not say.
        let isPrimary: Bool?

        /// Reads an answer of `/info`.
        init(nodeID: String?, body: [UInt8]) {
            self.nodeID = nodeID
            isPrimary = (try? JSONValue.parse(body, limit: 64 << 10))?["isPrimary"]?.boolean
        }
    }

    /// This node's id of this run, 16 hex digits.
    let nodeID: String
    /// The primary's URL by the settings of this node, which is the primary.
    let advertiseURL: String

    /// Where to ask.
    var infoURL: String { advertiseURL + (advertiseURL.hasSuffix("/") ? "info" : "/info") }

    /// What is wrong, and what to do about it; nil when this node itself answered.
    func problem(with answer: Answer) -> String? {
        guard let other = answer.nodeID else {
            return
                "lease.advertise-url \(advertiseURL) leads to something that is no litefs: replicas will not "
                + "find this primary (node \(nodeID)); write the URL of this node's HTTP server"
        }
        guard other.lowercased() != nodeID.lowercased() else { return nil }
        guard answer.isPrimary == true else {
            return "lease.advertise-url \(advertiseURL) of this primary (node \(nodeID)) leads to a replica "
                + "(node \(other)): replicas will not find the primary; write the URL of the primary's HTTP server on every node"
        }
        return "two primaries: this node (\(nodeID)) and the one that answers at lease.advertise-url "
            + "\(advertiseURL) (\(other)); their data part ways; set lease.candidate to false on all nodes but one, for example "
            + "candidate: ${HOSTNAME == 'app-0'}, and restart them"
    }
}
