//! The ordered shutdown of a core: what it tells, and when it must be over.
//!
//! ```text
//!   shutdown(deadline)          main has returned,            the deadline
//!                               no task is alive
//!  open ──────────▶ farewell ───────────────────▶ the end ◀── (tasks are dropped)
//!        listeners refuse,       tasks finish
//!        the token is cancelled
//! ```
//!
//! It owns the token and the deadline. The end itself is `end`'s.

use std::cell::{Cell, RefCell};
use std::rc::{Rc, Weak};
use std::time::Duration;

use super::Core;
use crate::io::Backlog;
use crate::sync::CancellationToken;
use crate::task::MAIN;

/// How long the end of a core that was shut down may take: what is in flight is cancelled and drained meanwhile.
const DRAIN_TIMEOUT: Duration = Duration::from_millis(80);

#[derive(Default)]
pub(super) struct Farewell {
    token: CancellationToken,
    /// When it must be over, on the ring's clock.
    until: Cell<Option<u64>>,
    /// The listeners that are open. Not kept alive by this.
    listeners: RefCell<Vec<Weak<Backlog>>>,
    /// Whether the main future waits for the tasks to be over.
    waits_for_tasks: Cell<bool>,
}

impl Core {
    /// What is cancelled when the core is to shut down.
    pub(crate) fn shutdown_token(&self) -> &CancellationToken {
        &self.farewell.token
    }

    /// When the shutdown must be over, on the ring's clock, if one has begun.
    pub(crate) fn shutdown_until(&self) -> Option<u64> {
        self.farewell.until.get()
    }

    /// A listener is open, which is told when the core shuts down.
    pub(crate) fn listens(&self, backlog: &Rc<Backlog>) {
        let mut listeners = self.farewell.listeners.borrow_mut();
        if listeners.len() == listeners.capacity() {
            listeners.retain(|listener| listener.strong_count() > 0);
        }
        listeners.push(Rc::downgrade(backlog));
    }

    /// Begins to shut down. A second time can only make it shorter.
    pub(crate) fn begin_shutdown(&self, deadline: Duration) {
        let nanos = u64::try_from(deadline.as_nanos()).unwrap_or(u64::MAX);
        let until = self.now().saturating_add(nanos);
        let before = self.farewell.until.get().unwrap_or(u64::MAX);
        self.farewell.until.set(Some(before.min(until)));
        let listeners = self.farewell.listeners.take();
        listeners.iter().filter_map(Weak::upgrade).for_each(|listener| listener.refuse());
        self.farewell.token.cancel();
        // It may wait for the deadline that there was before.
        self.wake(MAIN);
    }

    /// How long the end may wait for what is in flight.
    pub(super) fn drain_timeout(&self) -> Duration {
        let configured = self.config.drain_timeout;
        if self.shutdown_until().is_some() { configured.min(DRAIN_TIMEOUT) } else { configured }
    }

    /// Whether no task is alive. If one is, the main future is polled when none is any more.
    pub(crate) fn waits_for_tasks(&self) -> bool {
        let alive = self.tasks.borrow().len() > 0;
        self.farewell.waits_for_tasks.set(alive);
        alive
    }

    /// Tells the main future when the last task has ended.
    #[inline]
    pub(super) fn look_for_the_last_task(&self) {
        if self.farewell.waits_for_tasks.get() && !self.waits_for_tasks() {
            self.wake(MAIN);
        }
    }
}
