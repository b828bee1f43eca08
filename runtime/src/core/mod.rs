//! A core: a thread with its ring, its tasks and its timers.
//!
//! It owns everything that one runtime consists of, and hands out the driver for one step at a time: no code of
//! users runs while the driver is borrowed. The loop is in [`turn`], the end in [`end`].

mod chance;
mod counts;
mod end;
mod farewell;
mod place;
mod spin;
mod stall;
mod turn;

use std::cell::{Cell, OnceCell, RefCell};
use std::collections::VecDeque;
use std::io;
use std::os::fd::OwnedFd;
use std::rc::{Rc, Weak};
use std::sync::Arc;
use std::task::Waker;
use std::time::Duration;

use uring_sys_shim::{Call, Cqe, Features, Reply};

use crate::audit::Audit;
use crate::blocking::Blocking;
use crate::buf::{Pool, PoolConfig};
use crate::driver::{Abandoned, AnyRing, Driver, Key, Polled};
use crate::io::Inlet;
use crate::launch::Member;
use crate::op::bell::Listen;
use crate::op::{OnDrop, Operation};
use crate::stats::Stats;
use crate::task::{Address, Bell, Inbox, Tasks, Waiter};
use crate::time::Timers;

use chance::Chance;
use counts::Counts;
use farewell::Farewell;
use spin::Spin;
use stall::Stalls;

pub(crate) use chance::{below, fresh_seed, seed_of_core};
pub(crate) use place::{current_id, with_current};

/// Where a core is in its life.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
enum Phase {
    /// It takes operations.
    Open,
    /// It cancels and drains what is in flight.
    Ending,
    /// The ring is closed, or given up with what is in flight.
    Ended,
}

/// What a core is made with.
pub(crate) struct CoreConfig {
    pub(crate) pool: PoolConfig,
    pub(crate) drain_timeout: Duration,
    pub(crate) spin: Duration,
    /// The threads for calls that block, which cores can share.
    pub(crate) blocking: Arc<Blocking>,
    /// How long a poll may take before it is told.
    pub(crate) stall_limit: Option<Duration>,
    /// What its generator begins with.
    pub(crate) seed: u64,
}

/// One thread's runtime.
pub(crate) struct Core {
    inbox: Inbox,
    driver: RefCell<Driver>,
    features: Features,
    pub(crate) tasks: RefCell<Tasks>,
    pub(crate) timers: RefCell<Timers>,
    pool: RefCell<Option<Rc<Pool>>>,
    /// Sockets that wait for a buffer of the pool, in the order in which they will be fed. Not kept alive by this: one
    /// that is dropped meanwhile is closed at once.
    starved: RefCell<VecDeque<Weak<Inlet>>>,
    /// Sockets and files that are open on this core.
    descriptors: Cell<u64>,
    phase: Cell<Phase>,
    farewell: Farewell,
    counts: Counts,
    /// Which core of a service it is.
    member: OnceCell<Member>,
    spin: Cell<Spin>,
    stalls: RefCell<Stalls>,
    chance: Chance,
    config: CoreConfig,
}

impl Core {
    /// A core on the current thread.
    pub(crate) fn new(ring: AnyRing, inbox: Inbox, config: CoreConfig) -> io::Result<Rc<Self>> {
        let mut driver = Driver::new(ring);
        let features = driver.features();
        let counter = match driver.call(Call::EventFd)? {
            Reply::Descriptor(fd) => fd,
            other => return Err(io::Error::other(format!("the ring made {other:?} for an eventfd"))),
        };
        let bell = Arc::new(Bell::new(inbox.id(), counter, driver.mailbox()?));
        // Last of what can fail: from here on the pool goes only after it was unregistered.
        let pool = if features.contains(Features::BUF_RING) && config.pool.buffers_max > 0 {
            Some(Pool::new(config.pool, &mut driver)?)
        } else {
            None
        };
        let made = driver.now();
        inbox.open(Arc::clone(&bell));
        let id = inbox.id();
        let spin_nanos = u64::try_from(config.spin.as_nanos()).unwrap_or(u64::MAX);
        let core = Rc::new(Self {
            inbox,
            driver: RefCell::new(driver),
            features,
            tasks: RefCell::default(),
            timers: RefCell::new(Timers::new(id)),
            pool: RefCell::new(pool),
            starved: RefCell::default(),
            descriptors: Cell::new(0),
            phase: Cell::new(Phase::Open),
            farewell: Farewell::default(),
            counts: Counts { made, ..Counts::default() },
            member: OnceCell::new(),
            spin: Cell::new(Spin::new(spin_nanos)),
            stalls: RefCell::new(Stalls::new(config.stall_limit)),
            chance: Chance::new(config.seed),
            config,
        });
        core.submit_detached(Listen { core: Rc::clone(&core), bell, count: Box::new(0) });
        Ok(core)
    }

