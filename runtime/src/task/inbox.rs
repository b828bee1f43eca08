//! How other threads wake a core's tasks.
//!
//! Each core has a place here for as long as it lives. The places are static, so that a waker may come at any time,
//! also when its core has ended or another one has the place: it then wakes nobody, or somebody without need.
//!
//! The protocol itself is in `place`.
//!
//! The inbox holds each task at most once, so it is bounded by the number of tasks.

use std::sync::Arc;

use super::place::{Place, Woken, lock};
use super::sync::{AtomicBool, Bell, Mutex};

/// Runtimes that can be alive at once in a process.
pub(crate) const CORES_MAX: usize = 1024;

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
    pub(crate) fn open(&self, bell: Arc<Bell>) {
        self.place().open(bell);
    }

    /// From here on wakes are dropped.
    pub(crate) fn close(&self) {
        self.place().close();
    }

    /// Whether tasks were woken from other threads.
    #[inline]
    pub(crate) fn is_waiting(&self) -> bool {
        self.place().is_waiting()
    }

    /// Hands over the tasks that were woken.
    pub(crate) fn take(&self, each: impl FnMut(u32)) {
        self.place().take(each);
    }

    /// Announces that the core is about to sleep. Gives `false` when it must not: somebody was woken.
    #[must_use]
    pub(crate) fn fall_asleep(&self) -> bool {
        self.place().fall_asleep()
    }

    /// The core is awake: nobody needs to ring.
    pub(crate) fn wake_up(&self) {
        self.place().wake_up();
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
    PLACES[usize::from(core)].wake(index);
}
