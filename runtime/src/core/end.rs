//! The end of a core: drop the tasks, cancel, drain, and leak what is still the kernel's.
//!
//! A ring is never closed with memory freed behind it: on Linux 6.18 a closed ring, a successful cancel and
//! `IORING_REGISTER_SYNC_CANCEL` were all seen to be followed by megabytes of late writes. Only an operation's own
//! last completion says that its memory is free.

use std::io;
use std::rc::Rc;

use super::place::Entered;
use super::turn::{MEMORY_WAIT, guard};
use super::{Core, Phase};
use crate::audit::Audit;
use crate::driver;

/// How often the cancel of everything is repeated while operations are in flight.
const CANCEL_PERIOD_NANOS: u64 = 100_000_000;

impl Core {
    /// Ends the core. Gives how many operations were leaked: 0 unless the drain reached its deadline.
    pub(crate) fn end(self: &Rc<Self>) -> usize {
        match self.phase.get() {
            Phase::Open => {}
            // A panic of the ring has left the end below: what it was doing is not known, so nothing is freed.
            Phase::Ending => {
                self.phase.set(Phase::Ended);
                let left = self.driver.borrow().in_flight();
                self.leak(left);
                return left;
            }
            Phase::Ended => return 0,
        }
        let _entered = Entered::new(self);
        self.phase.set(Phase::Ending);
        self.drop_tasks();
        self.starved.take();
        let forked = self.driver.borrow().forked();
        if !forked {
            // In a forked child another thread of the parent may hold the inbox's lock for ever.
            self.inbox.close();
            // Nobody is left to wait for these calls.
            self.config.blocking.forget(self.id());
        }
        let left = if forked { 0 } else { self.drain() };
        if left == 0 && !forked {
            self.check_ledgers();
        }
        self.phase.set(Phase::Ended);
        if forked || left > 0 {
            self.leak(left);
        } else if let Some(pool) = self.pool.take() {
            pool.close(&mut self.driver.borrow_mut());
        }
        left
    }

    /// Drops every task's future. What those drops spawn is dropped at once: the core takes no tasks any more.
    fn drop_tasks(&self) {
        loop {
            let task = self.tasks.borrow_mut().pop_any();
            match task {
                Some(task) => guard("a task's drop", || task.cancel()),
                None => return,
            }
        }
    }

    /// Cancels everything and reaps until nothing is in flight or the deadline has passed. Gives what is left.
    fn drain(&self) -> usize {
        // Completions that were reaped and not delivered yet, by a turn that was left by the end of the main future.
        self.settle();
        // What was queued before is submitted first: closes and writes that the kernel does at once are done by then,
        // and the cancel does not find them.
        self.wind_up();
        let timeout = u64::try_from(self.drain_timeout().as_nanos()).unwrap_or(u64::MAX);
        let deadline = self.now().saturating_add(timeout);
        loop {
            let left = self.driver.borrow().in_flight();
            // Not `wants_enter`: the kernel's hint may never go.
            if left == 0 && !self.driver.borrow_mut().has_queued() {
                return 0;
            }
            let now = self.now();
            if now >= deadline {
                return left;
            }
            if left > 0 {
                // Again from time to time: an operation that was between two states may have been passed over.
                self.driver.borrow_mut().cancel_all();
            }
            let until = deadline.min(now.saturating_add(CANCEL_PERIOD_NANOS));
            while self.driver.borrow().in_flight() > 0 && self.now() < until {
                if self.enter_to_drain(1, Some(until)).is_err() {
                    return left.max(1);
                }
            }
            // What needs no completion: closes, and cancels that are still queued.
            if self.enter_to_drain(0, None).is_err() {
                return self.driver.borrow().in_flight();
            }
        }
    }

    /// What the core owns itself is over now. What users still hold (buffers, descriptors, timers, results that nobody has
    /// taken) may outlive it.
    fn check_ledgers(&self) {
        if cfg!(debug_assertions) {
            let Audit { operations, tasks, starved, .. } = self.audit();
            assert_eq!(
                [operations, tasks, starved],
                [0; 3],
                "operations, tasks and starved sockets at the end"
            );
        }
    }

    fn enter_to_drain(&self, want: u32, until: Option<u64>) -> io::Result<()> {
        let entered = self.driver.borrow_mut().enter(want, until);
        if let Ok(driver::Entered::Later) = entered {
            std::thread::sleep(MEMORY_WAIT);
        }
        self.settle();
        entered.map(drop).inspect_err(|error| {
            tracing::error!(%error, "the ring is broken: its operations cannot be drained");
        })
    }

    /// Keeps everything that the kernel may still write to, for ever.
    fn leak(self: &Rc<Self>, left: usize) {
        if !self.driver.borrow().forked() {
            self.driver.borrow().send_by_hand();
        }
        std::mem::forget(Rc::clone(self));
        if left > 0 {
            self.driver.borrow_mut().stats.leaked = left as u64;
            tracing::warn!(
                operations = left,
                "a runtime ended with operations that did not complete within the drain timeout; their memory is leaked"
            );
        }
    }
}
