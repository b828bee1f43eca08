//! One that waits for many: the receiving side of a channel, or of several.
//!
//! ```text
//!           waits             a producer wakes
//!   awake ─────────▶ waits ───────────────────▶ awake
//! ```
//!
//! It owns the waker of who waits. Whoever has something for it publishes that first and then calls [`Sleeper::wake`].

use std::sync::PoisonError;
use std::task::Waker;

use super::prims::{AtomicUsize, Mutex, exchange, look, publish, wake};

const AWAKE: usize = 0;
/// A waker is to be woken by who comes next.
const WAITS: usize = 1;

pub(super) struct Sleeper {
    state: AtomicUsize,
    waker: Mutex<Option<Waker>>,
}

impl Sleeper {
    pub(super) fn new() -> Self {
        Self { state: AtomicUsize::new(AWAKE), waker: Mutex::new(None) }
    }

    /// Leaves a waker. Whoever waits looks again after this, because what it waits for may have come before.
    pub(super) fn wait(&self, waker: &Waker) {
        let mut kept = self.waker.lock().unwrap_or_else(PoisonError::into_inner);
        let stale = match &mut *kept {
            Some(known) if known.will_wake(waker) => None,
            // Cloning is a user's code, which must not find the lock taken.
            _ => {
                drop(kept);
                let waker = waker.clone();
                kept = self.waker.lock().unwrap_or_else(PoisonError::into_inner);
                kept.replace(waker)
            }
        };
        drop(kept);
        publish(&self.state, WAITS);
        drop(stale);
    }

    /// Wakes who waits, if somebody does.
    #[inline]
    pub(super) fn wake(&self) {
        if look(&self.state) != AWAKE {
            self.wake_now();
        }
    }

    #[cold]
    fn wake_now(&self) {
        // Taken after the word: a waker that is left meanwhile is woken now, or its owner looks again.
        if exchange(&self.state, WAITS, AWAKE).is_ok()
            && let Some(waker) = self.take()
        {
            wake(waker);
        }
    }

    /// Nobody waits any more: the waker goes now.
    pub(super) fn leave(&self) {
        publish(&self.state, AWAKE);
        drop(self.take());
    }

    fn take(&self) -> Option<Waker> {
        self.waker.lock().unwrap_or_else(PoisonError::into_inner).take()
    }
}
