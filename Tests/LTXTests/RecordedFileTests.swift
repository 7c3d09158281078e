import LTX
import SQLiteFormat
import Testing

@Suite("Files that LiteFS recorded")
struct RecordedFileTests {
    @Test("Every file decodes, and its name is that of its header", arguments: Recording.names)
    func decodes(name: String) throws {
        for (index, bytes) in try Recording(name: name).files().enumerated() {
            let file = try LTXFile.decoded(bytes)
            let txid = TXID(UInt64(index) + 1)
            #expect(file.header.fileName == LTXFileName(minTXID: txid, maxTXID: txid))
        }
    }

    @Test("The files chain from nothing to the recorded position", arguments: Recording.names)
    func chains(name: String) throws {
        let recording = Recording(name: name)
        var position = Position.zero
        for bytes in try recording.files() {
            let file = try LTXFile.decoded(bytes)
            #expect(file.header.preApplyPosition == position)
            position = Position(txid: file.header.maxTXID, postApply: file.postApply)
        }
        #expect(try recording.position() == position)
    }

    @Test("Applied in order they give a database with each recorded checksum", arguments: Recording.names)
    func apply(name: String) throws {
        var database: [PageNumber: [UInt8]] = [:]
        var checksum = Checksum.empty
        for bytes in try Recording(name: name).files() {
            let file = try LTXFile.decoded(bytes)
            for page in file.pages {
                if let old = database[page.number] { checksum.toggle(pageChecksum(page.number, old)) }
                checksum.toggle(pageChecksum(page.number, page.data))
                database[page.number] = page.data
            }
            for (number, data) in database where number.rawValue > file.header.commit {
                checksum.toggle(pageChecksum(number, data))
                database[number] = nil
            }
            #expect(checksum == file.postApply)
            #expect(database.count == Int(file.header.commit))
        }
    }

    @Test("Applied up to the third they give the database that LiteFS exported then")
    func export() throws {
        var database: [PageNumber: [UInt8]] = [:]
        for bytes in try Recording(name: "w.db").files().prefix(3) {
            for page in try LTXFile.decoded(bytes).pages { database[page.number] = page.data }
        }
        let applied = database.sorted { $0.key < $1.key }.flatMap(\.value)
        let exported = try Recording.contents(of: "export_w.db")
        #expect(applied.elementsEqual(exported))
    }

    @Test(
        "Encoding them again gives the same header, frame descriptor and trailer",
        arguments: Recording.names
    )
    func encodesAgain(name: String) throws {
        for bytes in try Recording(name: name).files() {
            let file = try LTXFile.decoded(bytes)
            let again = try file.encoded()
            #expect(again.prefix(107) == bytes.prefix(107))
            #expect(again.suffix(16) == bytes.suffix(16))
            #expect(try LTXFile.decoded(again) == file)
        }
    }

    @Test("A file without pages is encoded to the same bytes again")
    func encodesDeletionAgain() throws {
        let files = try Recording(name: "k1.db").files()
        let deletion = try #require(files.last)
        let file = try LTXFile.decoded(deletion)
        #expect(file.header.commit == 0)
        #expect(file.pages.isEmpty)
        #expect(file.postApply == .empty)
        #expect(try file.encoded() == deletion)
    }
}
