import POSIX
import Testing

@testable import Faults

@Suite struct FaultPlanTests {
    @Test func `A plan says for each point what happens at which hits`() throws {
        let plan = try FaultPlan(
            "ltx.rename=kill@2,database.write=ENOSPC@10-40,ltx.rename=EIO@7+,wal.sync=stop@3"
        )
        #expect(plan.rules[.ltxRename]?.map(\.action) == [.kill, .fail(.io)])
        #expect(plan.rules[.ltxRename]?.map(\.hits) == [2...2, 7...Int.max])
        #expect(plan.rules[.databaseWrite]?.map(\.action) == [.fail(.noSpace)])
        #expect(plan.rules[.databaseWrite]?.map(\.hits) == [10...40])
        #expect(plan.rules[.walSync]?.map(\.action) == [.stop])
        #expect(plan.rules.count == 3)
    }

    @Test func `A star is every point`() throws {
        let plan = try FaultPlan("*=note@1")
        #expect(Set(plan.rules.keys) == Set(FaultPoint.allCases))
    }

    @Test(arguments: [
        "", "ltx.rename", "ltx.rename=kill", "ltx.rename=@1", "ltx.rename=kil@1", "nothing=kill@1",
        "ltx.rename=kill@0", "ltx.rename=kill@", "ltx.rename=kill@-1", "ltx.rename=kill@2-1",
        "ltx.rename=kill@1-2-3", "ltx.rename=kill@1,", "ltx.rename=kill@x+",
    ])
    func `A plan that makes no sense is refused with the names of all points`(text: String) {
        let error = #expect(throws: FaultPlanError.self) { try FaultPlan(text) }
        for point in FaultPoint.allCases {
            #expect(error?.description.contains("  " + point.rawValue) == true)
        }
    }

    @Test func `Unarmed points do nothing`() throws {
        for point in FaultPoint.allCases { try point.pass() }
    }
}
