import Harness

/// Draws from a sequence of random numbers.
package struct Chance: Sendable {
    private var random: Seed.Sequence

    package init(_ random: Seed.Sequence) { self.random = random }

    /// A number from 0 to `bound` - 1.
    package mutating func below(_ bound: Int) -> Int { Int(random.next() % UInt64(max(1, bound))) }

    /// True once in so many times.
    package mutating func once(in count: Int) -> Bool { below(count) == 0 }

    /// One of several.
    package mutating func pick<Element>(_ elements: [Element]) -> Element {
        precondition(!elements.isEmpty, "there is something to pick from")
        return elements[below(elements.count)]
    }

    /// One of several, or nil when there are none.
    package mutating func pickIfAny<Element>(_ elements: [Element]) -> Element? {
        elements.isEmpty ? nil : pick(elements)
    }
}
