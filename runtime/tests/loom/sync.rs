//! The atomics, the lock and the bell that the models use in the place of `src/task/sync.rs`.
//!
//! It owns the bell. It must not know the protocol.

pub(super) use loom::sync::atomic::{AtomicBool, Ordering, fence};
pub(super) use loom::sync::{Condvar, Mutex, MutexGuard};

/// What a core is sent: something to count the holders of.
pub(super) type Errand = std::sync::Arc<u32>;

/// Counts rings, as an eventfd does. Whoever sleeps on it waits for ever when nobody rings: loom reports the deadlock.
pub(super) struct Bell {
    rings: Mutex<Rings>,
    rung: Condvar,
}

#[derive(Default)]
struct Rings {
    /// Since the last sleep.
    unheard: usize,
    all: usize,
}

impl Bell {
    pub(super) fn new() -> Self {
        Self { rings: Mutex::new(Rings::default()), rung: Condvar::new() }
    }

    pub(super) fn sleep(&self) {
        let mut rings = self.rings.lock().unwrap();
        while rings.unheard == 0 {
            rings = self.rung.wait(rings).unwrap();
        }
        rings.unheard = 0;
    }

    /// How often it was rung since it was made.
    pub(super) fn rings(&self) -> usize {
        self.rings.lock().unwrap().all
    }
}

#[allow(clippy::needless_pass_by_value, reason = "as in the runtime")]
pub(super) fn ring(bell: std::sync::Arc<Bell>) {
    let mut rings = bell.rings.lock().unwrap();
    rings.unheard += 1;
    rings.all += 1;
    bell.rung.notify_one();
}
