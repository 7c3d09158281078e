/// How much of what was not synced is on disk after power failed.
package enum Survival: String, CaseIterable, Sendable {
    /// Nothing.
    case nothing
    /// Everything, as if the process had only been killed.
    case everything
    /// All names and no content: files of length zero.
    case namesOnly
    /// All names and sizes and no content: zeros.
    case sizesOnly
    /// All content and no names.
    case dataOnly
    /// Names in order, and any part of the contents: a journalled file system.
    case journalled
    /// Any names and any part of the contents.
    case weak

    /// Whether truncations keep their order with what is written after them, and names with each other.
    package var isOrdered: Bool { self != .weak }
}

/// How much of one file's content survives.
enum ContentSurvival {
    case nothing
    case everything
    /// Sizes, and zeros for content.
    case sizes
    /// Each change by itself, whole, torn or not at all.
    case parts(isOrdered: Bool)
}

/// How much of the changes to names survives.
enum NameSurvival {
    case nothing
    case everything
    /// All up to some point.
    case prefix
    /// Any that do not depend on one that is gone.
    case parts
}
