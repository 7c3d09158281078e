import Testing

@testable import Config

@Suite struct KubernetesLeaseCheckTests {
    private func config(_ change: (inout Config) -> Void = { _ in }) -> Config {
        var config = Config()
        config.lease.type = "kubernetes"
        config.lease.kubernetes.name = "app"
        config.lease.advertiseURL = "http://app-1.app:20202"
        change(&config)
        return config
    }

    private func check(
        hostname: String = "app-1",
        isInCluster: Bool = true,
        _ change: (inout Config) -> Void = { _ in }
    ) -> LeaseFindings {
        KubernetesLeaseCheck.run(config(change), hostname: hostname, isInCluster: isInCluster)
    }

    @Test func soundSettingsHaveNoFindings() {
        #expect(check() == LeaseFindings())
        #expect(check { $0.lease.advertiseURL = "http://10.0.0.7:20202" } == LeaseFindings())
        #expect(
            check(isInCluster: false) { $0.lease.kubernetes.url = "https://10.0.0.1:6443" } == LeaseFindings()
        )
    }

    @Test func otherLeasesAreNotChecked() {
        #expect(check(isInCluster: false) { $0.lease.type = "static" } == LeaseFindings())
    }

    @Test func theNameIsOneThatTheAPIServerTakes() {
        for name in ["", "App", "-app", "app-", "a b", "a/b", String(repeating: "a", count: 254), "äpp"] {
            #expect(
                check { $0.lease.kubernetes.name = name }.problems.map(\.key) == ["lease.kubernetes.name"],
                "\(name)"
            )
        }
        #expect(
            check { $0.lease.kubernetes.namespace = "A" }.problems.map(\.key) == [
                "lease.kubernetes.namespace"
            ]
        )
    }

    @Test func theDurationIsInWholeSecondsAndBounded() {
        for duration in [
            GoDuration.seconds(2), .seconds(3601), .milliseconds(3500), .seconds(0), .seconds(-15),
        ] {
            #expect(
                check { $0.lease.kubernetes.duration = duration }.problems.map(\.key) == [
                    "lease.kubernetes.duration"
                ],
                "\(duration)"
            )
        }
        for duration in [GoDuration.seconds(3), .seconds(3600)] {
            #expect(check { $0.lease.kubernetes.duration = duration } == LeaseFindings(), "\(duration)")
        }
    }

    @Test func theAPIServerMustBeKnown() {
        #expect(check(isInCluster: false).problems.map(\.key) == ["lease.kubernetes.url"])
        #expect(
            check { $0.lease.kubernetes.url = "10.0.0.1" }.problems.map(\.key) == ["lease.kubernetes.url"]
        )
    }

    @Test func writesThatPassByCannotBeFenced() {
        #expect(check { $0.fuse.passthrough = "on" }.problems.map(\.key) == ["fuse.passthrough"])
        #expect(check { $0.fuse.passthrough = "off" } == LeaseFindings())
    }

    @Test func theURLIsThisNodesOwn() {
        #expect(check { $0.lease.advertiseURL = "" }.problems.map(\.key) == ["lease.advertise-url"])
        #expect(check { $0.lease.advertiseURL = "app" }.problems.map(\.key) == ["lease.advertise-url"])
        #expect(
            check { $0.lease.advertiseURL = "http://app-0.app:20202" }.warnings.map(\.key)
                == ["lease.advertise-url"]
        )
        // Nobody looks for a node that is never the primary.
        #expect(
            check {
                $0.lease.advertiseURL = "http://app-0.app:20202"
                $0.lease.candidate = false
            } == LeaseFindings()
        )
    }

    @Test func theNodeHasAName() {
        #expect(check(hostname: "").problems.map(\.key) == ["lease.hostname"])
        #expect(check(hostname: "") { $0.lease.hostname = "one" } == LeaseFindings())
    }
}
