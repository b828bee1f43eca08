//! The loop of a core: one pass is a turn.
//!
//! ```text
//!  ┌─▶ inbox ─▶ tasks (a budget of polls) ─▶ timers ─▶ enter ─▶ completions ─┐
//!  └──────────────────────────────────────────────────────────────────────────┘
//! ```
//!
//! The enter submits everything at once. It waits only when no task is ready, and then until the next timer; while
//! tasks are ready it is left out when there is nothing to submit and the kernel has flagged no work. A core whose waits
//! were short looks for completions for a while before it sleeps ([`spin`](super::spin)).

use std::io;
use std::mem;
use std::panic::Location;
use std::pin::Pin;
use std::rc::Rc;
use std::task::{Context, Poll};
use std::time::Duration;

use uring_sys_shim::{Call, Reply};

use super::counts::add;
use super::place::{Entered, with_current};
use super::{Core, Misuse};
use crate::console::Woken;
use crate::driver::{self, Delivery, Key};
use crate::op::More;
use crate::panics::contain;
use crate::task::{self, MAIN, Name, Ran, Ready, Task, coop};
use crate::time::Due;

/// Polls in one turn at most: after so many, completions and timers have their turn.
const POLLS_MAX: usize = 128;
/// Timers that fire in one turn at most: half of the polls, so that the other half is for what the ring brings. With
/// more, tasks would become ready faster than they run while many timers are due.
const TIMERS_MAX: usize = POLLS_MAX / 2;
/// How long to wait when the kernel has no memory for a request.
pub(super) const MEMORY_WAIT: Duration = Duration::from_millis(1);

impl Core {
    /// Runs `main` to its end, and the spawned tasks meanwhile.
    #[track_caller]
    pub(crate) fn run<F: Future>(self: &Rc<Self>, mut main: Pin<&mut F>) -> F::Output {
        assert!(with_current(|core| core.is_none()), "{}", Misuse::Nested);
        assert!(self.is_open(), "{}", Misuse::Ended);
        let _entered = Entered::new(self);
        let _slack = Slack::new(self);
        let _mail = Mail(self);
        self.tasks.borrow_mut().schedule(MAIN);
        let main_waker = Name::new(self.id(), MAIN).waker();
        let mut cx = Context::from_waker(&main_waker);
        let turns = coop::Turns;
        let caller = Location::caller();
        loop {
            self.take_inbox();
            let mut ran = Ran::Nothing;
            let mut watch = self.watch();
            for _ in 0..POLLS_MAX {
                let ready = self.tasks.borrow_mut().next(mem::take(&mut ran));
                coop::fill();
                match ready {
                    Some(Ready::Task(index, task)) => {
                        let spawned = task.spawned();
                        ran = self.run_task(index, task);
                        if let Some(since) = &mut watch {
                            *since = self.polled(*since, index, spawned);
                        }
                    }
                    Some(Ready::Main) => {
                        let polled = main.as_mut().poll(&mut cx);
                        if let Some(since) = &mut watch {
                            *since = self.polled(*since, MAIN, caller);
                        }
                        if let Poll::Ready(output) = polled {
                            self.wind_up();
                            return output;
                        }
                    }
                    None => break,
                }
            }
            turns.lift();
            self.tasks.borrow_mut().after(ran);
            self.fire_timers();
            self.feed_starved();
            self.look_for_the_last_task();
            self.exchange();
            self.settle();
        }
    }

    /// Submits what the last polls have queued, without waiting: what was dropped is cancelled and closed although the
    /// core takes no further turn. A cancel, its completion and the close that follows take a round each.
    pub(crate) fn wind_up(&self) {
        const ROUNDS_MAX: usize = 4;
        for _ in 0..ROUNDS_MAX {
            let mut driver = self.driver.borrow_mut();
            // What fails here fails again in the next turn, or at the end, where it is told.
            if driver.forked() || !driver.wants_enter() || driver.enter(0, None).is_err() {
                return;
            }
            drop(driver);
            self.settle();
        }
    }

    fn take_inbox(&self) {
        if self.inbox.is_waiting() {
            add(&self.counts.remote_wakes, 1);
            let mut tasks = self.tasks.borrow_mut();
            let mut woken = Woken::default();
            let errands = self.inbox.take(|index| woken.add(tasks.schedule(index)));
            drop(tasks);
            woken.tell();
            for errand in errands {
                guard("an errand from another thread", || errand.run());
            }
        }
    }

    /// Makes the task at this place ready, on its own thread.
    #[inline]
    pub(crate) fn wake(&self, index: u32) {
        let mark = self.tasks.borrow_mut().schedule(index);
        mark.woken();
    }

    // In the loop itself, so that the task goes there and back in registers.
    #[inline(always)]
    fn run_task(&self, index: u32, task: Task) -> Ran {
        if task.run(&Name::new(self.id(), index).waker()) {
            Ran::Finished(index)
        } else {
            Ran::Waits(index, task)
        }
    }

    fn fire_timers(&self) {
        if self.timers.borrow().is_empty() {
            return;
        }
        let now = self.now();
        for _ in 0..TIMERS_MAX {
            let Some(due) = self.timers.borrow_mut().pop_due(now) else { return };
            add(&self.counts.timers_fired, 1);
            match due {
                Due::Task(index) => self.wake(index),
                Due::Foreign(waker) => guard("a waker", || waker.wake()),
                Due::Nobody => {}
            }
        }
    }

    /// Lets sockets that wait for a buffer receive, as many as there are buffers.
    fn feed_starved(&self) {
        if !self.has_starved() {
            return;
        }
        let Some(pool) = self.pool() else { return };
        let mut buffers = pool.free();
        while buffers > 0 {
            let Some(inlet) = self.starved.borrow_mut().pop_front() else { return };
            let fed = inlet.upgrade().is_some_and(|inlet| inlet.feed(Rc::clone(&pool)));
            buffers -= u16::from(fed);
        }
    }

