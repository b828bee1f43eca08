//! The protocol of a core's inbox: waking, taking, sleeping, closing.
//!
//! It owns one place's state. It must not know of the table of places, nor of what a bell is: `sync` beside it says
//! which atomics, lock and bell there are, so that models run this very file with others.
//!
//! A core that sleeps in the kernel is woken by its bell. The protocol is Dekker's: a waker writes `waiting` and then
//! looks at `asleep`; the core writes `asleep` and then looks at `waiting`; a full fence between the two on both sides
//! means that at least one of them sees the other.

use std::mem;
use std::sync::{Arc, PoisonError};

use super::sync::{AtomicBool, Bell, Errand, Mutex, MutexGuard, Ordering, fence, ring};

pub(super) struct Place {
    pub(super) woken: Mutex<Woken>,
    /// Set if tasks or errands are in `woken`.
    pub(super) waiting: AtomicBool,
    /// Set if the core sleeps or is about to: whoever clears it rings the bell.
    pub(super) asleep: AtomicBool,
}

#[derive(Default)]
pub(super) struct Woken {
    /// Gone when no core has this place.
    pub(super) bell: Option<Arc<Bell>>,
    /// Which of the cores that have had this place has it now: no two have the same number.
    pub(super) tenancy: u64,
    pub(super) tasks: Vec<u32>,
    /// A bit for each task that is in `tasks`.
    pub(super) marks: Vec<u64>,
    /// What the core is to do for others, oldest first.
    pub(super) errands: Vec<Errand>,
}

/// No user code runs under these locks, so a poisoned one holds nothing half done.
pub(super) fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

impl Place {
    /// From here on wakes and errands are taken, and ring this bell when the core sleeps.
    #[inline]
    pub(super) fn open(&self, bell: Arc<Bell>, tenancy: u64) {
        let mut woken = lock(&self.woken);
        woken.bell = Some(bell);
        woken.tenancy = tenancy;
    }

    /// From here on wakes are dropped and errands refused.
    #[inline]
    pub(super) fn close(&self) {
        // Dropped at the end, with the lock released: errands are code of users.
        let _closed = mem::take(&mut *lock(&self.woken));
        self.waiting.store(false, Ordering::Relaxed);
        self.asleep.store(false, Ordering::Relaxed);
    }

    /// Whether tasks were woken or errands sent from other threads.
    #[inline]
    pub(super) fn is_waiting(&self) -> bool {
        self.waiting.load(Ordering::Relaxed)
    }

    /// Hands over the tasks that were woken, and then the errands.
    #[inline]
    pub(super) fn take(&self, mut each: impl FnMut(u32)) -> Vec<Errand> {
        let mut woken = lock(&self.woken);
        self.waiting.store(false, Ordering::Relaxed);
        let Woken { tasks, marks, errands, .. } = &mut *woken;
        for index in tasks.drain(..) {
            marks[index as usize / 64] &= !(1 << (index % 64));
            each(index);
        }
        mem::take(errands)
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
        self.announce(woken);
    }

    /// Sends an errand from any thread to the core that has this place as that tenant.
    ///
    /// Gives it back when that core takes no errands any more.
    pub(super) fn send(&self, tenancy: u64, errand: Errand) -> Result<(), Errand> {
        let mut woken = lock(&self.woken);
        if woken.bell.is_none() || woken.tenancy != tenancy {
            return Err(errand);
        }
        woken.errands.push(errand);
        self.announce(woken);
        Ok(())
    }

    /// Tells the core that something is there for it.
    fn announce(&self, woken: MutexGuard<'_, Woken>) {
        self.waiting.store(true, Ordering::Relaxed);
        fence(Ordering::SeqCst);
        // Still under the lock: when this core has ended and another one has its place, it is the other's flag, and
        // clearing that without ringing the other's bell would let it sleep through its next wake.
        let bell = if self.asleep.swap(false, Ordering::Relaxed) { woken.bell.clone() } else { None };
        drop(woken);
        if let Some(bell) = bell {
            ring(bell);
        }
    }
}
