import POSIX

/// What a process holds of the system at a moment.
package struct ProcessFacts: Sendable, CustomStringConvertible {
    /// Its open descriptors.
    package let descriptors: Int
    /// Its threads.
    package let threads: Int
    /// Its memory in RAM in bytes, without pages of files.
    package let memory: Int

    /// Looks at a process.
    package init(of pid: Int32) throws {
        descriptors = try Files.list("/proc/\(pid)/fd").count
        threads = try Files.list("/proc/\(pid)/task").count
        let line = text(of: "/proc/\(pid)/status").split(separator: "\n").first { $0.hasPrefix("RssAnon:") }
        let kilobytes = line?.split(whereSeparator: { $0 == " " || $0 == "\t" }).compactMap { Int($0) }.first
        memory = try required(kilobytes, "process \(pid) says how much memory it has") << 10
    }

    package var description: String {
        "\(descriptors) descriptors, \(threads) threads, \(memory >> 20) MiB"
    }
}
