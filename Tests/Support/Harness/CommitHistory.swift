import POSIX

/// Which commits nodes acknowledged, and who held the lease meanwhile: what must never have happened is found in it.
///
/// A value; nothing is asked of anybody.
package struct CommitHistory: Sendable {
    /// A commit that a program was told is done.
    package struct Acknowledgment: Hashable, Sendable {
        /// The node on whose mount.
        package var node: String
        /// The number of the row; a node's later commits have higher ones.
        package var number: Int64
        /// A moment before the call.
        package var called: BootTime
        /// A moment after its return.
        package var returned: BootTime

        package init(_ node: String, _ number: Int64, called: BootTime, returned: BootTime) {
            self.node = node
            self.number = number
            self.called = called
            self.returned = returned
        }
    }

    /// A time in which one node held the lease.
    package struct Term: Equatable, Sendable {
        /// The node.
        package var node: String
        /// A moment before which it did not hold it.
        package var begin: BootTime
        /// A moment after which it held it no more.
        package var end: BootTime

        package init(_ node: String, from begin: BootTime, to end: BootTime) {
            self.node = node
            self.begin = begin
            self.end = end
        }
    }

    /// A time in which a node's processes were stopped (SIGSTOP), not ended.
    package struct Stop: Sendable {
        /// The node.
        package var node: String
        /// When it was stopped.
        package var begin: BootTime
        /// When it went on.
        package var end: BootTime

        package init(_ node: String, from begin: BootTime, to end: BootTime) {
            self.node = node
            self.begin = begin
            self.end = end
        }
    }

    /// All commits, in any order.
    package var acknowledgments: [Acknowledgment] = []
    /// All terms, in their order.
    ///
    /// Two that follow each other may overlap by the time in which nobody looked.
    package var terms: [Term] = []
    /// All stops, in any order.
    package var stops: [Stop] = []

    package init() {}

    /// What was found about the order of commits.
    package struct Order: Sendable {
        /// The commits of each term that has some, in their order.
        package var terms: [(term: Term, acknowledgments: [Acknowledgment])] = []
        /// Commits that nobody held the lease for.
        package var findings: [String] = []
    }

    /// Finds the term of each commit.
    ///
    /// There must be one for each, so that a commit of an earlier term never returned after one of a later term. A commit whose node was
    /// stopped inside the call counts as returned when the stop began: the node had the answer then, and nobody could hear it.
    package func order() -> Order {
        let terms = joinedTerms
        var order = Order(terms: terms.map { ($0, []) })
        var index = 0
        let commits = acknowledgments.map { ($0, effectiveReturn($0)) }
            .sorted { ($0.1, $0.0.number) < ($1.1, $1.0.number) }
        for (commit, returned) in commits {
            var candidate = index
            while candidate < terms.count,
                terms[candidate].node != commit.node || terms[candidate].end < returned
            {
                candidate += 1
            }
            guard candidate < terms.count, terms[candidate].begin <= returned else {
                order.findings.append(
                    "\(commit.node) acknowledged \(commit.number) at \(returned.nanoseconds), when the lease was not its own: "
                        + terms.map { "\($0.node) \($0.begin.nanoseconds)-\($0.end.nanoseconds)" }
                        .joined(separator: ", ")
                )
                continue
            }
            index = candidate
            order.terms[candidate].acknowledgments.append(commit)
        }
        order.terms.removeAll { $0.acknowledgments.isEmpty }
        return order
    }

    /// What is not in the content that the cluster ended with.
    package struct Loss: Sendable {
        /// Commits that are missing, by node.
        package var missing: [String: [Acknowledgment]] = [:]
        /// What must not be missing, or must be set aside and is not.
        package var findings: [String] = []
    }

    /// Compares what was acknowledged with what is there.
    ///
    /// A term's commits can be missing from some one on, because the next primary did not have them: never one without all behind it, and none of
    /// the last term. Those that are missing must be set aside on the node that acknowledged them.
    ///
    /// - Parameters:
    ///   - present: the numbers of the rows of each node that are there.
    ///   - setAside: how many transactions each node has set aside.
    /// - Returns: What is missing, and what is wrong about that.
    package func loss(present: [String: Set<Int64>], setAside: [String: Int]) -> Loss {
        var loss = Loss()
        let terms = order().terms
        for (index, (term, acknowledgments)) in terms.enumerated() {
            let rows = present[term.node] ?? []
            let missing = acknowledgments.filter { !rows.contains($0.number) }
            guard let first = missing.first else { continue }
            loss.missing[term.node, default: []] += missing
            if index == terms.count - 1 {
                loss.findings.append(
                    "\(term.node), the last primary, lacks \(missing.count) of its commits, first \(first.number)"
                )
            }
            if let later = acknowledgments.last(where: {
                $0.number > first.number && rows.contains($0.number)
            }) {
                loss.findings.append(
                    "\(term.node) has commit \(later.number), and not \(first.number) of before"
                )
            }
        }
        for (node, missing) in loss.missing.sorted(by: { $0.key < $1.key })
        where missing.count > setAside[node] ?? 0 {
            loss.findings.append(
                "\(missing.count) commits of \(node) are missing (\(missing[0].number) to \(missing[missing.count - 1].number)), and "
                    + "\(setAside[node] ?? 0) transactions are set aside there"
            )
        }
        return loss
    }

    /// Terms of one node after the other are one: it had all its commits in between.
    private var joinedTerms: [Term] {
        terms.reduce(into: []) { joined, term in
            guard let last = joined.indices.last, joined[last].node == term.node else {
                return joined.append(term)
            }
            joined[last].end = max(joined[last].end, term.end)
        }
    }

    private func effectiveReturn(_ commit: Acknowledgment) -> BootTime {
        stops.filter { $0.node == commit.node && commit.called <= $0.begin && $0.begin <= commit.returned }
            .map(\.begin).min() ?? commit.returned
    }
}
