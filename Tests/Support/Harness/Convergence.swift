import LTX
import POSIX

/// Expects that a replica comes to hold exactly what the primary holds.
///
/// Waits for the same rows through both mounts and for equal positions, compares the exported pages byte for byte with each other
/// and with the position's checksum, has SQLite check both, and rebuilds the database from the primary's LTX files.
///
/// - Parameters:
///   - database: The database's name.
///   - primary: The primary.
///   - replica: The replica.
///   - isReplayed: Whether the LTX files are applied; they must all still be there.
///   - limit: The longest time to wait for.
/// - Throws: When something does not come in time, or cannot be read.
package func expectConverged(
    _ database: String,
    _ primary: DaemonProcess,
    _ replica: DaemonProcess,
    isReplayed: Bool = true,
    within limit: Duration = .seconds(12)
) throws {
    let hash = ".sha3sum --schema"
    let rows = try primary.sqlite3(database, hash)
    var seen = ""
    try eventually("rows of \(database) on \(replica.settings.name): \(seen) is \(rows)", within: limit) {
        seen = (try? replica.sqlite3(database, hash)) ?? "none"
        return seen == rows
    }
    try waitForSamePosition(database, primary, replica, within: limit)
    var exported = try primary.export(database)
    // Reconciling may still turn a write without a journal into a transaction.
    try eventually("the primary's pages have the checksum of its position", within: limit) {
        exported = try primary.export(database)
        return try databaseChecksum(exported) == (try primary.position(database).postApply)
    }
    try waitForSamePosition(database, primary, replica, within: limit)
    let copied = try replica.export(database)
    try check(copied.count == exported.count, "exports of \(database) have the same size")
    let isEqual = copied == exported
    try check(isEqual, "exports of \(database) differ from byte \(firstDifference(copied, exported)) on")
    for node in [primary, replica] {
        try check(try node.sqlite3(database, "PRAGMA integrity_check;") == "ok", "\(node.settings.name)")
    }
    guard isReplayed else { return }
    let folder = primary.settings.dataFolder + "/dbs/\(database)/ltx"
    let position = try primary.position(database)
    try eventually("the LTX file of \(position) is stored", within: limit) {
        try Files.list(folder).contains { LTXFileName($0.name)?.maxTXID == position.txid }
    }
    let replay = try TransactionReplay(ltxFolder: folder)
    try check(replay.position == position, "the LTX files lead to the position")
    let isSame = replay.image == exported
    try check(
        isSame,
        "the LTX files make up the pages of \(database); byte \(firstDifference(replay.image, exported))"
    )
}

private func firstDifference(_ left: [UInt8], _ right: [UInt8]) -> Int {
    zip(left, right).enumerated().first { $0.element.0 != $0.element.1 }?.offset
        ?? min(left.count, right.count)
}

/// Waits until both nodes have a database at the same position.
package func waitForSamePosition(
    _ database: String,
    _ primary: DaemonProcess,
    _ replica: DaemonProcess,
    within limit: Duration = .seconds(12)
) throws {
    var shown = ""
    try eventually("equal positions of \(database): \(shown)", within: limit) {
        let wanted = try primary.position(database)
        let found = try? replica.position(database)
        shown = "\(wanted) and \(found?.description ?? "none")"
        return wanted == found
    }
}
