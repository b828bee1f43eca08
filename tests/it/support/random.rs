//! Random numbers from a seed, so that what failed can be repeated.

use std::ops::Range;
use std::time::Duration;

/// A generator (splitmix64).
#[derive(Clone, Debug)]
pub(crate) struct Random(u64);

impl Random {
    pub(crate) fn new(seed: u64) -> Self {
        Self(seed)
    }

    /// Another generator, for another thread or task.
    pub(crate) fn fork(&mut self) -> Self {
        Self(self.word())
    }

    fn word(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut word = self.0;
        word = (word ^ word >> 30).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        word = (word ^ word >> 27).wrapping_mul(0x94d0_49bb_1331_11eb);
        word ^ word >> 31
    }

    /// A number of the range.
    pub(crate) fn below(&mut self, range: Range<usize>) -> usize {
        range.start + (self.word() % (range.end - range.start) as u64) as usize
    }

    /// A duration up to `most` microseconds.
    pub(crate) fn micros(&mut self, most: u64) -> Duration {
        Duration::from_nanos(self.word() % (most * 1000 + 1))
    }

    /// True once in `times`.
    pub(crate) fn once_in(&mut self, times: u64) -> bool {
        self.word().is_multiple_of(times)
    }
}
