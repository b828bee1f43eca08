//! The driver: operations in flight between the core and its ring.
//!
//! It owns the ring, the records and the queues in front of the ring. It runs no code of users: what a completion
//! asks for is handed out as a [`Delivery`] and done by the core when the driver is no longer borrowed. It knows
//! nothing of tasks and time.

mod any_ring;
mod mail;
mod payload;
mod record;

use std::collections::VecDeque;
use std::io;
use std::os::fd::{IntoRawFd, OwnedFd};
use std::sync::Arc;
use std::task::Waker;

use uring_sys_shim::{Call, Features, Register, Reply, Sqe, opcode};

use crate::audit::Audit;
use crate::op::Operation;
use crate::oracle::Ledger;
use crate::stats::Stats;
use crate::task::{Bell, Waiter};

pub(crate) use any_ring::AnyRing;
pub(crate) use payload::Payload;
pub(crate) use record::{Abandoned, Delivery, Key, Polled, Records};

/// `user_data` of completions that have no record, in its lower half: no index of a record is as large.
const TAG_CANCEL: u32 = u32::MAX;
const TAG_CLOSE: u32 = u32::MAX - 1;
/// A message from another core, which is all that it says.
const TAG_MAIL: u32 = u32::MAX - 2;
/// A message to another core did not arrive. The upper half is the place of that core.
const TAG_UNSENT: u32 = u32::MAX - 3;
const _: () = assert!(TAG_UNSENT > record::INDEX_MAX);

/// What a driver panics with in a forked child.
const FORKED: &str = "uring: this process is a fork of the one that runs the runtime, and its ring belongs to the \
                      parent; start a runtime of its own in the child, before any other call";

#[cold]
fn forked() -> ! {
    panic!("{FORKED}");
}

/// What an enter that did not fail came to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Entered {
    Done,
    /// A signal came, or the kernel wants completions to be reaped before it takes more. Nothing is lost: what was
    /// not taken is still queued, and the next turn enters again.
    Again,
    /// The kernel had no memory for a request. As `Again`, but not at once.
    Later,
}

/// The operations in flight on one ring.
pub(crate) struct Driver {
    ring: AnyRing,
    records: Records,
    /// Entries that found the submission queue full, in order.
    backlog: VecDeque<Sqe>,
    /// Operations to cancel. An intent waits here until its entry is queued: it can be late, never lost.
    cancels: VecDeque<Key>,
    /// Bells of other cores whose messages are queued: their rings stay open until the messages are sent.
    bells: Vec<Arc<Bell>>,
    ledger: Ledger,
    pub(crate) stats: Stats,
}

impl Driver {
    pub(crate) fn new(ring: AnyRing) -> Self {
        Self {
            ring,
            records: Records::default(),
            backlog: VecDeque::new(),
            cancels: VecDeque::new(),
            bells: Vec::new(),
            ledger: Ledger::default(),
            stats: Stats::default(),
        }
    }

    /// Starts an operation that a future waits for.
    // Always inlined, like all on the way from an operation to the queue: the entry and the record are then written
    // where they belong, instead of being built here and copied three times.
    #[inline(always)]
    pub(crate) fn submit<T: Operation>(&mut self, op: T, sqe: Sqe, waiter: Waiter) -> Key {
        let key = self.records.insert(Payload::new(op), waiter);
        self.queue(sqe, key);
        key
    }

    /// Starts an operation that belongs to a resource: its orphan step runs at its last completion.
    pub(crate) fn submit_detached<T: Operation>(&mut self, op: T, sqe: Sqe) -> Key {
        let key = self.records.insert_detached(Payload::new(op));
        self.queue(sqe, key);
        key
    }

    /// Takes a completed operation, or says whether its future will be woken by this waker.
    #[inline(always)]
    pub(crate) fn poll<T: Operation>(&mut self, key: Key, waker: &Waker) -> Polled<T> {
        self.records.poll(key, waker)
    }

    /// Keeps another waiter for an operation in flight, and hands out the one before.
    pub(crate) fn set_waiter(&mut self, key: Key, waiter: Waiter) -> Waiter {
        self.records.set_waiter(key, waiter)
    }

