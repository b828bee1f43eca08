//! How other threads wake a core's tasks.
//!
//! Each core has a place here for as long as it lives. The places are static, so that a waker may come at any time,
//! also when its core has ended or another one has the place: it then wakes nobody, or somebody without need.
//!
//! The protocol itself is in `place`.
//!
//! The inbox holds each task at most once, so it is bounded by the number of tasks. Errands are what spawners on other
//! threads send: each has a waiter or an owner there, and whoever sends without waiting bounds that itself.

use std::sync::Arc;

use super::place::{Place, Woken, lock};
use super::sync::{AtomicBool, Bell, Errand, Mutex};

/// Runtimes that can be alive at once in a process.
pub(crate) const CORES_MAX: usize = 1024;

static PLACES: [Place; CORES_MAX] = [const {
    Place {
        woken: Mutex::new(Woken {
            bell: None,
            tenancy: 0,
            tasks: Vec::new(),
            marks: Vec::new(),
            errands: Vec::new(),
        }),
        waiting: AtomicBool::new(false),
        asleep: AtomicBool::new(false),
    }
}; CORES_MAX];

/// Places that nobody has: those given back, and all from `fresh` on.
static FREE: Mutex<Free> = Mutex::new(Free { returned: Vec::new(), fresh: 0, tenancies: 0 });

struct Free {
    returned: Vec<u16>,
    fresh: u16,
    /// How often a place was claimed so far.
    tenancies: u64,
}

/// A core's own end of its inbox.
pub(crate) struct Inbox {
    address: Address,
}

/// One core among all that this process ever has.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(crate) struct Address {
    place: u16,
    tenancy: u64,
}

impl Inbox {
    /// Takes a place, or `None` when all are taken.
    pub(crate) fn claim() -> Option<Self> {
        let mut free = lock(&FREE);
        let place = match free.returned.pop() {
            Some(place) => place,
            None if usize::from(free.fresh) >= CORES_MAX => return None,
            None => {
                free.fresh += 1;
                free.fresh - 1
            }
        };
        free.tenancies += 1;
        Some(Self { address: Address { place, tenancy: free.tenancies } })
    }

    #[inline]
    pub(crate) fn id(&self) -> u16 {
        self.address.place
    }

    /// What errands are sent to.
    pub(crate) fn address(&self) -> Address {
        self.address
    }

    fn place(&self) -> &'static Place {
        &PLACES[usize::from(self.id())]
    }

    /// From here on wakes and errands are taken, and ring this bell when the core sleeps.
    pub(crate) fn open(&self, bell: Arc<Bell>) {
        self.place().open(bell, self.address.tenancy);
    }

    /// From here on wakes are dropped and errands refused.
    pub(crate) fn close(&self) {
        self.place().close();
    }

    /// Whether tasks were woken or errands sent from other threads.
    #[inline]
    pub(crate) fn is_waiting(&self) -> bool {
        self.place().is_waiting()
    }

    /// Hands over the tasks that were woken, and then the errands.
    #[must_use]
    pub(crate) fn take(&self, each: impl FnMut(u32)) -> Vec<Errand> {
        self.place().take(each)
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
        lock(&FREE).returned.push(self.id());
    }
}

/// Wakes a task from any thread.
pub(crate) fn wake(core: u16, index: u32) {
    PLACES[usize::from(core)].wake(index);
}

/// Sends an errand to a core from any thread. Gives it back when the core takes no errands any more.
pub(crate) fn send(to: Address, errand: Errand) -> Result<(), Errand> {
    PLACES[usize::from(to.place)].send(to.tenancy, errand)
}

/// Rings the bell of who has this place now, for a message that did not arrive. At worst a core wakes without need.
pub(crate) fn ring_again(place: u16) {
    // The number comes back from the ring, which may say anything.
    let Some(place) = PLACES.get(usize::from(place)) else { return };
    let bell = lock(&place.woken).bell.clone();
    if let Some(bell) = bell {
        bell.notify();
    }
}
