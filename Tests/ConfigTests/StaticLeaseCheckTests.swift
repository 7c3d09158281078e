import Testing

@testable import Config

@Suite struct StaticLeaseCheckTests {
    private func check(
        candidate: Bool,
        name: String = "app-0",
        url: String = "http://app-0:20202",
        type: String = "static",
        address: String = ":20202",
        hostname: String = "app-1",
        system: String? = nil
    ) throws -> StaticLeaseCheck.Findings {
        var lease = Config.Lease()
        lease.type = type
        lease.candidate = candidate
        lease.hostname = name
        lease.advertiseURL = url
        let listening = try ListenAddress(parsing: address)
        return StaticLeaseCheck.run(lease, listening: listening, hostname: hostname, systemHostname: system)
    }

    @Test func findsNothingInARightReplica() throws {
        #expect(try check(candidate: false) == StaticLeaseCheck.Findings())
    }

    @Test func findsNothingInARightPrimary() throws {
        #expect(try check(candidate: true, hostname: "app-0") == StaticLeaseCheck.Findings())
        #expect(try check(candidate: true, name: "", url: "") == StaticLeaseCheck.Findings())
        #expect(
            try check(candidate: true, name: "app-0.app", hostname: "app-0") == StaticLeaseCheck.Findings()
        )
        #expect(try check(candidate: true, hostname: "") == StaticLeaseCheck.Findings())
    }

    @Test func leavesOtherLeasesAlone() throws {
        #expect(try check(candidate: false, url: "", type: "consul") == StaticLeaseCheck.Findings())
    }

    @Test func wantsAURLOnAReplica() throws {
        let findings = try check(candidate: false, url: "")
        #expect(
            findings.problems.map(\.description) == [
                "a replica needs lease.advertise-url; write the primary's URL, such as http://app-0.app:20202, or set "
                    + "lease.candidate to true if this node is the primary (lease.advertise-url)"
            ]
        )
    }

    @Test(arguments: [
        ("https://p", "invalid URL scheme"), ("p:1", "invalid URL scheme"), ("http://", "URL host required"),
    ])
    func wantsAnHTTPURLOnBothSides(url: String, message: String) throws {
        for candidate in [true, false] {
            let problem = try #require(
                try check(candidate: candidate, url: url, hostname: "app-0").problems.first
            )
            #expect(problem.message.hasPrefix("cannot use lease.advertise-url: \(message)"))
            #expect(problem.key == "lease.advertise-url")
        }
    }

    @Test(arguments: [
        ("http://app-1:20202", ":20202"), ("http://APP-1.:20202", ":20202"), ("http://app-1", ":80"),
        ("http://localhost:20202", ":20202"), ("http://127.0.0.1:20202", "0.0.0.0:20202"),
        ("http://[::1]:20202", "[::]:20202"), ("http://10.0.0.2:1", "10.0.0.2:1"),
        ("http://localhost:1", "localhost:1"),
    ])
    func refusesAReplicaOfItself(url: String, address: String) throws {
        let findings = try check(candidate: false, url: url, address: address)
        let problem = try #require(findings.problems.first)
        #expect(
            problem.message
                == "this node is a replica, but lease.advertise-url \"\(url)\" is the node itself (HOSTNAME is \"app-1\", "
                + "http.addr is \(address))"
        )
        #expect(
            problem.remedy
                == "write the primary's URL, the same on all nodes, for example http://app-0.app:20202; do not use "
                + "${HOSTNAME} in it"
        )
    }

    @Test(arguments: [
        ("http://app-1:20203", ":20202"), ("http://localhost:20203", ":20202"),
        ("http://localhost:1", "10.0.0.2:1"),
        ("http://app-10:20202", ":20202"), ("http://app-1x.app:20202", ":20202"),
    ])
    func allowsAnotherServerUnderASimilarAddress(url: String, address: String) throws {
        #expect(try check(candidate: false, url: url, address: address) == StaticLeaseCheck.Findings())
    }

    @Test func warnsOfALongerFormOfTheOwnName() throws {
        let findings = try check(candidate: false, url: "http://app-1.app:20202")
        #expect(findings.problems.isEmpty)
        #expect(
            findings.warnings.map(\.message) == [
                "this node is a replica, but lease.advertise-url \"http://app-1.app:20202\" begins with its own name (HOSTNAME "
                    + "is \"app-1\")"
            ]
        )
        #expect(
            try check(candidate: false, url: "http://app-1:20202", hostname: "app-1.app").warnings.count == 1
        )
    }

    @Test func warnsOfAReplicaWithoutThePrimarysName() throws {
        #expect(
            try check(candidate: false, name: "").warnings.map(\.message)
                == ["lease.hostname is not set, so .primary on the mount will name no host"]
        )
        #expect(
            try check(candidate: false, name: "app-1").warnings.map(\.message)
                == ["this node is a replica, but lease.hostname \"app-1\" is its own name"]
        )
    }

    @Test func warnsOfASecondPrimary() throws {
        let findings = try check(candidate: true)
        #expect(findings.problems.isEmpty)
        let warning = try #require(findings.warnings.first)
        #expect(
            warning.description
                == "this node is the primary, because lease.candidate is true, but lease.hostname names \"app-0\" and "
                + "HOSTNAME is \"app-1\"; with two primaries the data of the nodes part ways; set lease.candidate to "
                + "false on every node but one, for example candidate: ${HOSTNAME == 'app-0'} (lease.candidate)"
        )
    }

    @Test func believesAPrimaryThatAdvertisesItself() throws {
        #expect(try check(candidate: true, url: "http://app-1.app:20202").warnings.isEmpty)
        #expect(try check(candidate: true, url: "http://localhost:20202").warnings.isEmpty)
    }

    @Test func warnsOfAPathInTheURL() throws {
        let warnings = try check(candidate: false, url: "http://app-0:20202/stream").warnings
        #expect(warnings.map(\.remedy) == ["write http://app-0:20202"])
        #expect(try check(candidate: false, url: "http://app-0:20202/").warnings.isEmpty)
    }

    @Test func warnsOfAHostnameThatWasOverwritten() throws {
        let warnings = try check(candidate: false, hostname: "x", system: "app-1").warnings
        #expect(warnings.map(\.message) == ["HOSTNAME is \"x\", but this machine is called \"app-1\""])
        #expect(try check(candidate: false, system: "app-1").warnings.isEmpty)
        #expect(try check(candidate: false, system: "").warnings.isEmpty)
    }
}
