import POSIX

/// The program.
enum Benchmark {
    /// Runs what the arguments say and prints the table.
    ///
    /// - Returns: the exit code: 0 also when a target is not met, 1 when something could not run, 2 for wrong arguments.
    static func run(_ arguments: [String]) -> Int32 {
        let options: Options
        do {
            options = try Options(arguments)
        } catch {
            complain(error)
            return 2
        }
        var report = Report(machine: Machine(folder: options.folder), isQuick: options.isQuick)
        var code: Int32 = 0
        do {
            let cluster = try Cluster(options)
            defer { cluster.stop() }
            for scenario in Scenario.all
            where options.scenarios.isEmpty || options.scenarios.contains(scenario.name) {
                progress("\(scenario.name) ...")
                do {
                    if scenario.needsNodes, cluster.isForeign {
                        throw NotMeasurable(reason: "it needs nodes of litefs")
                    }
                    report.measurements += try scenario.run(cluster, options)
                } catch let error as NotMeasurable {
                    report.skipped.append((scenario.name, error.reason))
                } catch {
                    complain("\(scenario.name): \(error)")
                    report.skipped.append((scenario.name, "it failed: \("\(error)".prefix { $0 != "\n" })"))
                    code = 1
                }
                try cluster.remove(scenario.database)
            }
            print(report.table)
            if let path = options.jsonPath { try report.writeJSON(to: path) }
            if let path = options.plotPath {
                try Files.replace(path, with: Array(Plot(report: report).svg.utf8))
            }
        } catch {
            complain(error)
            return 1
        }
        return code
    }

    private static func progress(_ text: String) { standardError(text) }

    private static func complain(_ problem: some Sendable) { standardError("bench: \(problem)") }

    private static func standardError(_ line: String) {
        let descriptor = try? FileDescriptor.open("/dev/stderr", [.writeOnly, .append])
        Array((line + "\n").utf8).withUnsafeBytes { try? descriptor?.append($0) }
    }
}
