import HTTP
import HTTPAPI
import Replication
import Store

extension Node {
    /// What the node answers to.
    func api(_ store: Store, _ state: NodeState, _ streams: StreamServer, _ events: EventHub) -> HTTPAPI {
        var options = HTTPAPI.Options()
        options.maximumLag = config.proxy.maxLag.duration
        return HTTPAPI(
            store: store,
            streams: streams,
            events: events,
            node: state,
            registry: metrics,
            logger: logger,
            options: options
        )
    }
}
