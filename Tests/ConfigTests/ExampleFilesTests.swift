import POSIX
import Testing

@testable import Config

@Suite struct ExampleFilesTests {
    /// Loads a file of the folder `config` and checks it, as the node of that name.
    private func example(_ name: String, hostname: String) throws -> LoadedConfig {
        let root = #filePath.split(separator: "/").dropLast(3).joined(separator: "/")
        let loader = ConfigLoader(homeDirectory: nil) { $0 == "HOSTNAME" ? hostname : nil }
        let loaded = try loader.load(path: "/\(root)/config/\(name)")
        #expect(loaded.warnings.isEmpty)
        #expect(try ConfigValidation.check(loaded, hostname: hostname, systemHostname: hostname).isEmpty)
        return loaded
    }

    @Test func thePrimaryIsAPrimary() throws {
        let config = try example("primary.yml", hostname: "primary").config
        #expect(config.lease.candidate && config.lease.type == "static")
        #expect(config.fuse.allowOther && config.fuse.dir == "/litefs")
    }

    @Test func theReplicaFollowsThePrimary() throws {
        let replica = try example("replica.yml", hostname: "replica").config
        let primary = try example("primary.yml", hostname: "primary").config
        #expect(!replica.lease.candidate)
        #expect(replica.lease.advertiseURL == primary.lease.advertiseURL)
        #expect(replica.lease.hostname == primary.lease.hostname)
    }

    @Test func onePodOfTheStatefulSetIsThePrimary() throws {
        let first = try example("statefulset.yml", hostname: "app-0").config
        let second = try example("statefulset.yml", hostname: "app-1").config
        #expect(first.lease.candidate && !second.lease.candidate)
        #expect(first.lease.advertiseURL == second.lease.advertiseURL)
        #expect(second.lease.hostname == "app-0" && second.log.format == "json")
    }
}
