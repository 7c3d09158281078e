import Glibc
import Harness
import LTX
import POSIX

/// What a node uses at one moment.
struct NodeSample {
    /// Resident memory in KiB.
    var residentKiB = 0
    var descriptors = 0
    var threads = 0
    var ltxFiles = 0
    var ltxBytes = 0
    /// Age of the oldest LTX file that retention may remove, in seconds: the newest one of a database stays.
    var oldestRemovable = 0.0
    /// The largest write-ahead log, in bytes.
    var walBytes = 0
    /// Files in the data directory with names that only unfinished work has.
    var temporary: [String] = []
    /// LTX files that were set aside as damaged.
    var damaged: [String] = []

    /// Looks at a node that runs.
    init(_ node: DaemonProcess) throws {
        let pid = try required(node.daemonPID, "\(node.settings.name) runs")
        for line in text(of: "/proc/\(pid)/status").split(separator: "\n") {
            let number = Int(line.filter(\.isNumber)) ?? 0
            if line.hasPrefix("VmRSS:") { residentKiB = number }
            if line.hasPrefix("Threads:") { threads = number }
        }
        descriptors = (try? Files.list("/proc/\(pid)/fd").count) ?? 0
        let folder = node.settings.dataFolder + "/dbs"
        for database in (try? Files.list(folder)) ?? [] where database.isDirectory {
            look(at: folder + "/" + database.name)
        }
    }

    private mutating func look(at folder: String) {
        walBytes = max(walBytes, Int((try? Files.status(folder + "/wal").size) ?? 0))
        let names = ((try? Files.list(folder)) ?? []).map(\.name)
        let logs = ((try? Files.list(folder + "/ltx")) ?? []).map(\.name)
        temporary += (names + logs.map { "ltx/" + $0 }).filter { $0.hasSuffix(".tmp") }
            .map { "\(folder)/\($0)" }
        damaged += logs.filter { $0.hasSuffix(".damaged") }.map { "\(folder)/ltx/\($0)" }
        let files = logs.compactMap { name in LTXFileName(name).map { (name, $0) } }
            .sorted { $0.1.minTXID < $1.1.minTXID }
        ltxFiles += files.count
        for (index, (name, _)) in files.enumerated() {
            guard let status = try? Files.status("\(folder)/ltx/\(name)") else { continue }
            ltxBytes += Int(status.size)
            let age = Double(WallClock.milliseconds) / 1000 - Double(status.modifiedNanoseconds) / 1e9
            if index < files.count - 1 { oldestRemovable = max(oldestRemovable, age) }
        }
    }

    /// The worst of two.
    func joined(_ other: NodeSample) -> NodeSample {
        var worst = self
        worst.residentKiB = max(residentKiB, other.residentKiB)
        worst.descriptors = max(descriptors, other.descriptors)
        worst.threads = max(threads, other.threads)
        worst.ltxFiles = max(ltxFiles, other.ltxFiles)
        worst.ltxBytes = max(ltxBytes, other.ltxBytes)
        worst.oldestRemovable = max(oldestRemovable, other.oldestRemovable)
        worst.walBytes = max(walBytes, other.walBytes)
        worst.temporary = temporary.count >= other.temporary.count ? temporary : other.temporary
        worst.damaged = damaged + other.damaged
        return worst
    }

    /// In one line.
    var summary: String {
        "\(residentKiB >> 10) MiB, \(descriptors) descriptors, \(threads) threads, \(ltxFiles) LTX files of \(ltxBytes >> 20) MiB, oldest \(Int(oldestRemovable)) s, WAL \(walBytes >> 20) MiB, \(temporary.count) temporary files"
    }
}

/// The locks that anybody holds on the files of a mount, as /proc/locks says.
func locks(on mount: String) throws -> [String] {
    let device = try Files.status(mount).device
    let (major, minor) = ((device >> 8) & 0xFFF, (device & 0xFF) | ((device >> 12) & 0xF_FF00))
    let wanted = hex(major) + ":" + hex(minor) + ":"
    return text(of: "/proc/locks").split(separator: "\n").map(String.init)
        .filter { line in
            line.split(separator: " ").contains { $0.hasPrefix(wanted) }
        }
}

private func hex(_ number: UInt64) -> String {
    let digits = String(number, radix: 16)
    return digits.count < 2 ? "0" + digits : digits
}
