//! Those that wait for room, in the order of their coming.
//!
//! ```text
//!            no room                 a value leaves                there is room
//!   (new) ──────────▶ waits ─────────────────────────▶ granted ──────────────────▶ (gone)
//!                       ▲                                 │  no room after all
//!                       └─────────────────────────────────┘  at its old place
//! ```
//!
//! While anybody is in the line, granted ones included, newcomers go to its end. One that leaves with a grant hands it to
//! the next. It knows nothing of values.

use std::collections::BTreeMap;
use std::sync::PoisonError;
use std::task::Waker;

use super::prims::{AtomicUsize, Mutex, MutexGuard, look, publish, wake};

#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Ticket(u64);

pub(super) struct Line {
    /// How many are in the line, granted ones included.
    length: AtomicUsize,
    waits: Mutex<Waits>,
}

#[derive(Default)]
struct Waits {
    wakers: BTreeMap<Ticket, Waker>,
    granted: usize,
    next: u64,
    /// Set if nobody waits any more, because there will be no room.
    closed: bool,
}

/// Where somebody stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Stand {
    Waits,
    Granted,
    Closed,
}

impl Line {
    pub(super) fn new() -> Self {
        Self { length: AtomicUsize::new(0), waits: Mutex::new(Waits::default()) }
    }

    fn lock(&self) -> MutexGuard<'_, Waits> {
        self.waits.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Says how long the line is now.
    fn measure(&self, waits: &Waits) {
        publish(&self.length, waits.wakers.len() + waits.granted);
    }

    #[inline]
    pub(super) fn is_empty(&self) -> bool {
        look(&self.length) == 0
    }

    /// Goes to the end of the line. Who is alone there looks for room again: it may have come before.
    pub(super) fn join(&self, waker: Waker) -> (Ticket, bool) {
        let mut waits = self.lock();
        let ticket = Ticket(waits.next);
        waits.next += 1;
        waits.wakers.insert(ticket, waker);
        self.measure(&waits);
        (ticket, waits.wakers.len() + waits.granted == 1)
    }

    /// Where the holder of a ticket stands, who waits with this waker from now on.
    pub(super) fn stand(&self, ticket: Ticket, waker: &Waker) -> Stand {
        // Cloned and dropped with the lock released: both are code of users.
        let waker = waker.clone();
        let mut waits = self.lock();
        if waits.closed {
            return Stand::Closed;
        }
        let Some(known) = waits.wakers.get_mut(&ticket) else { return Stand::Granted };
        let stale = std::mem::replace(known, waker);
        drop(waits);
        drop(stale);
        Stand::Waits
    }

    /// A granted one has found no room, and waits again before all others. It looks for room again after this.
    pub(super) fn again(&self, ticket: Ticket, waker: Waker) {
        let mut waits = self.lock();
        if waits.closed {
            return;
        }
        waits.granted -= 1;
        waits.wakers.insert(ticket, waker);
        self.measure(&waits);
    }

    /// The holder of a ticket leaves. The next one is let go if this one leaves a grant that it has not used, or if
    /// there is room although nobody was let go for it: it came before anybody stood in the line.
    pub(super) fn leave(&self, ticket: Ticket, used: Used, has_room: impl FnOnce() -> bool) {
        let mut waits = self.lock();
        let own = waits.wakers.remove(&ticket);
        let mut next = None;
        if !waits.closed {
            waits.granted -= usize::from(own.is_none());
            let unused = own.is_none() && used == Used::No;
            if !waits.wakers.is_empty() && (unused || has_room()) {
                next = grant(&mut waits);
            }
        }
        self.measure(&waits);
        drop(waits);
        if let Some(next) = next {
            wake(next);
        }
        // Last, because it is code of users and may panic.
        drop(own);
    }

    /// There is room for one more: who is first may go.
    #[inline]
    pub(super) fn advance(&self) {
        if !self.is_empty() {
            self.advance_now();
        }
    }

    #[cold]
    fn advance_now(&self) {
        // The length stays the same: a granted one is still in the line.
        let next = grant(&mut self.lock());
        if let Some(next) = next {
            wake(next);
        }
    }

    /// From here on nobody waits.
    pub(super) fn close(&self) {
        let mut waits = self.lock();
        waits.closed = true;
        waits.granted = 0;
        let wakers = std::mem::take(&mut waits.wakers);
        self.measure(&waits);
        drop(waits);
        wakers.into_values().for_each(wake);
    }
}

/// Whether a grant was used.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Used {
    Yes,
    No,
}

fn grant(waits: &mut Waits) -> Option<Waker> {
    let (_, waker) = waits.wakers.pop_first()?;
    waits.granted += 1;
    Some(waker)
}
