//! The atomics, locks and cells of the channels, and what keeps users' panics out of them. The models under `tests/loom`
//! put others in their place.
//!
//! It owns nothing, and must not know the protocols.

use std::cell::UnsafeCell;
use std::task::Waker;

use crate::panics::contain;

pub(super) use std::sync::atomic::{AtomicUsize, Ordering};
pub(super) use std::sync::{Arc, Mutex, MutexGuard};

/// Stores a word, in the one order of all words that are published and looked at: of two threads that each publish one
/// word and then look at the other's, at least one sees what the other published.
#[inline]
pub(super) fn publish(word: &AtomicUsize, value: usize) {
    word.swap(value, Ordering::SeqCst);
}

/// Puts a word in the place of another, in the order of [`publish`]. Gives what was found otherwise, or the very same word by
/// chance.
#[inline]
pub(super) fn claim(word: &AtomicUsize, from: usize, to: usize) -> Result<usize, usize> {
    word.compare_exchange_weak(from, to, Ordering::SeqCst, Ordering::Relaxed)
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

/// As [`claim`], and what was found otherwise is never the same word.
#[inline]
pub(super) fn exchange(word: &AtomicUsize, from: usize, to: usize) -> Result<usize, usize> {
    word.compare_exchange(from, to, Ordering::SeqCst, Ordering::SeqCst)
}

/// Wakes somebody. A panic of the waker stays here: others wait to be woken, and values are on their way.
pub(super) fn wake(waker: Waker) {
    if !contain(|| waker.wake()) {
        tracing::error!("a waker panicked inside of a channel, which goes on");
    }
}

/// Drops a value that nobody will receive. A panic of that stays here: others are to be dropped after it.
pub(super) fn discard<T>(value: T) {
    if !contain(|| drop(value)) {
        tracing::error!("a value panicked when its channel dropped it");
    }
}

/// Lets some time pass: a hint to the processor takes 10 to 50 ns.
pub(super) fn pause(times: usize) {
    for _ in 0..times {
        std::hint::spin_loop();
    }
}

/// Lets others run: who holds this one up may have lost its processor.
pub(super) fn step_aside() {
    std::thread::yield_now();
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
