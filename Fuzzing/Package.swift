// swift-tools-version: 6.1
import PackageDescription

// libFuzzer's entry point, in a package of its own: all of it is built with --sanitize=fuzzer, which the daemon is not.
// What is fuzzed is the library Fuzz of the package above.

let package = Package(
    name: "litefs-fuzz",
    dependencies: [.package(name: "litefs", path: "..")],
    targets: [
        .executableTarget(
            name: "litefs-fuzz",
            dependencies: [.product(name: "Fuzz", package: "litefs")],
            swiftSettings: [.swiftLanguageMode(.v6), .unsafeFlags(["-parse-as-library"])]
        )
    ]
)
