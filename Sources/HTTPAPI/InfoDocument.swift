import JSON
import LTX
import Replication
import Store

/// The answer to GET /info: the members that LiteFS 0.5 has, and the databases.
struct InfoDocument: Sendable {
    let source: any StreamSource
    let databases: @Sendable () -> [DatabaseFacts]
    let node: any NodeView

    /// Indented JSON with a newline at its end.
    func bytes() -> [UInt8] {
        var writer = JSONWriter(style: .pretty)
        writer.object { writer in
            if let clusterID = source.clusterID { writer.member("clusterID", clusterID.description) }
            writer.member("isPrimary", node.isPrimary)
            writer.member("candidate", node.isCandidate)
            writer.member("path", node.mountPath)
            writer.name("primary")
            writer.object { $0.member("hostname", node.primaryHostname ?? "") }
            writer.member("nodeID", NodeHeaders.text(nodeID: source.nodeID))
            writeLag(node.lag, to: &writer)
            if let problem = node.leaseProblem { writer.member("leaseProblem", problem) }
            if let error = node.connectionError { writer.member("connectionError", error) }
            writer.name("databases")
            writer.array { writer in
                for facts in databases() { write(facts, to: &writer) }
            }
        }
        writer.newline()
        return writer.bytes
    }

    private func write(_ facts: DatabaseFacts, to writer: inout JSONWriter) {
        let summary = facts.summary
        writer.object { writer in
            writer.member("name", facts.name.text)
            writer.name("position")
            writer.object { writer in
                writer.member("txid", summary.position.txid.description)
                writer.member("checksum", summary.position.postApply.description)
            }
            writer.member("pageCount", summary.pageCount)
            writer.member("pageSize", summary.pageSize)
            writer.member("journalMode", summary.journalMode)
            writer.member("timestamp", summary.timestamp)
            writer.member("walBytes", summary.walBytes)
            writer.member("isMounted", summary.isShown)
            writeLag(node.lag(of: facts.name), to: &writer)
            writer.name("faults")
            writer.array { writer in
                if let fault = summary.fault { writer.string(fault) }
            }
        }
    }

    /// The lag in milliseconds; `null` when it is not known.
    private func writeLag(_ lag: Lag, to writer: inout JSONWriter) {
        writer.name("lag")
        if lag.isKnown { writer.integer(lag.milliseconds) } else { writer.null() }
    }
}
