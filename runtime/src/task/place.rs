//! The protocol of a core's inbox: waking, taking, sleeping, closing.
//!
//! It owns one place's state. It must not know of the table of places, nor of what a bell is: `sync` beside it says
//! which atomics, lock and bell there are, so that models run this very file with others.
//!
//! A core that sleeps in the kernel is woken by its bell. The protocol is Dekker's: a waker writes `waiting` and then
//! looks at `asleep`; the core writes `asleep` and then looks at `waiting`; a full fence between the two on both sides
//! means that at least one of them sees the other.

use std::sync::{Arc, PoisonError};

use super::sync::{AtomicBool, Bell, Mutex, MutexGuard, Ordering, fence, ring};

pub(super) struct Place {
    pub(super) woken: Mutex<Woken>,
    /// Set if tasks are in `woken`.
    pub(super) waiting: AtomicBool,
    /// Set if the core sleeps or is about to: whoever clears it rings the bell.
    pub(super) asleep: AtomicBool,
}

#[derive(Default)]
pub(super) struct Woken {
    /// Gone when no core has this place.
    pub(super) bell: Option<Arc<Bell>>,
    pub(super) tasks: Vec<u32>,
    /// A bit for each task that is in `tasks`.
    pub(super) marks: Vec<u64>,
}

/// No user code runs under these locks, so a poisoned one holds nothing half done.
pub(super) fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

impl Place {
    /// From here on wakes are taken, and ring this bell when the core sleeps.
    #[inline]
    pub(super) fn open(&self, bell: Arc<Bell>) {
        lock(&self.woken).bell = Some(bell);
    }

    /// From here on wakes are dropped.
    #[inline]
    pub(super) fn close(&self) {
        *lock(&self.woken) = Woken::default();
        self.waiting.store(false, Ordering::Relaxed);
        self.asleep.store(false, Ordering::Relaxed);
    }

    /// Whether tasks were woken from other threads.
    #[inline]
    pub(super) fn is_waiting(&self) -> bool {
        self.waiting.load(Ordering::Relaxed)
    }

    /// Hands over the tasks that were woken.
    #[inline]
    pub(super) fn take(&self, mut each: impl FnMut(u32)) {
        let mut woken = lock(&self.woken);
        self.waiting.store(false, Ordering::Relaxed);
        let Woken { tasks, marks, .. } = &mut *woken;
        for index in tasks.drain(..) {
            marks[index as usize / 64] &= !(1 << (index % 64));
            each(index);
        }
    }

    /// Announces that the core is about to sleep. Gives `false` when it must not: somebody was woken.
    #[must_use]
    #[inline]
    pub(super) fn fall_asleep(&self) -> bool {
        self.asleep.store(true, Ordering::Relaxed);
        fence(Ordering::SeqCst);
        if self.waiting.load(Ordering::Relaxed) {
            self.asleep.store(false, Ordering::Relaxed);
            return false;
        }
        true
    }

    /// The core is awake: nobody needs to ring.
    #[inline]
    pub(super) fn wake_up(&self) {
        self.asleep.store(false, Ordering::Relaxed);
    }

    /// Wakes a task from any thread.
    pub(super) fn wake(&self, index: u32) {
        let mut woken = lock(&self.woken);
        if woken.bell.is_none() {
            return;
        }
        let (word, bit) = (index as usize / 64, 1 << (index % 64));
        if woken.marks.len() <= word {
            woken.marks.resize(word + 1, 0);
        }
        if woken.marks[word] & bit == 0 {
            woken.marks[word] |= bit;
            woken.tasks.push(index);
        }
        self.waiting.store(true, Ordering::Relaxed);
        fence(Ordering::SeqCst);
        // Still under the lock: when this core has ended and another one has its place, it is the other's flag, and
        // clearing that without ringing the other's bell would let it sleep through its next wake.
        let bell = if self.asleep.swap(false, Ordering::Relaxed) { woken.bell.clone() } else { None };
        drop(woken);
        if let Some(bell) = bell {
            ring(&bell);
        }
    }
}
