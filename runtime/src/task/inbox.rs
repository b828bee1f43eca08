//! How other threads wake a core's tasks.
//!
//! Each core has a place here for as long as it lives. The places are static, so that a waker may come at any time,
//! also when its core has ended or another one has the place: it then wakes nobody, or somebody without need.
//!
//! A core that sleeps in the kernel is woken by its bell, an eventfd. The protocol is Dekker's: a waker writes
//! `waiting` and then looks at `asleep`; the core writes `asleep` and then looks at `waiting`; a full fence between
//! the two on both sides means that at least one of them sees the other.
//!
//! The inbox holds each task at most once, so it is bounded by the number of tasks.

use std::os::fd::{AsFd, OwnedFd};
use std::sync::atomic::{AtomicBool, Ordering, fence};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

/// Runtimes that can be alive at once in a process.
pub(crate) const CORES_MAX: usize = 1024;

struct Place {
    woken: Mutex<Woken>,
    /// Set if tasks are in `woken`.
    waiting: AtomicBool,
    /// Set if the core sleeps or is about to: whoever clears it rings the bell.
    asleep: AtomicBool,
}

#[derive(Default)]
struct Woken {
    /// Gone when no core has this place.
    bell: Option<Arc<OwnedFd>>,
    tasks: Vec<u32>,
    /// A bit for each task that is in `tasks`.
    marks: Vec<u64>,
}

static PLACES: [Place; CORES_MAX] = [const {
    Place {
        woken: Mutex::new(Woken { bell: None, tasks: Vec::new(), marks: Vec::new() }),
        waiting: AtomicBool::new(false),
        asleep: AtomicBool::new(false),
    }
}; CORES_MAX];

/// Places that nobody has: those given back, and all from `fresh` on.
static FREE: Mutex<Free> = Mutex::new(Free { returned: Vec::new(), fresh: 0 });

struct Free {
    returned: Vec<u16>,
    fresh: u16,
}

/// No user code runs under these locks, so a poisoned one holds nothing half done.
fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

/// A core's own end of its inbox.
pub(crate) struct Inbox {
    id: u16,
}

impl Inbox {
    /// Takes a place, or `None` when all are taken.
    pub(crate) fn claim() -> Option<Self> {
        let mut free = lock(&FREE);
        if let Some(id) = free.returned.pop() {
            return Some(Self { id });
        }
        let id = free.fresh;
        if usize::from(id) >= CORES_MAX {
            return None;
        }
        free.fresh += 1;
        Some(Self { id })
    }

    pub(crate) fn id(&self) -> u16 {
        self.id
    }

    fn place(&self) -> &'static Place {
        &PLACES[usize::from(self.id)]
    }

    /// From here on wakes are taken, and ring this bell when the core sleeps.
    pub(crate) fn open(&self, bell: Arc<OwnedFd>) {
        lock(&self.place().woken).bell = Some(bell);
    }

    /// From here on wakes are dropped.
    pub(crate) fn close(&self) {
        let place = self.place();
        *lock(&place.woken) = Woken::default();
        place.waiting.store(false, Ordering::Relaxed);
        place.asleep.store(false, Ordering::Relaxed);
    }

    /// Whether tasks were woken from other threads.
    #[inline]
    pub(crate) fn is_waiting(&self) -> bool {
        self.place().waiting.load(Ordering::Relaxed)
    }

    /// Hands over the tasks that were woken.
    pub(crate) fn take(&self, mut each: impl FnMut(u32)) {
        let place = self.place();
        let mut woken = lock(&place.woken);
        place.waiting.store(false, Ordering::Relaxed);
        let Woken { tasks, marks, .. } = &mut *woken;
        for index in tasks.drain(..) {
            marks[index as usize / 64] &= !(1 << (index % 64));
            each(index);
        }
    }

    /// Announces that the core is about to sleep. Gives `false` when it must not: somebody was woken.
    #[must_use]
    pub(crate) fn fall_asleep(&self) -> bool {
        let place = self.place();
        place.asleep.store(true, Ordering::Relaxed);
        fence(Ordering::SeqCst);
        if place.waiting.load(Ordering::Relaxed) {
            place.asleep.store(false, Ordering::Relaxed);
            return false;
        }
        true
    }

    /// The core is awake: nobody needs to ring.
    pub(crate) fn wake_up(&self) {
        self.place().asleep.store(false, Ordering::Relaxed);
    }
}

impl Drop for Inbox {
    fn drop(&mut self) {
        self.close();
        lock(&FREE).returned.push(self.id);
    }
}

/// Wakes a task from any thread.
pub(crate) fn wake(core: u16, index: u32) {
    let place = &PLACES[usize::from(core)];
    let mut woken = lock(&place.woken);
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
    place.waiting.store(true, Ordering::Relaxed);
    fence(Ordering::SeqCst);
    // Still under the lock: when this core has ended and another one has its place, it is the other's flag, and clearing
    // that without ringing the other's bell would let it sleep through its next wake.
    let bell = if place.asleep.swap(false, Ordering::Relaxed) { woken.bell.clone() } else { None };
    drop(woken);
    if let Some(bell) = bell
        && let Err(error) = uring_sys_shim::notify(bell.as_fd())
    {
        tracing::error!(%error, "a sleeping core's bell could not be rung");
    }
}
