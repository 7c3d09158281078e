import JSON
import POSIX

/// A record as an object of the API server: a Lease of coordination.k8s.io/v1.
///
/// What is holder, duration, times and transitions stands in `spec`, where every tool shows it; the rest in annotations.
enum LeaseObject {
    /// What is wrong with an object, in words: the place, and what stands there.
    struct Malformed: Error, Equatable {
        let reason: String
    }

    /// The durations that are read and written, in seconds: an object that somebody else wrote must not keep a cluster without a primary for
    /// ever, nor let every candidate take the lease at once.
    static let durations: ClosedRange<Int64> = 1...3_600

    private static let hostname = "litefs.io/hostname"
    private static let advertiseURL = "litefs.io/advertise-url"
    private static let pod = "litefs.io/pod"
    private static let clusterID = "litefs.io/cluster-id"
    private static let positions = "litefs.io/positions"
    private static let takeover = "litefs.io/takeover"

    // MARK: - Reading

    /// Reads an object.
    ///
    /// What is absent or null is as in a record that nobody holds, so a Lease of another tool is one with a holder of unknown host name. A
    /// duration outside of `durations` is the nearest one in it, and a negative number of transitions none. What has the wrong type, and
    /// positions that cannot be read, are refused: to take them for none would let a node take the lease that lacks transactions.
    static func stored(_ object: JSONValue) throws(Malformed) -> StoredLease {
        guard case .object = object else { throw Malformed(reason: "it is no object") }
        if let kind = try text(object, "", "kind"), kind != "Lease" {
            throw Malformed(reason: "its kind is \(kind)")
        }
        let metadata = try members(object, "", "metadata")
        guard let version = try text(metadata, "metadata.", "resourceVersion"), !version.isEmpty else {
            throw Malformed(reason: "metadata.resourceVersion is missing")
        }
        let spec = try members(object, "", "spec")
        let notes = try members(metadata, "metadata.", "annotations")
        func note(_ name: String) throws(Malformed) -> String {
            try text(notes, "annotation ", name) ?? ""
        }

        var record = LeaseRecord()
        record.holder = try text(spec, "spec.", "holderIdentity") ?? ""
        if let seconds = try integer(spec, "spec.", "leaseDurationSeconds") {
            record.duration = .seconds(min(max(seconds, durations.lowerBound), durations.upperBound))
        }
        record.transitions = max(0, try integer(spec, "spec.", "leaseTransitions") ?? 0)
        record.acquired = try text(spec, "spec.", "acquireTime") ?? ""
        record.renewed = try text(spec, "spec.", "renewTime") ?? ""
        record.hostname = try note(hostname)
        record.advertiseURL = try note(advertiseURL)
        record.pod = try note(pod)
        record.clusterID = try note(clusterID)
        record.takeover = try note(takeover)
        guard let positions = PositionsText.positions(try note(positions)) else {
            throw Malformed(
                reason:
                    "the annotation \(Self.positions) is no list of NAME=TXID/CHECKSUM; remove it only if no transaction can be lost by that"
            )
        }
        record.positions = positions
        return StoredLease(record: record, version: version, object: object)
    }

    private static func members(
        _ object: JSONValue,
        _ place: String,
        _ name: String
    ) throws(Malformed) -> JSONValue {
        switch object[name] {
        case nil, .null: return .object([])
        case .object(let members): return .object(members)
        default: throw Malformed(reason: "\(place)\(name) is no object")
        }
    }

    private static func text(
        _ object: JSONValue,
        _ place: String,
        _ name: String
    ) throws(Malformed) -> String? {
        switch object[name] {
        case nil, .null: return nil
        case .string(let text): return text
        default: throw Malformed(reason: "\(place)\(name) is no string")
        }
    }

    private static func integer(
        _ object: JSONValue,
        _ place: String,
        _ name: String
    ) throws(Malformed) -> Int64? {
        guard let value = object[name], value != .null else { return nil }
        guard let integer = value.integer else {
            throw Malformed(reason: "\(place)\(name) is no integer")
        }
        return integer
    }

    // MARK: - Writing

    /// The object of a record: that of `stored` with only what is the record's replaced, or a new one.
    ///
    /// - Parameters:
    ///   - record: What it says.
    ///   - name: The object's name.
    ///   - namespace: Where it is.
    ///   - stored: What was read; nil for the first record.
    ///   - now: Microseconds since 1970: `renewTime`, and `acquireTime` when the holder is another one.
    /// - Returns: The object.
    static func object(
        _ record: LeaseRecord,
        name: String,
        namespace: String,
        replacing stored: StoredLease?,
        now: Int64
    ) -> JSONValue {
        let old = stored?.object ?? .object([])
        let time = WallClock.text(microseconds: now)
        let acquired = record.holder == stored?.record.holder ? record.acquired : time

        var notes = old["metadata"]?["annotations"] ?? .object([])
        for (name, text) in [
            (hostname, record.hostname), (advertiseURL, record.advertiseURL), (pod, record.pod),
            (clusterID, record.clusterID), (positions, PositionsText.text(record.positions)),
            (takeover, record.takeover),
        ] {
            notes = notes.setting(name, to: unlessEmpty(text))
        }
        var spec = old["spec"] ?? .object([])
        for (name, value) in [
            ("holderIdentity", unlessEmpty(record.holder)),
            ("leaseDurationSeconds", number(wholeSeconds(record.duration))),
            ("acquireTime", unlessEmpty(acquired)), ("renewTime", .string(time)),
            // The API's integer has 32 bits.
            ("leaseTransitions", number(min(max(0, record.transitions), Int64(Int32.max)))),
        ] {
            spec = spec.setting(name, to: value)
        }
        let metadata = (old["metadata"] ?? .object([]))
            .setting("name", to: .string(name))
            .setting("namespace", to: .string(namespace))
            .setting("resourceVersion", to: (stored?.version).map(JSONValue.string))
            .setting("annotations", to: notes)
        return old.setting("apiVersion", to: .string("coordination.k8s.io/v1"))
            .setting("kind", to: .string("Lease"))
            .setting("metadata", to: metadata)
            .setting("spec", to: spec)
    }

    /// An empty text is not written at all: the server takes no empty time, and an annotation that is there says something.
    private static func unlessEmpty(_ text: String) -> JSONValue? { text.isEmpty ? nil : .string(text) }

    private static func number(_ value: Int64) -> JSONValue { .number(String(value)) }

    /// Never shorter than the duration, and in `durations`.
    private static func wholeSeconds(_ duration: Duration) -> Int64 {
        let (seconds, rest) = duration.components
        let bounded = min(max(seconds, 0), durations.upperBound)
        return min(max(rest > 0 ? bounded + 1 : bounded, durations.lowerBound), durations.upperBound)
    }
}
