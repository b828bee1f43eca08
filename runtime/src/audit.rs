//! What is outstanding on a core: the ledgers of operations, tasks, timers, buffers and descriptors.

/// What is outstanding on a runtime, besides what it keeps for itself (the read of its bell).
///
/// All of it is zero when everything that was begun is over: no operation is in flight, no task is alive, no timer is
/// armed, no receive buffer is held and no socket or file is open. A test or a server that expects to have put everything
/// back compares with [`Audit::default`], or asks [`is_clear`](Audit::is_clear).
///
/// What was dropped a moment ago may still be on its way: a cancel, its completion and the close of the descriptor take a
/// turn each.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct Audit {
    /// Operations in flight.
    pub operations: u64,
    /// Operations that have completed and whose futures have not come for the result yet.
    pub results: u64,
    /// Entries that wait for the next enter: of operations, cancels and closes.
    pub queued: u64,
    /// Tasks that are alive.
    pub tasks: u64,
    /// Timers that are armed.
    pub timers: u64,
    /// Receive buffers of the pool that somebody holds: a user, or a socket for its next reader.
    pub buffers: u64,
    /// Sockets that wait for a receive buffer.
    pub starved: u64,
    /// Descriptors of sockets and files that are open on this core.
    pub descriptors: u64,
}

impl Audit {
    /// Whether nothing is outstanding.
    #[must_use]
    pub fn is_clear(&self) -> bool {
        *self == Self::default()
    }
}
