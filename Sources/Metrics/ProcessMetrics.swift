import POSIX

/// The figures of the process itself, from proc(5), under the names that Prometheus clients use.
public enum ProcessMetrics {
    /// Clock ticks of `/proc` a second: the kernel's USER_HZ, which is 100 on every architecture we build for.
    private static let ticksPerSecond = 100.0

    /// Registers `process_*`; a figure that cannot be read is left out of that reading.
    public static func register(in registry: MetricsRegistry) {
        func add(
            _ name: String,
            _ help: String,
            _ kind: MetricsRegistry.Kind = .gauge,
            _ value: @escaping @Sendable () -> Double?
        ) {
            registry.collect(name, help: help, kind: kind) { value().map { [MetricSample($0)] } ?? [] }
        }
        let cpuHelp = "Total user and system CPU time spent in seconds."
        add("process_cpu_seconds_total", cpuHelp, .counter, cpuSeconds)
        add("process_max_fds", "Maximum number of open file descriptors.", .gauge, maximumDescriptors)
        add("process_open_fds", "Number of open file descriptors.", .gauge, openDescriptors)
        add("process_resident_memory_bytes", "Resident memory size in bytes.") { memory("VmRSS") }
        add("process_virtual_memory_bytes", "Virtual memory size in bytes.") { memory("VmSize") }
        add("process_threads", "Number of threads.") { statusField("Threads") }
        let start = startTime()
        add("process_start_time_seconds", "Start time of the process since unix epoch in seconds.") { start }
    }

    private static func text(_ path: String) -> String? {
        guard let bytes = try? Files.read(path, limit: 1 << 20) else { return nil }
        return String(decoding: bytes, as: UTF8.self)
    }

    /// The fields of `/proc/self/stat` from the third (state) on; the second may contain spaces and brackets.
    private static func statFields() -> [Substring]? {
        guard let text = text("/proc/self/stat"), let end = text.lastIndex(of: ")") else { return nil }
        return text[text.index(after: end)...].split(separator: " ")
    }

    @Sendable private static func cpuSeconds() -> Double? {
        guard let fields = statFields(), fields.count > 12,
            let user = Double(fields[11]), let system = Double(fields[12])
        else { return nil }
        return (user + system) / ticksPerSecond
    }

    private static func startTime() -> Double? {
        guard let fields = statFields(), fields.count > 19, let ticks = Double(fields[19]),
            let system = text("/proc/stat"),
            let line = system.split(separator: "\n").first(where: { $0.hasPrefix("btime ") }),
            let boot = Double(line.dropFirst(6))
        else { return nil }
        return boot + ticks / ticksPerSecond
    }

    @Sendable private static func openDescriptors() -> Double? {
        // Less one: the descriptor that lists the folder.
        (try? Files.list("/proc/self/fd")).map { Double($0.count - 1) }
    }

    @Sendable private static func maximumDescriptors() -> Double? {
        guard let limits = text("/proc/self/limits"),
            let line = limits.split(separator: "\n").first(where: { $0.hasPrefix("Max open files") })
        else { return nil }
        return line.dropFirst("Max open files".count).split(separator: " ").first.flatMap { Double($0) }
    }

    /// The first number of a line of `/proc/self/status`.
    private static func statusField(_ name: String) -> Double? {
        guard let status = text("/proc/self/status"),
            let line = status.split(separator: "\n").first(where: { $0.hasPrefix(name + ":") })
        else { return nil }
        return line.dropFirst(name.count + 1)
            .split(whereSeparator: { $0 == " " || $0 == "\t" })
            .first
            .flatMap { Double($0) }
    }

    private static func memory(_ name: String) -> Double? {
        statusField(name).map { $0 * 1024 }
    }
}
