import Harness
import Lease
import POSIX
import Testing

/// An API server that nodes reach over a network of their own, and that they lose.
@Suite(.serialized, .enabled(if: NetworkNamespace.refusal == nil)) struct KubernetesNetworkTests {
    @Test func `a server that is cut off, frozen or gone is said to be unreachable within the time limit`()
        throws
    {
        let network = try TestNetwork()
        let api = try KubernetesAPI(at: TestNetwork.hubAddress, in: network.hub)
        let account = try KubernetesAccount("app", of: api)
        let port = try network.port(2)
        var options = KubernetesLease.Options(account)
        options.requestLimit = .seconds(1)
        let lease = try KubernetesLease(options)

        /// The error of a read from the port, and how long it took.
        func read() throws -> (error: LeaseError?, time: Duration) {
            try port.namespace.run {
                let start = MonotonicTime.now
                let error = failure { () throws(LeaseError) in _ = try lease.read() }
                return (error, .now - start)
            }
        }

        let stored = try port.namespace.run { try lease.create(LeaseRecord()) }
        #expect(stored.record.holder == "")
        #expect(try read().error == nil)

        try port.cut()
        let cut = try read()
        #expect(cut.error?.isUnreachable("cannot read Lease app/app", api.url) == true)
        #expect(cut.time < .seconds(4))
        try port.connect()
        try eventually("the server is reached again") { try read().error == nil }

        try api.freeze(true)
        let frozen = try read()
        #expect(frozen.error?.isUnreachable("cannot read Lease app/app", api.url) == true)
        #expect(frozen.time < .seconds(4))
        try api.freeze(false)
        try eventually("the server goes on") { try read().error == nil }

        try api.stop()
        let gone = try read()
        #expect(gone.error?.isUnreachable("cannot read Lease app/app", "Failed to connect") == true)
        #expect(gone.time < .seconds(4))
    }
}
