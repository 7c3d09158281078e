import Glibc

// A program that uses SQLite as an application does, for the end-to-end tests, which may kill it at any moment.
//
//     workload write PATH JOURNAL_MODE SEED plain|mixed COUNT [PAUSE]
//         commits; prints each acknowledged number; waits PAUSE milliseconds after each
//     workload append ...                                       the same, but never makes the database
//     workload read PATH STOP_FILE                              reads until STOP_FILE exists
//     workload hold PATH STOP_FILE                              keeps a read transaction open until STOP_FILE exists
//     workload wal2 PATH SHADOW COUNT SWITCH                    commits in wal2 mode; prints each acknowledged number
//     workload insist PATH NODE FIRST PAUSE keep|reopen         commits numbered rows until it is killed, refused or not
//     workload serve FOLDER                                     carries out statements from standard input

let words = CommandLine.arguments
do {
    switch words.dropFirst().first {
    case "write" where words.count == 7 || words.count == 8,
        "append" where words.count == 7 || words.count == 8:
        guard let seed = UInt64(words[4]), let count = Int(words[6]),
            let pause = words.count == 8 ? UInt32(words[7]) : 0
        else { exit(2) }
        var writer = try Writer(
            path: words[2],
            journalMode: words[3],
            seed: seed,
            isMixed: words[5] == "mixed",
            isMade: words[1] == "write"
        )
        try writer.run(count, pause: pause * 1000)
    case "read" where words.count == 4:
        Reader(path: words[2], stopPath: words[3]).run()
    case "hold" where words.count == 4:
        let database = try Database(words[2])
        try database.run("BEGIN")
        let before = try database.number("SELECT max(n) FROM ledger")
        say("holding \(before)")
        while access(words[3], F_OK) != 0 { usleep(5000) }
        let after = try database.number("SELECT count(*) FROM ledger")
        try database.run("COMMIT")
        say("held \(before) \(after) \(try database.number("SELECT max(n) FROM ledger"))")
    case "wal2" where words.count == 6:
        guard let count = Int(words[4]), let switchAt = UInt32(words[5]) else { exit(2) }
        try WAL2Writer(path: words[2], shadow: words[3], switchAt: switchAt).run(count)
    case "insist" where words.count == 7:
        guard let first = Int64(words[4]), let pause = UInt32(words[5]) else { exit(2) }
        let insister = Insister(
            path: words[2],
            node: words[3],
            pause: pause,
            opensAgain: words[6] == "reopen"
        )
        try insister.run(from: first)
    case "serve" where words.count == 3:
        var server = StatementServer(folder: words[2])
        server.run()
    default:
        say(
            "usage: workload write|append PATH JOURNAL_MODE SEED plain|mixed COUNT [PAUSE] | read PATH STOP | hold PATH STOP | "
                + "wal2 PATH SHADOW COUNT SWITCH | insist PATH NODE FIRST PAUSE keep|reopen | serve FOLDER"
        )
        exit(2)
    }
} catch {
    say("failed: \(error)")
    exit(1)
}
