/// A file or folder of a recording; unlike an inode number never used again.
package struct Node: Hashable, Sendable {
    /// Counts from 0, the root folder.
    package let number: Int

    /// The folder that everything is in.
    package static let root = Node(number: 0)

    package init(number: Int) {
        self.number = number
    }
}

/// A name in a folder.
package struct Place: Hashable, Sendable {
    /// The folder.
    package var folder: Node
    /// The name.
    package var name: String

    package init(_ folder: Node, _ name: String) {
        self.folder = folder
        self.name = name
    }
}

/// What a process did to a file system, in order.
package struct Recording: Sendable {
    /// One call.
    package struct Record: Sendable {
        /// CLOCK_MONOTONIC before the call, in nanoseconds.
        package var time: Int64
        /// The file's time of change after it, in nanoseconds since 1970; 0 where there is none.
        package var modified: Int64
        /// What was done.
        package var change: Change

        package init(time: Int64, modified: Int64 = 0, _ change: Change) {
            self.time = time
            self.modified = modified
            self.change = change
        }
    }

    /// What a call did.
    package enum Change: Sendable {
        /// A process began; what was there before is still there.
        case begin
        /// A file was made.
        case create(Node, Place)
        /// A folder was made.
        case makeFolder(Node, Place)
        /// Bytes were written.
        case write(Node, offset: Int, ArraySlice<UInt8>)
        /// A file got a size.
        case setSize(Node, Int)
        /// A file got at least a size.
        case extend(Node, Int)
        /// A name was removed.
        case remove(Place)
        /// A name became another.
        case rename(Place, Place)
        /// A file or folder was synced.
        case synchronize(Node, dataOnly: Bool)
        /// Everything was synced.
        case synchronizeAll
    }

    /// The calls.
    package var records: [Record]
    /// The inode number of each node, the root's first.
    package var inodes: [UInt64]

    package init(records: [Record], inodes: [UInt64] = []) {
        self.records = records
        self.inodes = inodes
    }

    /// The first moment at which the call with this index could have been made and was not; none for the end.
    package func time(after count: Int) -> Int64 { count < records.count ? records[count].time : .max }
}
