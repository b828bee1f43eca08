//! The atomics, locks and cells of the channels. The models under `tests/loom` put others in their place.
//!
//! It owns nothing, and must not know the protocols.

use std::cell::UnsafeCell;

pub(super) use std::sync::atomic::{AtomicUsize, Ordering};
pub(super) use std::sync::{Arc, Mutex, MutexGuard};

/// Stores a word, in the one order of all words that are published and looked at: of two threads that each publish one
/// word and then look at the other's, at least one sees what the other published.
#[inline]
pub(super) fn publish(word: &AtomicUsize, value: usize) {
    word.swap(value, Ordering::SeqCst);
}

/// Reads a word, in the order of [`publish`].
#[inline]
pub(super) fn look(word: &AtomicUsize) -> usize {
    word.load(Ordering::SeqCst)
}

/// Takes one from a word, in the order of [`publish`], and gives what it was before.
#[inline]
pub(super) fn retire(word: &AtomicUsize) -> usize {
    word.fetch_sub(1, Ordering::SeqCst)
}

/// Lets some time pass, the more the longer one has waited, at most half a microsecond: who looks all the time at what
/// another thread writes slows it down.
pub(super) fn pause(round: usize) {
    for _ in 0..(1 << round.min(4)) {
        std::hint::spin_loop();
    }
}

/// A place that the protocol gives to one thread at a time.
pub(super) struct Shared<T>(UnsafeCell<T>);

impl<T> Shared<T> {
    pub(super) fn new(value: T) -> Self {
        Self(UnsafeCell::new(value))
    }

    /// Where the value is: for whom it belongs to now.
    #[inline]
    pub(super) fn with_mut<R>(&self, act: impl FnOnce(*mut T) -> R) -> R {
        act(self.0.get())
    }
}
