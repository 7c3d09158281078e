/// Why `fuse.passthrough: on` cannot be had.
struct PassthroughError: Error, CustomStringConvertible {
    let reason: String

    var description: String {
        "fuse.passthrough is \"on\", but files cannot pass through: \(reason); set it to \"auto\" to run without"
    }
}
