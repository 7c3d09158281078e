import Glibc
import POSIX
import Testing

/// A folder of its own for one test, removed with it.
final class TemporaryFolder {
    let path: String

    init() throws {
        path = "/tmp/litefs-posix-\(UInt64.random(in: 0 ..< .max))"
        try Files.makeDirectory(path)
    }

    deinit {
        try? Files.removeTree(path)
    }
}

@Test func aFileKeepsWhatIsWrittenAtAnOffset() throws {
    let folder = try TemporaryFolder()
    let file = try FileDescriptor.open(folder.path + "/f", [.readWrite, .create])
    try file.write([1, 2, 3], at: 10)
    let buffer = Buffer(count: 16)
    #expect(try file.read(into: buffer.bytes, at: 8) == 5)
    #expect(Array(buffer.bytes[..<5]) == [0, 0, 1, 2, 3])
    #expect(try file.status().size == 13)
    try file.truncate(to: 11)
    #expect(try file.read(into: buffer.bytes, at: 8) == 3)
}

@Test func aMissingFileIsNamedByItsErrno() {
    #expect(throws: Errno.noEntry) { try Files.read("/nonexistent/file") }
    #expect(Errno.noEntry.description == "ENOENT: No such file or directory")
}

@Test func aFileLongerThanTheLimitIsRefused() throws {
    let folder = try TemporaryFolder()
    try Files.replace(folder.path + "/f", with: [UInt8](repeating: 7, count: 100_000))
    #expect(try Files.read(folder.path + "/f").count == 100_000)
    #expect(throws: Errno.fileTooLarge) { try Files.read(folder.path + "/f", limit: 99_999) }
    #expect(!Files.exists(folder.path + "/f.tmp"))
}

@Test func foldersAreMadeAndRemovedWithAllBelow() throws {
    let folder = try TemporaryFolder()
    try Files.makeDirectories(folder.path + "/a/b/c")
    try Files.makeDirectories(folder.path + "/a/b/c")
    try Files.replace(folder.path + "/a/b/f", with: [1])
    #expect(Set(try Files.list(folder.path + "/a/b").map(\.name)) == ["c", "f"])
    try Files.removeTree(folder.path + "/a")
    #expect(!Files.exists(folder.path + "/a"))
}

@Test func byteLocksOfTwoDescriptorsConflict() throws {
    let folder = try TemporaryFolder()
    let one = try FileDescriptor.open(folder.path + "/f", [.readWrite, .create])
    let two = try FileDescriptor.open(folder.path + "/f", .readWrite)
    try one.tryLock(.shared, start: 100, length: 10)
    try two.tryLock(.shared, start: 100, length: 10)
    #expect(try !one.couldLock(.exclusive, start: 105, length: 1))
    #expect(throws: Errno.wouldBlock) { try one.tryLock(.exclusive, start: 105, length: 1) }
    try two.unlock(start: 100, length: 10)
    #expect(try one.couldLock(.exclusive, start: 105, length: 1))
    try one.tryLock(.exclusive, start: 105, length: 1)
    #expect(try !two.couldLock(.shared, start: 105, length: 1))
}

@Test func aMappingIsSharedWithTheFile() throws {
    let folder = try TemporaryFolder()
    let file = try FileDescriptor.open(folder.path + "/f", [.readWrite, .create])
    try file.truncate(to: 4096)
    let map = try MemoryMap(file, offset: 0, count: 4096)
    map.base.storeBytes(of: 42, toByteOffset: 100, as: UInt8.self)
    let buffer = Buffer(count: 1)
    #expect(try file.read(into: buffer.bytes, at: 100) == 1)
    #expect(buffer.bytes[0] == 42)
}

@Test func aWaiterSeesTheChangeThatWokeIt() {
    let queue = Guarded<[Int]>([])
    let thread = Thread("producer") {
        for value in 1...3 {
            queue.withLock { $0.pointee.append(value) }
            queue.wakeAll()
        }
    }
    let seen = queue.withLock { state in
        while state.pointee.count < 3 { queue.wait() }
        return state.pointee
    }
    thread.join()
    #expect(seen == [1, 2, 3])
}