    /// Whether the next turn can feed more: a socket whose turn came and which has no bytes took no buffer.
    fn can_feed(&self) -> bool {
        self.has_starved() && self.pool().is_some_and(|pool| pool.free() > 0)
    }

    /// Submits, and waits when nothing is ready.
    fn exchange(&self) {
        let idle = self.tasks.borrow().is_idle() && !self.can_feed();
        let entered = match self.spin.get().nanos() {
            _ if !idle && !self.driver.borrow_mut().wants_enter() => Ok(driver::Entered::Done),
            _ if !idle => self.driver.borrow_mut().enter(0, None),
            None => self.sleep(),
            Some(nanos) => self.look_or_sleep(nanos),
        };
        match entered {
            Ok(driver::Entered::Done | driver::Entered::Again) => {}
            Ok(driver::Entered::Later) => std::thread::sleep(MEMORY_WAIT),
            Err(error) => panic!("uring: the ring is broken and its operations are given up: {error}"),
        }
    }

    /// Sleeps until there is a completion, a timer is due or another thread wakes a task.
    fn sleep(&self) -> io::Result<driver::Entered> {
        let until = self.timers.borrow().next();
        let mut spin = self.spin.get();
        let start = self.now();
        // From here on another thread that wakes a task rings the bell.
        let asleep = self.inbox.fall_asleep();
        let entered = self.driver.borrow_mut().enter(u32::from(asleep), until);
        self.inbox.wake_up();
        let slept = self.now() - start;
        add(&self.counts.asleep_nanos, slept);
        spin.slept(slept);
        self.spin.set(spin);
        entered
    }

    /// Looks for completions for so long, and sleeps when none came.
    fn look_or_sleep(&self, nanos: u64) -> io::Result<driver::Entered> {
        let mut driver = self.driver.borrow_mut();
        if driver.has_queued() {
            // What the kernel does at once is there without waiting; for the rest the next turn looks.
            return driver.enter(0, None);
        }
        let now = driver.now();
        let timer = self.timers.borrow().next().unwrap_or(u64::MAX);
        let until = timer.min(now.saturating_add(nanos));
        let entered = driver.watch(until, &|| self.inbox.is_waiting())?;
        let mut spin = self.spin.get();
        // The clock is asked, because a ring on which nothing happens by itself has not looked for so long.
        let then = driver.now();
        add(&self.counts.looked_nanos, then - now);
        if entered.is_some() || self.inbox.is_waiting() || then >= timer {
            spin.found();
            driver.stats.spins_found += 1;
            self.spin.set(spin);
            return Ok(entered.unwrap_or(driver::Entered::Done));
        }
        drop(driver);
        spin.missed();
        self.spin.set(spin);
        self.sleep()
    }

    /// Reaps the completions and does what each asks for, with the driver not borrowed meanwhile.
    ///
    /// A panic of a waker or of a buffer's drop is caught, so that it loses no other completion.
    pub(super) fn settle(&self) {
        let mut settled = false;
        while !settled {
            guard("a waker or a buffer's drop", || {
                while let Some(delivery) = self.reap() {
                    self.act(delivery);
                }
                settled = true;
            });
        }
    }

    #[inline]
    fn reap(&self) -> Option<Delivery> {
        self.driver.borrow_mut().reap()
    }

    #[inline]
    fn act(&self, delivery: Delivery) {
        match delivery {
            Delivery::Nothing | Delivery::Unknown => {}
            Delivery::Wake(waiter) => waiter.wake(),
            Delivery::Orphan(payload, cqe) => payload.orphaned(cqe),
            Delivery::Unsent(place) => task::ring_again(place),
            Delivery::More(key, more) => self.go_on(key, more),
        }
    }

    /// What an operation asks for that has further completions.
    #[inline]
    fn go_on(&self, key: Key, more: More) {
        if more.cancel {
            self.cancel(key);
        }
        if let Some(outlet) = more.over {
            outlet.release();
        }
        more.wake.wake();
    }
}

/// When it goes, no sleeper waits for a message that leaves with an enter which this core may not make for long: it ends
/// its run, or panics.
struct Mail<'a>(&'a Core);

impl Drop for Mail<'_> {
    fn drop(&mut self) {
        if let Ok(driver) = self.0.driver.try_borrow()
            && !driver.forked()
        {
            driver.send_by_hand();
        }
    }
}

/// While it lives, the kernel wakes this thread at its deadlines and not up to 50 µs later, as it does by default to
/// save power (`PR_SET_TIMERSLACK`, `prctl(2)`).
struct Slack<'a> {
    core: &'a Core,
    before: Option<u64>,
}

/// The least: 0 would mean the default.
const SLACK_NANOS: u64 = 1;

impl<'a> Slack<'a> {
    fn new(core: &'a Core) -> Self {
        let before = match core.call(Call::TimerSlack(SLACK_NANOS)) {
            Ok(Reply::Nanos(before)) => Some(before),
            // Where it is refused, sleeps are up to 50 µs late.
            _ => None,
        };
        Self { core, before }
    }
}

impl Drop for Slack<'_> {
    fn drop(&mut self) {
        if let Some(before) = self.before {
            // It was set before, so it can be set back.
            let _ = self.core.call(Call::TimerSlack(before));
        }
    }
}

/// Runs code that may be the user's, and keeps its panic from the loop. The panic hook has reported it by then.
pub(super) fn guard(what: &str, run: impl FnOnce()) {
    if !contain(run) {
        tracing::error!("{what} panicked inside of the runtime, which goes on");
    }
}
