import Fuzz
import Glibc

// LITEFS_FUZZ_TARGET says what is fuzzed; with LITEFS_FUZZ_SEEDS its real inputs are written to that folder first.
// Without a target the names of all targets are printed.

private let target: FuzzTarget = {
    let name = environment("LITEFS_FUZZ_TARGET") ?? ""
    guard let target = FuzzTarget.all.first(where: { $0.name == name }) else {
        for target in FuzzTarget.all { print("\(target.name) \(target.maximumByteCount) \(target.summary)") }
        exit(name.isEmpty ? 0 : 2)
    }
    return target
}()

private func environment(_ name: String) -> String? { getenv(name).map { String(cString: $0) } }

/// Called once by libFuzzer, before the first input.
@c(LLVMFuzzerInitialize)
func initialize(_ count: UnsafeMutablePointer<Int32>?, _ arguments: UnsafeMutableRawPointer?) -> Int32 {
    guard let folder = environment("LITEFS_FUZZ_SEEDS") else {
        _ = target
        return 0
    }
    do {
        for (number, seed) in (try target.seeds() + target.corpus).enumerated() {
            guard let file = fopen("\(folder)/seed-\(number)", "w") else { exit(2) }
            fwrite(seed, 1, seed.count, file)
            fclose(file)
        }
    } catch {
        fatalError("no seeds: \(error)")
    }
    return 0
}

/// Called by libFuzzer with each input; a property that does not hold ends the process, as a trap does.
@c(LLVMFuzzerTestOneInput)
func check(_ bytes: UnsafePointer<UInt8>?, _ count: Int) -> Int32 {
    do {
        try target.check(UnsafeRawBufferPointer(start: bytes, count: count))
    } catch {
        fatalError("\(error)")
    }
    return 0
}
