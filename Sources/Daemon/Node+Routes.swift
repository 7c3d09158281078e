import HTTP
import Replication
import Store

extension Node {
    /// What the node answers to.
    func routes(_ store: Store, _ state: NodeState, _ streams: StreamServer) -> Router {
        var router = Router()
        router.add("POST", "/stream") { streams.handle($0) }
        return router
    }
}