    /// The core that runs on this thread now.
    ///
    /// # Panics
    ///
    /// Outside of a runtime.
    #[track_caller]
    pub(crate) fn current() -> Rc<Self> {
        // No closure panics here: `track_caller` does not reach through one.
        match with_current(|core| core.map(Rc::clone)) {
            Some(core) => core,
            None => panic!("{}", Misuse::NoRuntime),
        }
    }

    /// Refuses to go on when this is not the core that runs on this thread now.
    ///
    /// # Panics
    ///
    /// Outside of this core's runtime.
    #[track_caller]
    pub(crate) fn check(&self) {
        match current_id() {
            Some(id) if id == self.id() => {}
            Some(_) => panic!("{}", Misuse::OtherRuntime),
            None => panic!("{}", Misuse::NoRuntime),
        }
    }

    /// The number that wakers know the core by.
    #[inline]
    pub(crate) fn id(&self) -> u16 {
        self.inbox.id()
    }

    /// The core is one of a service from now on.
    pub(crate) fn joins(&self, member: Member) {
        let joined = self.member.set(member);
        debug_assert!(joined.is_ok(), "a core is launched once");
    }

    /// Which core of a service it is, if it was launched as one.
    pub(crate) fn member(&self) -> Option<&Member> {
        self.member.get()
    }

    /// What errands are sent to.
    pub(crate) fn address(&self) -> Address {
        self.inbox.address()
    }

    pub(crate) fn features(&self) -> Features {
        self.features
    }

    /// Whether the core takes new operations.
    pub(crate) fn is_open(&self) -> bool {
        self.phase.get() == Phase::Open
    }

    /// Nanoseconds on the ring's clock.
    #[inline]
    pub(crate) fn now(&self) -> u64 {
        self.driver.borrow().now()
    }

    /// Whether it is the core that runs on this thread now, and takes operations.
    pub(crate) fn is_running(&self) -> bool {
        self.is_open() && current_id() == Some(self.id())
    }

    /// Starts an operation that a future waits for.
    ///
    /// # Panics
    ///
    /// Outside of this core's runtime.
    #[track_caller]
    #[inline(always)]
    pub(crate) fn submit<T: Operation>(&self, mut op: T, waker: &Waker) -> Key {
        self.check();
        // Cloned, and the entry made, before the driver is borrowed: both are code of users.
        let (sqe, waiter) = (op.entry(), Waiter::of(waker));
        self.driver.borrow_mut().submit(op, sqe, waiter)
    }

    /// Starts an operation that belongs to a resource.
    pub(crate) fn submit_detached<T: Operation>(&self, mut op: T) -> Key {
        let sqe = op.entry();
        self.driver.borrow_mut().submit_detached(op, sqe)
    }

    /// Takes a completed operation, or leaves the waker.
    #[inline(always)]
    pub(crate) fn poll_op<T: Operation>(&self, key: Key, waker: &Waker) -> Option<(T, Cqe)> {
        match self.driver.borrow_mut().poll(key, waker) {
            Polled::Completed(op, cqe) => return Some((op, cqe)),
            Polled::Waits => return None,
            Polled::Stale => {}
        }
        // Cloned, and the one before dropped, with the driver not borrowed: both are code of users.
        let waiter = Waiter::of(waker);
        let before = self.driver.borrow_mut().set_waiter(key, waiter);
        drop(before);
        None
    }

    /// Does something with the operation of a future, in its record.
    pub(crate) fn with_op<T: Operation, R>(&self, key: Key, act: impl FnOnce(&mut T) -> R) -> R {
        act(self.driver.borrow_mut().get_mut(key))
    }

    /// The future of an operation was dropped.
    pub(crate) fn abandon(&self, key: Key, on_drop: OnDrop) {
        let abandoned = {
            let mut driver = self.driver.borrow_mut();
            let abandoned = driver.abandon(key);
            if matches!(abandoned, Abandoned::InFlight(_)) && on_drop == OnDrop::Cancel {
                driver.cancel(key);
            }
            abandoned
        };
        match abandoned {
            Abandoned::InFlight(waker) => drop(waker),
            Abandoned::Completed(payload, cqe) => payload.orphaned(cqe),
        }
    }

