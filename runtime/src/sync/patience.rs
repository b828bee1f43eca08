//! How often to look again, with the other tasks run in between, before one waits to be woken.
//!
//! To wait and be woken costs both sides a lock and a turn, some 200 ns: too much for each value of a stream. So who finds
//! nothing yields a few times first, as long as that pays: yields that were in vain make the next ones rarer, and a
//! channel on which nothing happens costs none. It knows nothing of channels.

use super::prims::{AtomicUsize, Ordering};

/// Yields before one waits, at most: about a microsecond of a core that does nothing else.
const YIELDS_MAX: usize = 32;
/// One wait in so many tries again whether yielding pays.
const PROBE_PERIOD: usize = 16;
/// With so many yields.
const PROBE_YIELDS: usize = 8;

pub(super) struct Patience {
    /// Yields that are granted.
    yields: AtomicUsize,
    /// Waits since yielding stopped to pay.
    waits: AtomicUsize,
}

impl Patience {
    pub(super) fn new() -> Self {
        Self { yields: AtomicUsize::new(0), waits: AtomicUsize::new(0) }
    }

    /// Whether to yield once more, after so many times.
    pub(super) fn is_left(&self, yielded: usize) -> bool {
        yielded < self.yields.load(Ordering::Relaxed)
    }

    /// It was there after so many yields.
    #[inline]
    pub(super) fn found(&self, yielded: usize) {
        if yielded > 0 {
            self.yields.store((2 * yielded).clamp(PROBE_YIELDS, YIELDS_MAX), Ordering::Relaxed);
        }
    }

    /// Somebody waits, after so many yields in vain.
    pub(super) fn waits(&self) {
        let waits = self.waits.load(Ordering::Relaxed) + 1;
        let probe = waits.is_multiple_of(PROBE_PERIOD);
        self.waits.store(waits, Ordering::Relaxed);
        self.yields.store(if probe { PROBE_YIELDS } else { 0 }, Ordering::Relaxed);
    }
}