    /// The operation of a future, in its record.
    pub(crate) fn get_mut<T: Operation>(&mut self, key: Key) -> &mut T {
        self.records.get_mut(key)
    }

    /// The future that waited is gone, and its operation goes on by itself. What has completed already is handed
    /// out for its orphan step.
    pub(crate) fn abandon(&mut self, key: Key) -> Abandoned {
        self.stats.orphaned += 1;
        self.records.abandon(key)
    }

    /// Notes that an operation is to be cancelled. It may complete normally all the same.
    pub(crate) fn cancel(&mut self, key: Key) {
        self.cancels.push_back(key);
    }

    /// Closes a descriptor through the ring, after everything that was queued before.
    pub(crate) fn close(&mut self, fd: OwnedFd) {
        let mut sqe = Sqe::new(opcode::CLOSE, fd.into_raw_fd());
        sqe.flags = Sqe::SKIP_SUCCESS;
        sqe.user_data = u64::from(TAG_CLOSE);
        self.push(sqe);
    }

    #[inline(always)]
    fn queue(&mut self, mut sqe: Sqe, key: Key) {
        sqe.user_data = key.user_data();
        self.ledger.submitted(&sqe);
        self.push(sqe);
    }

    #[allow(unsafe_code, reason = "the one place where an entry goes to the ring")]
    #[inline(always)]
    fn push(&mut self, sqe: Sqe) {
        if self.ring.forked() {
            forked();
        }
        self.stats.submissions += 1;
        if self.backlog.is_empty() {
            // SAFETY: the entry points to memory that its operation owns on the heap (contract of `Operation`), and
            // the operation stays in its record until its last completion was reaped (docs/safety.md, S1). Entries
            // without a record (close, cancel, message) point to no memory.
            if unsafe { self.ring.push(&sqe) }.is_ok() {
                return;
            }
        }
        self.wait_for_room(sqe);
    }

    #[cold]
    fn wait_for_room(&mut self, sqe: Sqe) {
        self.stats.backlogged += 1;
        self.backlog.push_back(sqe);
    }

    /// Moves the cancel intents and the backlog to the submission queue as far as there is room.
    #[allow(unsafe_code, reason = "the backlog's way to the ring")]
    fn flush(&mut self) {
        while let Some(key) = self.cancels.pop_front() {
            if self.records.contains(key) {
                let mut sqe = Sqe::new(opcode::ASYNC_CANCEL, -1);
                sqe.addr = key.user_data();
                sqe.flags = Sqe::SKIP_SUCCESS;
                sqe.user_data = u64::from(TAG_CANCEL);
                self.stats.cancels += 1;
                self.push(sqe);
            }
        }
        while let Some(sqe) = self.backlog.front() {
            // SAFETY: as in `push`.
            if unsafe { self.ring.push(sqe) }.is_err() {
                return;
            }
            self.backlog.pop_front();
        }
    }

    /// Whether anything waits to be submitted.
    pub(crate) fn has_queued(&mut self) -> bool {
        !self.cancels.is_empty() || !self.backlog.is_empty() || self.ring.queued() > 0
    }

    /// Whether an enter may bring anything although no completion is waited for.
    ///
    /// The kernel's word for deferred work is a hint: Linux 6.18 sets `IORING_SQ_TASKRUN` after the work was queued, and
    /// when that work was run in between the flag stays until there is other work. Nothing may wait for it to go.
    pub(crate) fn wants_enter(&mut self) -> bool {
        if self.ring.forked() {
            forked();
        }
        self.has_queued() || self.ring.attention()
    }

    /// Submits everything and waits for `want` completions at most until the clock reads `until`.
    ///
    /// This is the one place that knows what the errors of an enter mean.
    pub(crate) fn enter(&mut self, want: u32, until: Option<u64>) -> io::Result<Entered> {
        if self.ring.forked() {
            forked();
        }
        loop {
            self.flush();
            // While entries wait behind a full queue the core must not sleep.
            let rest = !self.backlog.is_empty();
            self.stats.enters += 1;
            let result = self.ring.enter(if rest { 0 } else { want }, until);
            match result.map_err(|error| error.raw_os_error().ok_or(error)) {
                Ok(()) if rest => {}
                Ok(()) => {
                    self.sent();
                    return Ok(Entered::Done);
                }
                Err(Ok(libc::EINTR | libc::EBUSY)) => return Ok(Entered::Again),
                Err(Ok(libc::EAGAIN)) => return Ok(Entered::Later),
                Err(Ok(errno)) => return Err(io::Error::from_raw_os_error(errno)),
                Err(Err(error)) => return Err(error),
            }
        }
    }