    /// Notes that an operation is to be cancelled.
    pub(crate) fn cancel(&self, key: Key) {
        self.driver.borrow_mut().cancel(key);
    }

    /// Wakes another core with the next enter. Gives the bell back when it must be rung by hand.
    pub(crate) fn send(&self, bell: Arc<Bell>) -> Result<(), Arc<Bell>> {
        match self.driver.try_borrow_mut() {
            Ok(mut driver) if self.is_open() && !driver.forked() => driver.send(bell),
            _ => Err(bell),
        }
    }

    /// Closes a descriptor that nothing uses: through the ring while the core runs, else at once.
    pub(crate) fn close(&self, fd: OwnedFd) {
        if self.is_open() && current_id() == Some(self.id()) && !self.driver.borrow().forked() {
            self.driver.borrow_mut().close(fd);
        }
    }

    /// The threads for calls that block, unless the core is ending.
    ///
    /// # Panics
    ///
    /// In a forked child, which has none of them: somebody may have held their lock.
    pub(crate) fn blocking(&self) -> Option<&Blocking> {
        self.driver.borrow().refuse_fork();
        self.is_open().then_some(&*self.config.blocking)
    }

    pub(crate) fn call(&self, request: Call<'_>) -> io::Result<Reply> {
        self.driver.borrow_mut().call(request)
    }

    /// The pool of receive buffers, where the kernel has buffer rings.
    pub(crate) fn pool(&self) -> Option<Rc<Pool>> {
        self.pool.borrow().clone()
    }

    /// Counts what an operation has come to.
    pub(crate) fn count(&self, add: impl FnOnce(&mut Stats)) {
        add(&mut self.driver.borrow_mut().stats);
    }

    /// A socket found no buffer. It is fed in its turn; the pool grows first, if it can.
    pub(crate) fn starved(&self, inlet: &Rc<Inlet>) {
        self.driver.borrow_mut().stats.starved += 1;
        self.wait_for_buffer(inlet);
        if let Some(pool) = self.pool() {
            pool.grow();
        }
    }

    /// Whether sockets wait for a buffer of the pool.
    pub(crate) fn has_starved(&self) -> bool {
        !self.starved.borrow().is_empty()
    }

    /// A socket waits for a buffer, behind those that wait already.
    pub(crate) fn wait_for_buffer(&self, inlet: &Rc<Inlet>) {
        let mut starved = self.starved.borrow_mut();
        // Those that were dropped in the line leave it here, or a pool that is empty for long would collect them.
        if starved.len() == starved.capacity() {
            starved.retain(|inlet| inlet.strong_count() > 0);
        }
        starved.push_back(Rc::downgrade(inlet));
    }

    /// A socket or file was opened on this core.
    pub(crate) fn opened(&self) {
        self.descriptors.set(self.descriptors.get() + 1);
    }

    /// A socket or file of this core is gone.
    pub(crate) fn closed(&self) {
        self.descriptors.set(self.descriptors.get() - 1);
    }

    /// What is outstanding.
    pub(crate) fn audit(&self) -> Audit {
        let mut audit = Audit::default();
        if !self.driver.borrow().forked() {
            self.driver.borrow_mut().audit(&mut audit);
        }
        // The bell's own read, which is armed as long as the core takes operations.
        audit.operations -= u64::from(self.is_open() && audit.operations > 0);
        audit.tasks = self.tasks.borrow().len() as u64;
        audit.timers = self.timers.borrow().armed() as u64;
        audit.buffers = self.pool().map_or(0, |pool| u64::from(pool.buffers() - pool.free()));
        audit.starved = self.starved.borrow().iter().filter(|inlet| inlet.strong_count() > 0).count() as u64;
        audit.descriptors = self.descriptors.get();
        audit
    }
}

/// How the runtime is used wrongly: the texts of its panics.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Misuse {
    NoRuntime,
    OtherRuntime,
    Nested,
    Ended,
}

impl std::fmt::Display for Misuse {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(match self {
            Misuse::NoRuntime => {
                "uring: no runtime runs on this thread; call this from within `Runtime::block_on`, `#[uring::main]` \
                 or `#[uring::test]`"
            }
            Misuse::OtherRuntime => {
                "uring: this belongs to another runtime than the one that runs on this thread; use it where it was \
                 made"
            }
            Misuse::Nested => {
                "uring: a runtime runs on this thread already; `.await` the future, or `spawn` it, instead of \
                 blocking on it"
            }
            Misuse::Ended => "uring: this runtime has ended",
        })
    }
}
