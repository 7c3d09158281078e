// swift-tools-version: 6.1
import PackageDescription

// The house, from the ground up. A module may import only what stands above it in this file;
// docs/ARCHITECTURE.md says what each room is for.

let strict: [SwiftSetting] = [.swiftLanguageMode(.v6), .enableUpcomingFeature("ExistentialAny")]

/// A C library of the system, found by pkg-config.
func system(_ name: String, pkgConfig: String, debian: String) -> Target {
    .systemLibrary(name: name, path: "Sources/\(name)", pkgConfig: pkgConfig, providers: [.apt([debian])])
}

/// A room of the house.
func room(_ name: String, _ dependencies: [Target.Dependency] = []) -> Target {
    .target(name: name, dependencies: dependencies, exclude: ["README.md"], swiftSettings: strict)
}

/// The tests of a room.
func tests(
    _ name: String,
    _ dependencies: [Target.Dependency],
    resources: [Resource] = [],
    exclude: [String] = []
) -> Target {
    .testTarget(
        name: name,
        dependencies: dependencies,
        path: "Tests/\(name)",
        exclude: exclude,
        resources: resources,
        swiftSettings: strict
    )
}

let package = Package(
    name: "litefs",
    products: [
        .executable(name: "litefs", targets: ["litefs"]),
        // Loaded into a daemon under test.
        .library(name: "CWriteRecorder", type: .dynamic, targets: ["CWriteRecorder"]),
        // For Fuzzing/Package.swift only.
        .library(name: "Fuzz", targets: ["Fuzz"]),
    ],
    targets: [
        // C libraries of the system.
        system("CFuse3", pkgConfig: "fuse3", debian: "libfuse3-dev"),
        system("CSQLite", pkgConfig: "sqlite3", debian: "libsqlite3-dev"),
        system("CCurl", pkgConfig: "libcurl", debian: "libcurl4-openssl-dev"),
        system("CMicrohttpd", pkgConfig: "libmicrohttpd", debian: "libmicrohttpd-dev"),
        system("CYAML", pkgConfig: "yaml-0.1", debian: "libyaml-dev"),
        system("CLZ4", pkgConfig: "liblz4", debian: "liblz4-dev"),

        // Our own C: shims over variadic calls and kernel interfaces, and the checksum kernels.
        .target(name: "CShims"),
        .target(name: "CChecksum", cSettings: [.unsafeFlags(["-O3"])]),

        // Ground floor: the operating system, logs, numbers, configuration, wires.
        room("POSIX", ["CShims"]),
        room("Faults", ["POSIX", "CShims"]),
        room("JSON"),
        room("Logging", ["POSIX", "JSON"]),
        room("Metrics", ["POSIX"]),
        room("Config", ["CYAML", "POSIX"]),
        room("HTTP", ["CMicrohttpd", "CCurl", "POSIX"]),
        room("FUSE", ["CFuse3", "CShims", "POSIX"]),

        // Formats: pure, no descriptor, clock, lock or thread inside.
        room("SQLiteFormat", ["CChecksum", "CShims"]),
        room("LTX", ["CLZ4", "CChecksum", "SQLiteFormat"]),

        // Primary and replica.
        room("Capture", ["SQLiteFormat", "LTX"]),
        room("Apply", ["SQLiteFormat", "LTX", "POSIX", "Faults"]),
        room(
            "Store",
            ["SQLiteFormat", "LTX", "Capture", "Apply", "CSQLite", "POSIX", "Faults", "Logging", "Metrics"]
        ),
        room(
            "Mount",
            [
                "Store", "Capture", "SQLiteFormat", "LTX", "FUSE", "JSON", "POSIX", "Faults", "Logging",
                "Metrics",
            ]
        ),
        room("Replication", ["Store", "LTX", "SQLiteFormat", "HTTP", "POSIX", "Logging", "Metrics", "JSON"]),

        // The node.
        room("Lease", ["HTTP", "JSON", "LTX", "Logging", "POSIX"]),
        room(
            "HTTPAPI",
            ["HTTP", "JSON", "Store", "Replication", "LTX", "SQLiteFormat", "POSIX", "Logging", "Metrics"]
        ),
        room(
            "Daemon",
            [
                "Config", "Logging", "Metrics", "HTTP", "FUSE", "Store", "Mount", "Replication", "Lease",
                "HTTPAPI",
                "POSIX", "JSON", "LTX", "SQLiteFormat",
            ]
        ),
        // A node without a file system, by which DaemonTests watch a supervisor from outside.
        .executableTarget(
            name: "SupervisedNode",
            dependencies: ["Daemon", "Config", "Logging", "POSIX"],
            path: "Tests/SupervisedNode",
            swiftSettings: strict
        ),
        .executableTarget(
            name: "litefs",
            dependencies: ["Daemon", "Config", "HTTP", "JSON", "Logging", "POSIX", "Faults"],
            exclude: ["README.md"],
            swiftSettings: strict
        ),

        // For tests only: a SQLite VFS that reports what SQLite writes.
        .target(name: "CRecordingVFS", dependencies: ["CSQLite"], path: "Tests/Support/CRecordingVFS"),
        // For tests only: network namespaces.
        .target(name: "CNamespaces", path: "Tests/Support/CNamespaces"),

        // For tests only: records what a process writes and syncs, and what of it survives power failure.
        .target(
            name: "CWriteRecorder",
            path: "Tests/Support/CWriteRecorder",
            linkerSettings: [.linkedLibrary("dl")]
        ),
        .target(
            name: "PowerLoss",
            path: "Tests/Support/PowerLoss",
            exclude: ["README.md"],
            swiftSettings: strict
        ),

        // For tests only: SQLite's wal2 mode, of which no distribution has a program.
        .target(
            name: "WAL2",
            dependencies: ["CSQLite", "JSON", "POSIX", "SQLiteFormat"],
            path: "Tests/Support/WAL2",
            exclude: ["README.md"],
            swiftSettings: strict
        ),

        // Measures the daemon against a native folder; not shipped with it.
        .executableTarget(
            name: "litefs-bench",
            dependencies: ["CSQLite", "POSIX", "JSON", "WAL2"],
            path: "Benchmarks/litefs-bench",
            exclude: ["README.md"],
            swiftSettings: strict
        ),

        tests("POSIXTests", ["POSIX"]),
        tests("MountTests", ["Mount", "FUSE", "Store", "Logging", "Metrics", "POSIX", "Harness"]),
        tests("FaultsTests", ["Faults", "POSIX"]),
        tests("JSONTests", ["JSON"]),
        tests("LoggingTests", ["Logging", "POSIX"]),
        tests("MetricsTests", ["Metrics", "POSIX"]),
        tests("ConfigTests", ["Config", "POSIX"]),
        tests("HTTPTests", ["HTTP", "POSIX", "Harness"]),
        tests("SQLiteFormatTests", ["SQLiteFormat", "CSQLite", "POSIX", "WAL2"]),
        tests("LTXTests", ["LTX", "SQLiteFormat", "CChecksum", "CLZ4"]),
        tests(
            "ReplicationTests",
            ["Replication", "Store", "LTX", "SQLiteFormat", "HTTP", "POSIX", "Logging", "Metrics"]
        ),
        tests(
            "CaptureTests",
            ["Capture", "LTX", "SQLiteFormat", "POSIX", "CSQLite", "CRecordingVFS", "WAL2"]
        ),
        tests("ApplyTests", ["Apply", "SQLiteFormat", "CSQLite", "POSIX", "WAL2"]),
        tests(
            "StoreTests",
            ["Store", "Faults", "LTX", "SQLiteFormat", "CSQLite", "POSIX", "Logging", "Metrics"]
        ),
        tests("LeaseTests", ["Lease", "HTTP", "JSON", "LTX", "POSIX", "Harness"]),
        tests(
            "DaemonTests",
            ["Daemon", "SupervisedNode", "litefs", "Config", "FUSE", "HTTP", "Lease", "Logging", "POSIX"]
        ),
        tests(
            "HTTPAPITests",
            [
                "HTTPAPI", "HTTP", "Replication", "Store", "LTX", "SQLiteFormat", "POSIX", "Logging",
                "Metrics",
            ]
        ),
        tests("LiteFSTests", ["litefs", "JSON"]),
        tests("PowerLossTests", ["PowerLoss"]),

        .executableTarget(
            name: "workload",
            dependencies: ["CSQLite", "WAL2"],
            path: "Tests/Support/workload",
            swiftSettings: strict
        ),
        .target(
            name: "Harness",
            dependencies: [
                "CNamespaces", "CShims", "CSQLite", "POSIX", "LTX", "SQLiteFormat", "JSON", "HTTP",
            ],
            path: "Tests/Support/Harness",
            exclude: ["README.md"],
            swiftSettings: strict
        ),
        tests(
            "EndToEndTests",
            [
                "Harness", "CSQLite", "POSIX", "LTX", "SQLiteFormat", "JSON", "HTTP", "WAL2", "litefs",
                "workload",
            ],
            exclude: ["README.md"]
        ),

        // Trouble on purpose: scripts/soak for hours, SoakTests for a moment.
        .target(
            name: "Soak",
            dependencies: [
                "Harness", "PowerLoss", "CSQLite", "POSIX", "Faults", "LTX", "SQLiteFormat", "JSON", "HTTP",
            ],
            path: "Tests/Soak",
            exclude: ["README.md"],
            swiftSettings: strict
        ),
        .executableTarget(
            name: "litefs-soak",
            dependencies: ["Soak", "Harness", "POSIX"],
            path: "Tests/Support/litefs-soak",
            swiftSettings: strict
        ),
        tests("SoakTests", ["Soak", "Harness", "PowerLoss", "Faults", "POSIX", "litefs", "workload"]),

        // Hostile input: scripts/fuzz for hours, FuzzTests for a moment.
        .target(
            name: "Fuzz",
            dependencies: [
                "Capture", "Config", "HTTP", "JSON", "LTX", "POSIX", "Replication", "SQLiteFormat", "Store",
                "CChecksum",
                "CLZ4", "CSQLite",
            ],
            path: "Tests/Fuzz",
            exclude: ["README.md", "Corpus"],
            swiftSettings: strict
        ),
        tests("FuzzTests", ["Fuzz", "Harness"]),
    ]
)
