import CShims

/// The calling thread.
public enum CurrentThread {
    /// Gives the thread a descriptor table of its own, with the standard streams and the descriptor `kept`.
    ///
    /// From then on descriptors that other threads opened are not valid here, nor are this thread's there. The table goes with
    /// the thread.
    public static func leaveDescriptorTable(keeping kept: Int32) {
        let result = cshims_leave_descriptor_table(kept)
        precondition(result == 0, "cannot leave the descriptor table: \(Errno.last)")
    }
}
