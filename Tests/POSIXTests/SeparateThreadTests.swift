import Glibc
import POSIX
import Testing

struct SeparateThreadTests {
    @Test
    func `A separate thread has the kept descriptor and none of the others, and what it opens is its own`()
        throws
    {
        let kept = try FileDescriptor.open("/tmp", [.directory])
        let other = try FileDescriptor.open("/dev/null", .readOnly)
        let thread = SeparateThread("separate", keeping: kept.rawValue)
        defer { thread.stop() }
        let (keptNumber, otherNumber) = (kept.rawValue, other.rawValue)
        #expect(try thread.run { () throws(Errno) in fcntl(keptNumber, F_GETFD) } >= 0)
        #expect(try thread.run { () throws(Errno) in fcntl(otherNumber, F_GETFD) } == -1)
        let opened = try thread.run { () throws(Errno) -> Int32 in
            let number = open("/dev/zero", O_RDONLY)
            _ = dup2(number, 900)
            return fcntl(900, F_GETFD)
        }
        #expect(opened >= 0)
        #expect(fcntl(900, F_GETFD) == -1, "the rest of the process does not have it")
        #expect(fcntl(otherNumber, F_GETFD) >= 0, "and has kept what it had")
    }

    @Test
    func `What the work throws is thrown to who waits for it`() throws {
        let kept = try FileDescriptor.open("/tmp", [.directory])
        let thread = SeparateThread("separate", keeping: kept.rawValue)
        defer { thread.stop() }
        #expect(throws: Errno.noSpace) { try thread.run { () throws(Errno) in throw .noSpace } }
        #expect(try thread.run { () throws(Errno) in 7 } == 7)
    }
}
