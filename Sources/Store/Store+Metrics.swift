import Metrics

extension Store {
    /// Publishes what can be read from each database that is shown on the mount.
    func publishMetrics(_ registry: MetricsRegistry) {
        func family(_ name: String, _ help: String, _ value: @escaping @Sendable (Database) -> Double) {
            registry.collect("litefs_db_" + name, help: help, kind: .gauge) { [weak self] in
                (self?.databases ?? []).filter(\.isShownOnMount)
                    .map { database in
                        MetricSample(value(database), labels: ["db": database.name.text])
                    }
            }
        }
        family("txid", "Last transaction.") { Double($0.summary.position.txid.rawValue) }
        family("ltx_count", "LTX files on disk.") { Double($0.log.usage.files) }
        family("ltx_bytes", "Bytes of the LTX files on disk.") { Double($0.log.usage.bytes) }
    }
}
