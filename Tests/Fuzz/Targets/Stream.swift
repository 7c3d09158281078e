import LTX
import Replication

extension FuzzTarget {
    static let stream = FuzzTarget(
        "stream",
        summary: "frames of POST /stream: in one piece and cut, and written again",
        seeds: {
            var frames: [UInt8] = []
            let name = try DatabaseNames.some
            for frame: StreamFrame in [
                .heartbeat(milliseconds: 1), .dropDatabase(name), .handoff(leaseID: "lease"),
                .highWaterMark(TXID(7), name), .ready, .ltxBegin(name),
            ] { frame.encode(into: &frames) }
            frames += [0, 3, 1, 2, 3, 0, 0]
            StreamFrame.end.encode(into: &frames)
            let recorded = try RealFiles.recorded("stream_zero_pos.bin")
            return [frames, Array(recorded.prefix(4000))]
        },
        check: checkStream
    )
}

private func checkStream(_ bytes: UnsafeRawBufferPointer) throws {
    func read(
        _ pieces: some Sequence<UnsafeRawBufferPointer>
    ) -> (frames: [StreamFrame], content: Int, failure: String?) {
        var decoder = StreamDecoder()
        var frames: [StreamFrame] = []
        var content = 0
        do {
            for piece in pieces {
                try decoder.feed(piece) { event in
                    switch event {
                    case .frame(let frame): frames.append(frame)
                    case .ltxBytes(let part): content += part.count
                    }
                }
            }
            try decoder.finish()
            return (frames, content, nil)
        } catch {
            return (frames, content, "\(error)")
        }
    }
    let whole = read(CollectionOfOne(bytes))
    let cut = read(Pieces(bytes))
    try require(
        whole.frames == cut.frames && whole.content == cut.content && whole.failure == cut.failure,
        "in one piece \(whole), cut \(cut)"
    )
    guard whole.failure == nil, whole.content == 0 else { return }
    var again: [UInt8] = []
    for frame in whole.frames { frame.encode(into: &again) }
    // The size in an LTX frame means nothing, and is written as 0.
    if !whole.frames.contains(where: { if case .ltxBegin = $0 { true } else { false } }) {
        try require(again.elementsEqual(bytes), "the frames are other bytes when they are written again")
    }
    try again.withUnsafeBytes { again in
        try require(
            read(CollectionOfOne(again)).frames == whole.frames,
            "frames written again are other frames"
        )
    }
}
