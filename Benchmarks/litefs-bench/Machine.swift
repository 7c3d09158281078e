import CSQLite
import POSIX

/// Where the numbers come from.
struct Machine {
    let processor: String
    let cores: Int
    let memoryMebibytes: Int
    let kernel: String
    let fileSystem: String
    let sqlite: String

    /// Looks at this machine, and at the file system of a folder.
    init(folder: String) {
        let lines = Self.lines(of: "/proc/cpuinfo")
        processor = Self.value(of: "model name", in: lines) ?? "unknown processor"
        cores = lines.count { $0.hasPrefix("processor") }
        let memory = Self.value(of: "MemTotal", in: Self.lines(of: "/proc/meminfo")) ?? ""
        memoryMebibytes = (Int(memory.prefix { $0.isNumber }) ?? 0) >> 10
        kernel = Self.lines(of: "/proc/sys/kernel/osrelease").first ?? "unknown"
        let mounts = (try? Mounts.list()) ?? []
        let containing = mounts.filter {
            $0.path == "/" || folder == $0.path || folder.hasPrefix($0.path + "/")
        }
        fileSystem = containing.max { $0.path.utf8.count < $1.path.utf8.count }?.fileSystemType ?? "unknown"
        sqlite = String(cString: sqlite3_libversion())
    }

    /// All of it in one line.
    var description: String {
        "\(processor), \(cores) cores, \(memoryMebibytes >> 10) GiB, Linux \(kernel), \(fileSystem), SQLite \(sqlite)"
    }

    private static func lines(of path: String) -> [String] {
        let text = (try? Files.read(path)).map { String(decoding: $0, as: UTF8.self) } ?? ""
        return text.split(separator: "\n").map(String.init)
    }

    private static func value(of key: String, in lines: [String]) -> String? {
        guard let line = lines.first(where: { $0.hasPrefix(key) }), let colon = line.firstIndex(of: ":")
        else {
            return nil
        }
        return String(line[line.index(after: colon)...].drop { $0 == " " || $0 == "\t" })
    }
}
