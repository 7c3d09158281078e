import SQLiteFormat

extension LTXHeader {
    /// Reads and validates the header at the beginning of `bytes`.
    ///
    /// - Throws: `LTXError.truncated` if there are fewer than 100 bytes, or what is wrong with the first bad
    ///   field.
    public init(decoding bytes: UnsafeRawBufferPointer) throws(LTXError) {
        guard bytes.count >= Self.byteCount else { throw .truncated(offset: UInt64(bytes.count)) }
        let magic = bytes.bigEndian(UInt32.self, at: 0)
        guard magic == Self.magic else { throw .badMagic(magic) }
        let flags = bytes.bigEndian(UInt32.self, at: 4)
        guard flags & ~Self.compressedFlag == 0 else { throw .unknownFlags(flags) }
        let pageBytes = bytes.bigEndian(UInt32.self, at: 8)
        guard let pageSize = PageSize(pageBytes) else { throw .badPageSize(pageBytes) }
        guard bytes[80..<Self.byteCount].allSatisfy({ $0 == 0 }) else { throw .reservedBytesInUse }

        self.init(
            isCompressed: flags & Self.compressedFlag != 0,
            pageSize: pageSize,
            commit: bytes.bigEndian(UInt32.self, at: 12),
            minTXID: TXID(bytes.bigEndian(UInt64.self, at: 16)),
            maxTXID: TXID(bytes.bigEndian(UInt64.self, at: 24)),
            timestampMilliseconds: bytes.bigEndian(Int64.self, at: 32),
            preApply: Checksum(rawValue: bytes.bigEndian(UInt64.self, at: 40)),
            walOffset: bytes.bigEndian(Int64.self, at: 48),
            walSize: bytes.bigEndian(Int64.self, at: 56),
            walSalt1: bytes.bigEndian(UInt32.self, at: 64),
            walSalt2: bytes.bigEndian(UInt32.self, at: 68),
            nodeID: bytes.bigEndian(UInt64.self, at: 72)
        )
        try validate()
    }

    /// Writes the header to the first 100 bytes of `buffer`, which must have as many.
    public func encode(into buffer: UnsafeMutableRawBufferPointer) {
        precondition(buffer.count >= Self.byteCount, "buffer shorter than an LTX header")
        buffer.setBigEndian(Self.magic, at: 0)
        buffer.setBigEndian(isCompressed ? Self.compressedFlag : 0, at: 4)
        buffer.setBigEndian(pageSize.rawValue, at: 8)
        buffer.setBigEndian(commit, at: 12)
        buffer.setBigEndian(minTXID.rawValue, at: 16)
        buffer.setBigEndian(maxTXID.rawValue, at: 24)
        buffer.setBigEndian(timestampMilliseconds, at: 32)
        buffer.setBigEndian(preApply.rawValue, at: 40)
        buffer.setBigEndian(walOffset, at: 48)
        buffer.setBigEndian(walSize, at: 56)
        buffer.setBigEndian(walSalt1, at: 64)
        buffer.setBigEndian(walSalt2, at: 68)
        buffer.setBigEndian(nodeID, at: 72)
        for offset in 80..<Self.byteCount { buffer[offset] = 0 }
    }

    /// Checks the rules between the fields.
    ///
    /// - Throws: What is wrong with the first field that breaks a rule.
    public func validate() throws(LTXError) {
        guard minTXID > .zero, maxTXID >= minTXID else {
            throw .badTXIDRange(minTXID: minTXID, maxTXID: maxTXID)
        }
        if isSnapshot {
            guard preApply == .zero else { throw .preApplyInSnapshot(preApply) }
        } else {
            guard preApply.isFlagged else { throw .preApplyWithoutFlag(preApply) }
        }
        guard walOffset >= 0, walSize >= 0, (walOffset == 0) == (walSize == 0),
            !walOffset.addingReportingOverflow(walSize).overflow
        else {
            throw .badWALRange(offset: walOffset, size: walSize)
        }
        guard walOffset > 0 || (walSalt1 == 0 && walSalt2 == 0) else {
            throw .saltWithoutWALRange(walSalt1, walSalt2)
        }
    }
}
