//! What a core has done, in numbers.

use std::time::Duration;

/// Counts of one core since it was made, and what it holds now.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct Stats {
    /// Calls of `io_uring_enter(2)`.
    pub enters: u64,
    /// How often the core looked for completions for a while before it would have slept.
    pub spins: u64,
    /// How often something came meanwhile: a completion, a timer or a wake from another thread.
    pub spins_found: u64,
    /// Entries submitted, cancels and closes included.
    pub submissions: u64,
    /// Entries that found the submission queue full and waited for the next enter.
    pub backlogged: u64,
    /// Completions reaped.
    pub completions: u64,
    /// Completions for no operation that is known: must stay 0 on a sound kernel.
    pub unknown: u64,
    /// Cancels submitted.
    pub cancels: u64,
    /// Messages to other cores that slept, each sent with an enter that was due anyway.
    pub messages: u64,
    /// Operations whose future was dropped before it took the result.
    pub orphaned: u64,
    /// How often a socket found no buffer in the pool.
    pub starved: u64,
    /// Operations that were leaked at the end, because they did not complete within the drain timeout.
    pub leaked: u64,
    /// Polls of tasks, the main future included.
    pub polls: u64,
    /// Polls that took longer than [`Builder::stall_limit`](crate::Builder::stall_limit).
    pub stalls: u64,
    /// The longest poll, if there is a stall limit; else zero, for nobody looks.
    pub longest_poll: Duration,
    /// Operations that are in flight now, the core's own bell included.
    pub in_flight: u64,
    /// Tasks that are alive now.
    pub tasks: u64,
    /// Threads of the pool for calls that block, which runtimes may share.
    pub blocking_threads: u64,
    /// Calls that wait for one of these threads.
    pub blocking_queued: u64,
    /// Receive buffers of the pool.
    pub buffers: u64,
    /// Receive buffers that the kernel can take now.
    pub buffers_free: u64,
}
