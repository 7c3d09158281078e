import Lease
import Testing

@Suite struct StaticLeaseTests {
    private let url = "http://app-0.app:20202"

    @Test func theCandidateIsThePrimary() {
        let lease = StaticLease(candidate: true, hostname: "app-0", advertiseURL: url)
        #expect(lease.isPrimary)
        #expect(
            lease.startText
                == "Using static primary: primary=true hostname=app-0 advertise-url=http://app-0.app:20202"
        )
        #expect(
            lease.roleText(nodeID: "00000000000000AB")
                == "00000000000000AB: primary lease acquired, advertising as http://app-0.app:20202"
        )
    }

    @Test func anyOtherNodeFollowsTheNamedPrimary() {
        let lease = StaticLease(candidate: false, hostname: "app-0", advertiseURL: url)
        #expect(!lease.isPrimary)
        #expect(lease.startText.hasPrefix("Using static primary: primary=false "))
        #expect(
            lease.roleText(nodeID: "00000000000000AB")
                == #"00000000000000AB: existing primary found (app-0), connecting as replica to "http://app-0.app:20202""#
        )
    }
}