    /// Looks for completions without sleeping, until the clock reads `until` or `stop` says so, and fetches what it
    /// found.
    pub(crate) fn watch(&mut self, until: u64, stop: &dyn Fn() -> bool) -> io::Result<Option<Entered>> {
        self.stats.spins += 1;
        if !self.ring.watch(until, stop) {
            return Ok(None);
        }
        self.enter(0, None).map(Some)
    }

    /// Takes the oldest completion, brings it to its operation and says what is to be done for it.
    #[inline]
    pub(crate) fn reap(&mut self) -> Option<Delivery> {
        let cqe = self.ring.reap()?;
        self.stats.completions += 1;
        if cqe.user_data as u32 > record::INDEX_MAX {
            return Some(self.tagged(cqe.user_data));
        }
        if !cqe.more() {
            self.ledger.completed(cqe.user_data);
        }
        let delivery = self.records.deliver(cqe);
        if matches!(delivery, Delivery::Unknown) {
            self.stats.unknown += 1;
        }
        Some(delivery)
    }

    /// What a completion without a record asks for.
    fn tagged(&mut self, user_data: u64) -> Delivery {
        match user_data as u32 {
            // A cancel that found nothing or came too late, or a close that failed when nobody could be told: the
            // operation's own completion is what counts (`io_uring_prep_cancel(3)`). A message has woken the core.
            TAG_CANCEL | TAG_CLOSE | TAG_MAIL => Delivery::Nothing,
            TAG_UNSENT => Delivery::Unsent((user_data >> 32) as u16),
            _ => {
                self.stats.unknown += 1;
                Delivery::Unknown
            }
        }
    }

    /// Asks the kernel to cancel everything that is in flight.
    pub(crate) fn cancel_all(&mut self) {
        // IORING_ASYNC_CANCEL_ALL and _ANY, Linux 5.19.
        const ALL: u32 = 1 << 0;
        const ANY: u32 = 1 << 2;
        let mut sqe = Sqe::new(opcode::ASYNC_CANCEL, -1);
        sqe.op_flags = ALL | ANY;
        sqe.user_data = u64::from(TAG_CANCEL);
        self.stats.cancels += 1;
        self.push(sqe);
    }

    /// How many operations the kernel still has. What has completed and was not taken is not among them.
    pub(crate) fn in_flight(&self) -> usize {
        self.records.in_flight()
    }

    /// Writes down what is outstanding here.
    pub(crate) fn audit(&mut self, audit: &mut Audit) {
        audit.operations = self.records.in_flight() as u64;
        audit.results = self.records.completed() as u64;
        audit.queued = (self.backlog.len() + self.cancels.len()) as u64 + u64::from(self.ring.queued());
    }

    /// Completions that the kernel has dropped.
    pub(crate) fn overflows(&mut self) -> u64 {
        self.ring.overflows()
    }

    pub(crate) fn call(&mut self, request: Call<'_>) -> io::Result<Reply> {
        self.ring.call(request)
    }

    /// Registers with the ring.
    ///
    /// # Safety
    ///
    /// As [`Ring::register`](uring_sys_shim::Ring::register).
    #[allow(unsafe_code, reason = "hands the caller's duty on")]
    pub(crate) unsafe fn register(&mut self, request: Register<'_>) -> io::Result<()> {
        // SAFETY: the caller holds the contract.
        unsafe { self.ring.register(request) }
    }

    #[inline]
    pub(crate) fn now(&self) -> u64 {
        self.ring.now()
    }

    pub(crate) fn features(&self) -> Features {
        self.ring.features()
    }

    pub(crate) fn forked(&self) -> bool {
        self.ring.forked()
    }

    /// Refuses to go on in a forked child.
    pub(crate) fn refuse_fork(&self) {
        if self.forked() {
            forked();
        }
    }
}
