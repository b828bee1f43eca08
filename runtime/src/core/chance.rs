//! Chance: the core's numbers that nobody can foresee, and that a seed repeats.
//!
//! It owns the generator of a core and, for what is polled outside of one, that of the thread. Nothing else in the runtime
//! asks for randomness, so two cores with one seed decide alike. It knows nothing of what is decided.

use std::cell::Cell;
use std::hash::{BuildHasher, Hasher, RandomState};

use super::place::with_current;

/// A generator (splitmix64): every seed is a good one, and its state is a count.
pub(crate) struct Chance(Cell<u64>);

thread_local! {
    /// For who asks outside of a core. It needs no destructor, so it can be asked at any time.
    static OUTSIDE: Chance = Chance::new(fresh_seed());
}

/// The distance of two states: the golden ratio, so that they are spread evenly whatever their number.
const STEP: u64 = 0x9e37_79b9_7f4a_7c15;

/// A seed from the kernel's randomness, which the standard library asks for once a thread.
pub(crate) fn fresh_seed() -> u64 {
    RandomState::new().build_hasher().finish()
}

/// The seed of one core of a service: cores that run the same program do not decide in step.
pub(crate) fn seed_of_core(seed: u64, index: usize) -> u64 {
    mix(seed ^ mix(index as u64))
}

/// A number below the limit: the current core's, or the thread's outside of one.
#[inline]
pub(crate) fn below(limit: u32) -> u32 {
    with_current(|core| match core {
        Some(core) => core.chance.below(limit),
        None => OUTSIDE.with(|chance| chance.below(limit)),
    })
}

impl Chance {
    pub(crate) const fn new(seed: u64) -> Self {
        Self(Cell::new(seed))
    }

    #[inline]
    fn word(&self) -> u64 {
        let state = self.0.get().wrapping_add(STEP);
        self.0.set(state);
        mix(state)
    }

    /// A number below the limit, by a multiplication in place of a division.
    #[inline]
    fn below(&self, limit: u32) -> u32 {
        (((self.word() >> 32) * u64::from(limit)) >> 32) as u32
    }
}

#[inline]
fn mix(mut word: u64) -> u64 {
    word = (word ^ word >> 30).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    word = (word ^ word >> 27).wrapping_mul(0x94d0_49bb_1331_11eb);
    word ^ word >> 31
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_number_below_the_limit_comes_as_often_as_the_others() {
        // The break: `below` multiplies with one less than the limit.
        for limit in [1, 2, 3, 7, 16, 32] {
            let chance = Chance::new(u64::from(limit));
            let mut counts = vec![0_u32; limit as usize];
            (0..1000 * limit).for_each(|_| counts[chance.below(limit) as usize] += 1);
            assert!(counts.iter().all(|count| (850..=1150).contains(count)), "{counts:?}");
        }
    }

    #[test]
    fn the_cores_of_a_service_have_different_seeds() {
        // The break: `seed_of_core` leaves the index out.
        let mut seeds: Vec<u64> =
            (0..64).flat_map(|core| [1, 2].map(|seed| seed_of_core(seed, core))).collect();
        seeds.sort_unstable();
        seeds.dedup();
        assert_eq!(seeds.len(), 128);
    }
}
