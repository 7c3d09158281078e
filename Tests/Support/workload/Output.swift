import Glibc

/// Writes a line to standard output in one call, so that all of it is in the file when this process is killed.
func say(_ line: String) {
    let bytes = Array((line + "\n").utf8)
    _ = write(1, bytes, bytes.count)
}
