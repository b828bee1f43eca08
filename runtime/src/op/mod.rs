//! Operations: what each one submits, what its completion means, and who owns what when nobody waits any more.
//!
//! One file an operation. An operation is a value that owns everything its entry points to; the driver keeps it in
//! a record from submission to the last completion. Two things can happen then: its future takes it
//! ([`Operation::finish`]), or, the future being gone, its orphan step runs ([`Operation::orphaned`]), which every
//! operation must define: a descriptor it made is closed, bytes and sockets go to their owner, a buffer goes back.

pub(crate) mod accept;
pub(crate) mod bell;
pub(crate) mod close;
pub(crate) mod connect;
pub(crate) mod fsync;
pub(crate) mod manner;
pub(crate) mod open;
pub(crate) mod read;
pub(crate) mod recv;
pub(crate) mod send;
pub(crate) mod send_zero_copy;
pub(crate) mod shutdown;
pub(crate) mod statx;
pub(crate) mod tries;
pub(crate) mod write;

use std::pin::Pin;
use std::rc::Rc;
use std::task::{Context, Poll, ready};

use uring_sys_shim::{Cqe, Sqe};

use crate::core::Core;
use crate::driver::Key;
use crate::io::Outlet;
use crate::task::{Waiter, coop};
use tries::Tries;

/// The most bytes that the kernel moves in one read or write (`MAX_RW_COUNT`, `read(2)`). Longer regions are
/// clamped: a short count is always possible anyway.
pub(crate) const BYTES_MAX: usize = 0x7fff_f000;

/// The length of a region as an entry carries it.
pub(crate) fn clamp(bytes: usize) -> u32 {
    bytes.min(BYTES_MAX) as u32
}

/// Whether an operation is cancelled when the future that waits for it is dropped.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum OnDrop {
    /// Nobody wants the result: cancel.
    Cancel,
    /// It was begun and is finished, or its resource wants what it brings.
    LetRun,
}

/// What a completion that is not the last asks for.
#[derive(Default)]
pub(crate) struct More {
    /// Whom to wake.
    pub(crate) wake: Waiter,
    /// Whether the operation is to be cancelled, because whom it feeds is full.
    pub(crate) cancel: bool,
    /// Whose line moves on: all bytes of a send are queued, though the kernel still reads its buffer.
    pub(crate) over: Option<Rc<Outlet>>,
}

/// One kind of operation.
///
/// # Safety
///
/// Whatever the entry of [`entry`](Operation::entry) points to must be on the heap (or static) and owned by the
/// operation, at an address that does not change when the operation value moves; and the operation must not touch
/// it, where the kernel writes, before `finish` or `orphaned`. It stays valid until the operation is dropped.
#[allow(unsafe_code, reason = "what an entry points to is read and written by the kernel")]
pub(crate) unsafe trait Operation: Sized + 'static {
    /// What the future gives.
    type Output;

    /// See [`OnDrop`].
    const ON_DROP: OnDrop;

    /// Lowers the operation into an entry. The driver fills in `user_data`.
    fn entry(&mut self) -> Sqe;

    /// How often it was submitted again, where a result that says "cancelled" or "interrupted" proves that it had no
    /// effect: then it is submitted again unless somebody did cancel it. Without a count the result is told as it is.
    fn tries(&mut self) -> Option<&mut Tries> {
        None
    }

    /// A completion that is not the last. Runs while the driver is borrowed: it must not call code of users.
    fn more(&mut self, _cqe: Cqe) -> More {
        More::default()
    }

    /// The last completion, taken by the future.
    fn finish(self, cqe: Cqe) -> Self::Output;

    /// The last completion, and no future waits. Nothing that the operation brought may be lost or leak here.
    fn orphaned(self, cqe: Cqe);
}

/// The future of one operation. Nothing is submitted before the first poll.
#[must_use = "futures do nothing unless awaited"]
pub(crate) struct Op<T: Operation> {
    core: Rc<Core>,
    stage: Stage<T>,
}

enum Stage<T: Operation> {
    New(T),
    InFlight(Key),
    /// Answered without the kernel.
    Answered(T::Output),
    Done,
}

impl<T: Operation> Op<T> {
    #[inline(always)]
    pub(crate) fn new(core: &Rc<Core>, op: T) -> Self {
        Self { core: Rc::clone(core), stage: Stage::New(op) }
    }

    /// A future that is ready: the operation has nothing to ask the kernel.
    pub(crate) fn answered(core: &Rc<Core>, output: T::Output) -> Self {
        Self { core: Rc::clone(core), stage: Stage::Answered(output) }
    }
}

// The operation is moved into its record before the kernel sees it: nothing in here is pinned.
impl<T: Operation> Unpin for Op<T> {}

impl<T: Operation> Future for Op<T> {
    type Output = T::Output;

    #[inline]
    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<T::Output> {
        ready!(coop::poll_proceed(cx));
        let this = &mut *self;
        if let Stage::InFlight(key) = this.stage {
            let Some((mut op, cqe)) = this.core.poll_op::<T>(key, cx.waker()) else { return Poll::Pending };
            this.stage = Stage::Done;
            // Only a drop of this future or the end of the core cancels it, and neither has come.
            if cqe.res < 0 && is_given_up(&this.core, &mut op, cqe) {
                this.stage = Stage::InFlight(this.core.submit(op, cx.waker()));
                return Poll::Pending;
            }
            coop::progressed();
            return Poll::Ready(op.finish(cqe));
        }
        match std::mem::replace(&mut this.stage, Stage::Done) {
            Stage::New(op) => {
                this.stage = Stage::InFlight(this.core.submit(op, cx.waker()));
                Poll::Pending
            }
            Stage::Answered(output) => {
                coop::progressed();
                Poll::Ready(output)
            }
            Stage::InFlight(_) | Stage::Done => {
                panic!("uring: an operation's future was polled after it had completed")
            }
        }
    }
}

impl<T: Operation> Drop for Op<T> {
    fn drop(&mut self) {
        if let Stage::InFlight(key) = self.stage {
            self.core.abandon(key, T::ON_DROP);
        }
    }
}

/// Whether an operation that nobody has cancelled is to be submitted again.
#[cold]
fn is_given_up<T: Operation>(core: &Core, op: &mut T, cqe: Cqe) -> bool {
    core.is_running() && op.tries().is_some_and(|tries| tries.again(cqe.errno()))
}

/// The orphan step of an operation that is finished once it has begun: it is submitted again when the kernel gave it up.
/// Else it is dropped here, after its last completion, and nobody is left to tell of an error.
pub(crate) fn carry_on<T: Operation>(core: &Rc<Core>, mut op: T, cqe: Cqe) {
    if cqe.res < 0 && is_given_up(core, &mut op, cqe) {
        core.submit_detached(op);
    }
}