@Test func waitingEndsAtItsDeadline() {
    let nothing = Guarded<Int>(0)
    let start = MonotonicTime.now
    let woken = nothing.withLock { _ in nothing.wait(until: start + .milliseconds(20)) }
    #expect(!woken)
    #expect(MonotonicTime.now - start >= .milliseconds(20))
}

@Test func aSignalledCounterIsReadableUntilReset() throws {
    let counter = try EventCounter()
    #expect(poll(readable: [counter.rawValue], timeout: .zero) == [false])
    counter.signal()
    #expect(poll(readable: [counter.rawValue], timeout: .seconds(5)) == [true])
    counter.reset()
    #expect(poll(readable: [counter.rawValue], timeout: .zero) == [false])
}

@Test func aChildReportsCodeOrSignal() throws {
    #expect(
        try ChildProcess(["sh", "-c", "exit $CODE"], environment: ["CODE": "7"]).waitForExit() == .code(7)
    )
    let sleeper = try ChildProcess(["sleep", "60"])
    #expect(sleeper.exitIfEnded() == nil)
    sleeper.send(signal: 15)
    #expect(sleeper.waitForExit() == .signal(15))
    #expect(throws: Errno.noEntry) { try ChildProcess(["no-such-program-here"]) }
}

@Test func timesAreWrittenInUTC() {
    #expect(WallClock.text(milliseconds: 0) == "1970-01-01T00:00:00.000Z")
    #expect(WallClock.text(milliseconds: 1_700_000_000_123) == "2023-11-14T22:13:20.123Z")
    #expect(WallClock.text(microseconds: 1_700_000_000_000_123) == "2023-11-14T22:13:20.000123Z")
}

@Test func timesThatNoCounterHoldsAreTheLastOnesThatItHolds() throws {
    let folder = try TemporaryFolder()
    let file = try FileDescriptor.open(folder.path + "/f", [.readWrite, .create])
    // The year 2400, which 64 bits of nanoseconds do not reach.
    var times = [timespec(tv_sec: 13_569_465_600, tv_nsec: 0), timespec(tv_sec: 13_569_465_600, tv_nsec: 0)]
    #expect(futimens(file.rawValue, &times) == 0)
    #expect(try file.status().modifiedNanoseconds > 0)
    try file.setTimes(accessed: nil, modified: -1_500_000_000)
    #expect(try file.status().modifiedNanoseconds == -1_500_000_000)
    #expect(clampedNanoseconds(seconds: .max, rest: 0) == .max)
    #expect(clampedNanoseconds(seconds: .min, rest: 0) == .min)
    #expect(MonotonicTime.now + .nanoseconds(Int64.max) == MonotonicTime(nanoseconds: .max))
    #expect(Duration.seconds(Int64.max).nanoseconds == .max)
}

@Test func aFileIsKnownByItsIdentityAndNoOtherHasIt() throws {
    let folder = try TemporaryFolder()
    func made(_ name: String) throws -> UInt64 {
        try FileDescriptor.open(folder.path + "/" + name, [.readWrite, .create, .exclusive]).identity()
    }
    let first = try made("f")
    let writer = try FileDescriptor.open(folder.path + "/f", .readWrite)
    try writer.write([1, 2, 3], at: 0)
    try Files.rename(folder.path + "/f", folder.path + "/g")
    #expect(try FileDescriptor.open(folder.path + "/g", .readOnly).identity() == first)
    // The inode number of a file that is gone is given again.
    var identities: Set<UInt64> = [first]
    try Files.unlink(folder.path + "/g")
    for _ in 0..<20 {
        identities.insert(try made("f"))
        try Files.unlink(folder.path + "/f")
    }
    #expect(identities.count == 21)
}
