//! What a core counts itself, and the snapshot of all figures.
//!
//! Each part counts what it does; this adds what only the loop knows, and asks the others.

use std::cell::Cell;
use std::time::Duration;

use super::Core;
use crate::stats::Stats;

#[derive(Default)]
pub(super) struct Counts {
    /// When the core was made, on the ring's clock.
    pub(super) made: u64,
    pub(super) asleep_nanos: Cell<u64>,
    pub(super) looked_nanos: Cell<u64>,
    pub(super) remote_wakes: Cell<u64>,
    pub(super) timers_fired: Cell<u64>,
}

/// Adds to a count.
pub(super) fn add(count: &Cell<u64>, more: u64) {
    count.set(count.get() + more);
}

impl Core {
    /// What this core has done so far.
    pub(crate) fn stats(&self) -> Stats {
        let mut stats = self.driver.borrow().stats;
        let forked = self.driver.borrow().forked();
        stats.in_flight = self.driver.borrow().in_flight() as u64;
        stats.age = Duration::from_nanos(self.now().saturating_sub(self.counts.made));
        stats.asleep = Duration::from_nanos(self.counts.asleep_nanos.get());
        stats.looked = Duration::from_nanos(self.counts.looked_nanos.get());
        stats.remote_wakes = self.counts.remote_wakes.get();
        stats.timers_fired = self.counts.timers_fired.get();
        stats.timers = self.timers.borrow().armed() as u64;
        stats.spawned = self.tasks.borrow().spawned;
        stats.polls = self.tasks.borrow().polls;
        stats.tasks = self.tasks.borrow().len() as u64;
        stats.descriptors = self.descriptors.get();
        (stats.stalls, stats.longest_poll) = self.stalls.borrow().figures();
        stats.buffers = self.pool().map_or(0, |pool| u64::from(pool.buffers()));
        stats.buffers_free = self.pool().map_or(0, |pool| u64::from(pool.free()));
        if !forked {
            stats.overflows = self.driver.borrow_mut().overflows();
            let usage = self.config.blocking.usage();
            (stats.blocking_threads, stats.blocking_queued) = (usage.threads as u64, usage.queued as u64);
        }
        stats
    }
}
