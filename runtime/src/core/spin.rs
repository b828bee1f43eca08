//! Whether a core that has nothing to do looks for completions for a while before it sleeps.
//!
//! To fall asleep and to be woken costs a core more than a short wait is long: 5 µs of work, and on a virtual processor 20
//! to 30 µs until it runs again. So a core looks for a while first, but only while that pays: its last waits were short,
//! and looking has not been in vain of late. A core that is idle, or that is asked something once in a millisecond,
//! sleeps at once.
//!
//! It owns the rule and no clock: who waits tells it how long that took.

/// The rule, and what it remembers.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Spin {
    /// How long to look, in nanoseconds. 0: never.
    limit_nanos: u64,
    /// Set if the last wait was short and no penalty is left.
    on: bool,
    /// So many short waits must come before it looks again.
    left: u32,
    /// What `left` begins with when looking is in vain the next time.
    penalty: u32,
}

/// A wait of so many times the limit is still short: a good part of it is the waking, which looking would have saved.
const SHORT_LIMITS: u64 = 2;
/// In the worst case one wait in so many is looked for in vain.
const PENALTY_MAX: u32 = 256;

impl Spin {
    pub(super) fn new(limit_nanos: u64) -> Self {
        Self { limit_nanos, on: false, left: 0, penalty: 1 }
    }

    /// How long to look now, if at all.
    pub(super) fn nanos(&self) -> Option<u64> {
        self.on.then_some(self.limit_nanos)
    }

    /// Looking has found something.
    pub(super) fn found(&mut self) {
        self.penalty = 1;
    }

    /// Looking was in vain.
    pub(super) fn missed(&mut self) {
        self.on = false;
        self.left = self.penalty;
        self.penalty = (self.penalty * 2).min(PENALTY_MAX);
    }

    /// The core has slept for so long.
    pub(super) fn slept(&mut self, nanos: u64) {
        if nanos >= self.limit_nanos.saturating_mul(SHORT_LIMITS) {
            self.on = false;
        } else if self.left > 0 {
            self.left -= 1;
        } else {
            self.on = true;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const LIMIT: u64 = 50_000;

    #[test]
    fn a_core_looks_after_a_short_wait_and_not_after_a_long_one() {
        let mut spin = Spin::new(LIMIT);
        assert_eq!(spin.nanos(), None, "nothing is known yet");
        spin.slept(10_000);
        assert_eq!(spin.nanos(), Some(LIMIT));
        // The break: `on` is left as it is by a long wait.
        spin.slept(1_000_000);
        assert_eq!(spin.nanos(), None);
    }

    #[test]
    fn a_limit_of_zero_never_looks() {
        let mut spin = Spin::new(0);
        spin.slept(0);
        assert_eq!(spin.nanos(), None);
    }

    #[test]
    fn looking_in_vain_becomes_rarer_until_it_finds_something() {
        let mut spin = Spin::new(LIMIT);
        let mut looks = 0;
        for _ in 0..100_000 {
            if spin.nanos().is_some() {
                looks += 1;
                spin.missed();
            }
            // Long enough to be missed, short enough to count: the worst case.
            spin.slept(LIMIT + 1);
        }
        // The break: a penalty that does not grow.
        assert!(looks < 100_000 / 256 + 20, "{looks} looks in vain");
        while spin.nanos().is_none() {
            spin.slept(0);
        }
        spin.found();
        spin.missed();
        spin.slept(0);
        spin.slept(0);
        assert!(spin.nanos().is_some(), "what was found has paid the penalty off");
    }
}
