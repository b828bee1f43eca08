//! The loop of a core: one pass is a turn.
//!
//! ```text
//!  ┌─▶ inbox ─▶ tasks (a budget of polls) ─▶ timers ─▶ enter ─▶ completions ─┐
//!  └──────────────────────────────────────────────────────────────────────────┘
//! ```
//!
//! The enter submits everything at once. It waits only when no task is ready, and then until the next timer; while
//! tasks are ready it is left out when there is nothing to submit and the kernel has flagged no work.

use std::panic::{self, AssertUnwindSafe};
use std::pin::Pin;
use std::rc::Rc;
use std::task::{Context, Poll};
use std::time::Duration;

use super::place::{Entered, with_current};
use super::{Core, Misuse};
use crate::driver::{self, Delivery};
use crate::task::{MAIN, Ready, Runnable, waker};

/// Polls in one turn at most: after so many, completions and timers have their turn.
const POLLS_MAX: usize = 128;
/// Timers that fire in one turn at most.
const TIMERS_MAX: usize = 256;
/// How long to wait when the kernel has no memory for a request.
const MEMORY_WAIT: Duration = Duration::from_millis(1);

impl Core {
    /// Runs `main` to its end, and the spawned tasks meanwhile.
    pub(crate) fn run<F: Future>(self: &Rc<Self>, mut main: Pin<&mut F>) -> F::Output {
        assert!(with_current(|core| core.is_none()), "{}", Misuse::Nested);
        assert!(self.is_open(), "{}", Misuse::Ended);
        let _entered = Entered::new(self);
        self.tasks.borrow_mut().schedule(MAIN);
        let main_waker = waker(self.id(), MAIN);
        let mut cx = Context::from_waker(&main_waker);
        loop {
            self.take_inbox();
            for _ in 0..POLLS_MAX {
                let ready = self.tasks.borrow_mut().next();
                match ready {
                    Some(Ready::Task(index, task)) => self.run_task(index, task),
                    Some(Ready::Main) => {
                        if let Poll::Ready(output) = main.as_mut().poll(&mut cx) {
                            return output;
                        }
                    }
                    None => break,
                }
            }
            self.fire_timers();
            self.feed_starved();
            self.exchange();
            self.settle();
        }
    }

    fn take_inbox(&self) {
        if self.inbox.is_waiting() {
            let mut tasks = self.tasks.borrow_mut();
            self.inbox.take(|index| tasks.schedule(index));
        }
    }

    #[inline]
    fn run_task(&self, index: u32, task: Rc<dyn Runnable>) {
        if task.run(&waker(self.id(), index)) {
            self.tasks.borrow_mut().remove(index);
        } else {
            self.tasks.borrow_mut().put_back(index, task);
        }
    }

    fn fire_timers(&self) {
        if self.timers.borrow().is_empty() {
            return;
        }
        let now = self.now();
        for _ in 0..TIMERS_MAX {
            let due = self.timers.borrow_mut().pop_due(now);
            match due {
                Some(waker) => guard("a waker", || waker.wake()),
                None => break,
            }
        }
    }

    /// Lets sockets that found no buffer try again, as many as there are buffers.
    fn feed_starved(&self) {
        if self.starved.borrow().is_empty() {
            return;
        }
        let Some(pool) = self.pool() else { return };
        let mut buffers = pool.free();
        while buffers > 0 {
            let Some(inlet) = self.starved.borrow_mut().pop_front() else { return };
            buffers -= u16::from(inlet.feed());
        }
    }

    /// Submits, and sleeps when nothing is ready.
    fn exchange(&self) {
        let idle = self.tasks.borrow().is_idle() && self.reaped.borrow().is_empty();
        let entered = if idle {
            let until = self.timers.borrow().next();
            // From here on another thread that wakes a task rings the bell.
            let asleep = self.inbox.fall_asleep();
            let entered = self.driver.borrow_mut().enter(u32::from(asleep), until);
            self.inbox.wake_up();
            entered
        } else if self.driver.borrow_mut().wants_enter() {
            self.driver.borrow_mut().enter(0, None)
        } else {
            Ok(driver::Entered::Done)
        };
        match entered {
            Ok(driver::Entered::Done | driver::Entered::Again) => {}
            Ok(driver::Entered::Later) => std::thread::sleep(MEMORY_WAIT),
            Err(error) => panic!("uring: the ring is broken and its operations are given up: {error}"),
        }
    }

    /// Reaps the completions and does what each asks for, with the driver not borrowed meanwhile.
    ///
    /// A panic of a waker or of a buffer's drop is caught, so that it loses no other completion.
    pub(super) fn settle(&self) {
        self.driver.borrow_mut().reap(&mut self.reaped.borrow_mut());
        while !self.reaped.borrow().is_empty() {
            guard("a waker or a buffer's drop", || {
                while let Some(cqe) = self.next_reaped() {
                    let delivery = self.driver.borrow_mut().deliver(cqe);
                    self.act(delivery);
                }
            });
        }
    }

    fn next_reaped(&self) -> Option<uring_sys_shim::Cqe> {
        self.reaped.borrow_mut().pop_front()
    }

    #[inline]
    fn act(&self, delivery: Delivery) {
        match delivery {
            Delivery::Nothing | Delivery::Unknown => {}
            Delivery::Wake(waker) => waker.wake(),
            Delivery::Orphan(payload, cqe) => payload.orphaned(cqe),
            Delivery::Cancel(key, waker) => {
                self.cancel(key);
                if let Some(waker) = waker {
                    waker.wake();
                }
            }
        }
    }
}

/// Runs code that may be the user's, and keeps its panic from the loop. The panic hook has reported it by then.
pub(super) fn guard(what: &str, run: impl FnOnce()) {
    if panic::catch_unwind(AssertUnwindSafe(run)).is_err() {
        tracing::error!("{what} panicked inside of the runtime, which goes on");
    }
}
