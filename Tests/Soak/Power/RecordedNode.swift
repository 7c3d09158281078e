import Harness
import POSIX
import PowerLoss

extension NodeSettings {
    /// The root of a file system that only this node uses.
    package var diskFolder: String { folder + "/disk" }

    /// Puts the data directory on a file system of its own; `DaemonProcess.makeDisk` mounts it.
    package mutating func useOwnDisk() { dataFolder = diskFolder + "/data" }

    /// Puts the data directory on a file system of its own and has all writes and syncs there recorded.
    package mutating func record() {
        useOwnDisk()
        // What passes the daemon by is not recorded.
        passthrough = "off"
        environment = [
            "LITEFS_RECORD_ROOT": diskFolder,
            "LITEFS_RECORD_LOG": folder + "/recording",
            "LD_PRELOAD": (try? Binary.path("libCWriteRecorder.so")) ?? "the recorder was not built",
        ]
    }
}

extension DaemonProcess {
    /// Mounts the file system that the settings say; whoever calls removes it.
    package func makeDisk() throws -> SmallDisk { try SmallDisk(settings.diskFolder, megabytes: 1024) }

    /// What was recorded so far.
    ///
    /// Waits until it tells all of what is on the node's disk: else nothing that follows from it is worth anything.
    package func recording() throws -> Recording {
        var recording = Recording(records: [])
        var difference: String?
        try eventually("the recording tells what is on disk: \(difference ?? "")") {
            do {
                recording = try Recording(
                    reading: try Files.read(settings.folder + "/recording", limit: 1 << 30)
                )
                difference = try self.difference(from: recording)
            } catch let error as Errno where error == .noEntry {
                difference = "files go"
            }
            return difference == nil
        }
        return recording
    }

    private func difference(from recording: Recording) throws -> String? {
        var random = SystemRandomNumberGenerator()
        let told = recording.disk().state(.everything, &random).files
        for (path, file) in told {
            let found = try Files.read(settings.diskFolder + "/" + path, limit: 1 << 30)
            if found != file.content.bytes { return "content of \(path)" }
        }
        let found = try Self.files(settings.diskFolder).count
        return found == told.count ? nil : "\(found) files, \(told.count) are told of"
    }

    private static func files(_ folder: String) throws -> [DirectoryEntry] {
        try Files.list(folder)
            .flatMap { entry in
                entry.isDirectory ? try files(folder + "/" + entry.name) : [entry]
            }
    }
}

extension Recording {
    /// The disk after the first calls, or after all of them.
    package func disk(after count: Int = .max) -> Disk {
        var disk = Disk()
        for record in records.prefix(count) { disk.carryOut(record) }
        return disk
    }
}
