//! How often to look again, with the other tasks run in between, before one waits to be woken.
//!
//! To wait and be woken costs both sides a lock and a turn, some 200 ns: too much for each value of a stream. So who finds
//! nothing yields a few times first, as long as that pays: yields that were in vain make the next ones rarer, and a
//! channel on which nothing happens costs none. It knows nothing of channels.

use super::prims::{AtomicUsize, Ordering};

/// Yields before one waits, at most: about a microsecond of a core that does nothing else.
const YIELDS_MAX: usize = 32;
/// Hints to the processor between two looks, at most: a microsecond or so.
const PAUSES_MAX: usize = 32;
/// One wait in so many tries again whether yielding pays.
const PROBE_PERIOD: usize = 16;
/// With so many yields.
const PROBE_YIELDS: usize = 8;

pub(super) struct Patience {
    /// Yields that are granted.
    yields: AtomicUsize,
    /// Waits since yielding stopped to pay.
    waits: AtomicUsize,
    /// What was there since the last time that nothing was.
    run: AtomicUsize,
}

impl Patience {
    pub(super) fn new() -> Self {
        Self { yields: AtomicUsize::new(0), waits: AtomicUsize::new(0), run: AtomicUsize::new(0) }
    }

    /// Whether to yield once more, after so many times.
    pub(super) fn is_left(&self, yielded: usize) -> bool {
        yielded < self.yields.load(Ordering::Relaxed)
    }

    /// How long to pause before the next yield, after so many of them. The longer the run before, the longer: a stream is
    /// cheapest in batches, and who looks all the time at what another processor writes slows it down. A lone value is looked
    /// for at once.
    pub(super) fn pauses(&self, yielded: usize) -> usize {
        let run = self.run.load(Ordering::Relaxed);
        self.run.store(0, Ordering::Relaxed);
        run.max(1 << yielded.min(PAUSES_MAX.ilog2() as usize)).min(PAUSES_MAX)
    }

    /// It was there after so many yields.
    #[inline]
    pub(super) fn found(&self, yielded: usize) {
        self.run.store(self.run.load(Ordering::Relaxed) + 1, Ordering::Relaxed);
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

// Not within the models, whose crate this file is a part of, too.
#[cfg(all(test, not(loom)))]
mod tests {
    use super::*;

    fn yields(patience: &Patience) -> usize {
        (0..).take_while(|yielded| patience.is_left(*yielded)).count()
    }

    /// C18. The break: `if probe { PROBE_YIELDS } else { 0 }` becomes `PROBE_YIELDS`.
    #[test]
    fn yields_in_vain_end_at_once_and_are_tried_again_one_wait_in_sixteen() {
        let patience = Patience::new();
        assert_eq!(yields(&patience), 0);
        let probes: Vec<_> = (1..=64)
            .filter(|_| {
                patience.waits();
                yields(&patience) > 0
            })
            .collect();
        assert_eq!(probes, [16, 32, 48, 64]);
    }

    /// The break: `self.yields.store((2 * yielded)` becomes `self.yields.store(yielded`.
    #[test]
    fn yields_that_pay_grow_up_to_their_limit() {
        let patience = Patience::new();
        patience.found(0);
        assert_eq!(yields(&patience), 0, "it did not wait");
        for (yielded, granted) in [(1, PROBE_YIELDS), (10, 20), (20, YIELDS_MAX), (YIELDS_MAX, YIELDS_MAX)] {
            patience.found(yielded);
            assert_eq!(yields(&patience), granted);
        }
        patience.waits();
        assert_eq!(yields(&patience), 0);
    }
}
