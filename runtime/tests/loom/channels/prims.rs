//! The atomics, locks and cells that the models use in the place of `src/sync/prims.rs`. It owns nothing.

use std::task::Waker;

use loom::cell::UnsafeCell;
use loom::sync::atomic::fence;

pub(super) use loom::sync::atomic::{AtomicUsize, Ordering};
pub(super) use loom::sync::{Arc, Mutex, MutexGuard};

// Where the runtime has one order of all words, these have no more than the fences that the protocols need. They exchange
// as the runtime does: loom would let a plain store come between the two halves of another thread's exchange.

pub(super) fn publish(word: &AtomicUsize, value: usize) {
    word.swap(value, Ordering::AcqRel);
    fence(Ordering::SeqCst);
}

pub(super) fn claim(word: &AtomicUsize, from: usize, to: usize) -> Result<usize, usize> {
    let claimed = word.compare_exchange(from, to, Ordering::Relaxed, Ordering::Relaxed);
    fence(Ordering::SeqCst);
    claimed
}

pub(super) fn look(word: &AtomicUsize) -> usize {
    word.load(Ordering::Acquire)
}

pub(super) fn retire(word: &AtomicUsize) -> usize {
    let before = word.fetch_sub(1, Ordering::AcqRel);
    fence(Ordering::SeqCst);
    before
}

pub(super) fn exchange(word: &AtomicUsize, from: usize, to: usize) -> Result<usize, usize> {
    word.compare_exchange(from, to, Ordering::AcqRel, Ordering::Acquire)
}

// Not contained: a panic within a model is the model's failure.

pub(super) fn wake(waker: Waker) {
    waker.wake();
}

pub(super) fn discard<T>(value: T) {
    drop(value);
}

pub(super) fn pause(_round: usize) {
    loom::thread::yield_now();
}

pub(super) fn step_aside() {
    loom::thread::yield_now();
}

pub(super) struct Shared<T>(UnsafeCell<T>);

impl<T> Shared<T> {
    pub(super) fn new(value: T) -> Self {
        Self(UnsafeCell::new(value))
    }

    pub(super) fn with_mut<R>(&self, act: impl FnOnce(*mut T) -> R) -> R {
        self.0.with_mut(act)
    }
}
