//! A task: its future, then its output, in one allocation that several parties hold.
//!
//! ```text
//!   spawn           poll: Pending           poll: Ready, a panic,        JoinHandle
//!  ──────▶ Running ──────────────▶ Running ─────────────────────▶ Finished ────────▶ Taken
//!             ▲__________________________|    abort, runtime's end
//! ```
//!
//! The holders are the core's table ([`Task`]), the [`JoinHandle`](super::JoinHandle) ([`Joined`]) and any number of
//! [`AbortHandle`](super::AbortHandle)s ([`Watched`]); the last to leave frees the allocation. All are on the core's
//! thread, so nothing is atomic: other threads know a task only by its waker, which is a name.
//!
//! Who may touch the stage: while it is `Running`, only the table's side; once `finished` is set, only the handle's,
//! or, when the handle has left before, the table's. Who only watches never does, and keeps no output alive: that goes
//! with the handle and the table. The future never moves: it lies in the allocation from spawn to its drop.
#![allow(unsafe_code, reason = "a type-erased allocation with several holders, and the future pinned in it")]

use std::alloc::Layout;
use std::any::Any;
use std::cell::{Cell, UnsafeCell};
use std::marker::PhantomData;
use std::mem::MaybeUninit;
use std::panic::{self, AssertUnwindSafe, Location};
use std::pin::Pin;
use std::ptr::{self, NonNull};
use std::task::{Context, Poll, Waker};

use crate::panics::contain;

use super::handle::JoinError;
use super::memory;
use super::waiter::Waiter;

/// What all holders see.
pub(super) struct Header {
    table: &'static Table,
    /// Who spawned it.
    spawned: &'static Location<'static>,
    /// How many there are.
    holders: Cell<u32>,
    /// Set if the handle has left: nobody wants the output.
    detached: Cell<bool>,
    /// Set if the stage is `Finished` or `Taken`.
    finished: Cell<bool>,
    /// Set if the task is to be cancelled when it runs next.
    aborted: Cell<bool>,
    /// Who waits for the output.
    joiner: Cell<Waiter>,
}

/// What depends on the future's type. Each function takes the allocation that the table belongs to.
struct Table {
    run: unsafe fn(NonNull<Header>, &Waker) -> bool,
    cancel: unsafe fn(NonNull<Header>),
    take: unsafe fn(NonNull<Header>, *mut ()),
    discard: unsafe fn(NonNull<Header>),
    free: unsafe fn(NonNull<Header>),
}

enum Stage<F: Future> {
    Running(F),
    Finished(Result<F::Output, JoinError>),
    Taken,
}

/// The allocation. `repr(C)`, so that the header is at its beginning.
#[repr(C)]
struct Body<F: Future> {
    header: Header,
    stage: UnsafeCell<Stage<F>>,
}

impl<F: Future> Body<F> {
    const TABLE: &'static Table = &Table {
        run: run::<F>,
        cancel: cancel::<F>,
        take: take::<F>,
        discard: discard::<F>,
        free: free::<F>,
    };
    const LAYOUT: Layout = Layout::new::<Self>();
}

/// The table's hold of a task.
pub(crate) struct Task(NonNull<Header>);

/// The handle's hold of a task with this output.
pub(super) struct Joined<T> {
    header: NonNull<Header>,
    output: PhantomData<T>,
}

/// The hold of somebody who does not want the output.
pub(super) struct Watched(NonNull<Header>);

/// Puts a future into an allocation of its own.
#[inline]
pub(super) fn task<F>(future: F, spawned: &'static Location<'static>) -> (Task, Joined<F::Output>)
where
    F: Future + 'static,
    F::Output: 'static,
{
    let block = memory::allocate(Body::<F>::LAYOUT).cast::<Body<F>>();
    let header = Header {
        table: Body::<F>::TABLE,
        spawned,
        holders: Cell::new(2),
        detached: Cell::new(false),
        finished: Cell::new(false),
        aborted: Cell::new(false),
        joiner: Cell::default(),
    };
    // SAFETY: the block has the layout of a body and is nobody else's.
    unsafe { block.write(Body { header, stage: UnsafeCell::new(Stage::Running(future)) }) };
    let header = block.cast::<Header>();
    (Task(header), Joined { header, output: PhantomData })
}

impl Task {
    fn header(&self) -> &Header {
        // SAFETY: the allocation lives while a holder does, and the header is only ever borrowed shared.
        unsafe { self.0.as_ref() }
    }

    #[inline]
    pub(crate) fn spawned(&self) -> &'static Location<'static> {
        self.header().spawned
    }

    /// Polls the future once. Gives whether the task is finished.
    #[inline]
    pub(crate) fn run(&self, waker: &Waker) -> bool {
        if self.header().aborted.get() {
            self.cancel();
            return true;
        }
        // SAFETY: the table is that of this allocation; the table's side has it, and it is not finished: a
        // finished task is not in the table.
        let finished = unsafe { (self.header().table.run)(self.0, waker) };
        if finished {
            self.announce();
        }
        finished
    }

    /// Drops the future; whoever joins learns that the task was cancelled.
    pub(crate) fn cancel(&self) {
        // SAFETY: as in `run`.
        unsafe { (self.header().table.cancel)(self.0) };
        self.announce();
    }

    /// From here on the stage is the handle's.
    #[inline]
    fn announce(&self) {
        let header = self.header();
        header.finished.set(true);
        header.joiner.take().wake_contained();
    }
}

impl Drop for Task {
    #[inline]
    fn drop(&mut self) {
        let header = self.header();
        let Table { discard, free, .. } = *header.table;
        // The output has nobody to go to, and neither has a panic of its drop: the panic hook has reported it.
        if header.leaves_last() {
            // SAFETY: all others have left.
            contain(|| unsafe { free(self.0) });
        } else if header.detached.get() && header.finished.get() {
            // SAFETY: the task is finished and the handle has left, so the stage is this side's.
            contain(|| unsafe { discard(self.0) });
        }
    }
}

impl Header {
    pub(super) fn is_finished(&self) -> bool {
        self.finished.get()
    }

    pub(super) fn abort(&self) {
        self.aborted.set(true);
    }

    /// One holder more, of this header.
    fn watch(&self, header: NonNull<Self>) -> Watched {
        let holders = self.holders.get().checked_add(1);
        self.holders.set(holders.expect("invariant: memory ends before four billion handles"));
        Watched(header)
    }

    /// One holder less. Gives whether it was the last: who leaves now frees the allocation.
    #[inline]
    fn leaves_last(&self) -> bool {
        let left = self.holders.get() - 1;
        self.holders.set(left);
        left == 0
    }
}

impl<T> Joined<T> {
    pub(super) fn header(&self) -> &Header {
        // SAFETY: the allocation lives while a holder does, and the header is only ever borrowed shared.
        unsafe { self.header.as_ref() }
    }

    /// Takes the output, or leaves the waker.
    #[inline]
    pub(super) fn poll(&self, waker: &Waker) -> Poll<Result<T, JoinError>> {
        let header = self.header();
        if !header.finished.get() {
            header.joiner.set(Waiter::of(waker));
            return Poll::Pending;
        }
        let mut output = MaybeUninit::<Result<T, JoinError>>::uninit();
        // SAFETY: the task is finished, so the stage is this side's; the output's type is that of the future's.
        unsafe { (header.table.take)(self.header, output.as_mut_ptr().cast()) };
        // SAFETY: `take` has written it.
        Poll::Ready(unsafe { output.assume_init() })
    }

    pub(super) fn watch(&self) -> Watched {
        self.header().watch(self.header)
    }
}

impl<T> Drop for Joined<T> {
    #[inline]
    fn drop(&mut self) {
        let header = self.header();
        let Table { discard, free, .. } = *header.table;
        drop(header.joiner.take());
        header.detached.set(true);
        if header.leaves_last() {
            // SAFETY: all others have left.
            unsafe { free(self.header) };
        } else if header.finished.get() {
            // SAFETY: the task is finished, so the stage is this side's; the table or somebody who watches is left.
            unsafe { discard(self.header) };
        }
    }
}

impl Watched {
    pub(super) fn header(&self) -> &Header {
        // SAFETY: the allocation lives while a holder does, and the header is only ever borrowed shared.
        unsafe { self.0.as_ref() }
    }
}

impl Clone for Watched {
    fn clone(&self) -> Self {
        self.header().watch(self.0)
    }
}

impl Drop for Watched {
    fn drop(&mut self) {
        let free = self.header().table.free;
        if self.header().leaves_last() {
            // SAFETY: all others have left.
            unsafe { free(self.0) };
        }
    }
}

/// # Safety
///
/// The header is that of a live `Body<F>`.
unsafe fn stage<F: Future>(header: NonNull<Header>) -> *mut Stage<F> {
    // SAFETY: the caller says that it is the header of a `Body<F>`.
    let body = unsafe { header.cast::<Body<F>>().as_ref() };
    body.stage.get()
}

/// Ends the future, in place, and keeps the result, also when the drop panics.
///
/// # Safety
///
/// `stage` is valid and nobody else's.
#[inline]
unsafe fn finish<F: Future>(stage: *mut Stage<F>, result: Result<F::Output, JoinError>) {
    struct Finish<F: Future>(*mut Stage<F>, Option<Result<F::Output, JoinError>>);
    impl<F: Future> Drop for Finish<F> {
        fn drop(&mut self) {
            let stage = self.1.take().map_or(Stage::Taken, Stage::Finished);
            // SAFETY: the stage is valid, and what it held was dropped.
            unsafe { self.0.write(stage) };
        }
    }
    let _finish = Finish::<F>(stage, Some(result));
    // SAFETY: the stage is valid; it is written anew before anybody looks at it.
    unsafe { ptr::drop_in_place(stage) };
}

/// # Safety
///
/// The header is that of a live `Body<F>` whose stage is the caller's and `Running`.
unsafe fn run<F: Future>(header: NonNull<Header>, waker: &Waker) -> bool {
    // SAFETY: handed on.
    let stage = unsafe { stage::<F>(header) };
    let polled = panic::catch_unwind(AssertUnwindSafe(|| {
        // SAFETY: the stage is the caller's.
        let Stage::Running(future) = (unsafe { &mut *stage }) else {
            unreachable!("invariant: a finished task is not in the table");
        };
        // SAFETY: the future lies in an allocation that does not move, and is dropped there.
        let future = unsafe { Pin::new_unchecked(future) };
        match future.poll(&mut Context::from_waker(waker)) {
            Poll::Pending => false,
            Poll::Ready(output) => {
                // SAFETY: as above; the borrow of the future has ended.
                unsafe { finish::<F>(stage, Ok(output)) };
                true
            }
        }
    }));
    polled.unwrap_or_else(|payload| {
        // SAFETY: as above.
        unsafe { fail::<F>(stage, JoinError::panic(payload)) };
        true
    })
}

/// Drops what the stage holds, whatever that does, and keeps the error.
///
/// # Safety
///
/// `stage` is valid and nobody else's.
#[cold]
unsafe fn fail<F: Future>(stage: *mut Stage<F>, error: JoinError) {
    // SAFETY: handed on.
    let dropped = panic::catch_unwind(AssertUnwindSafe(|| unsafe { finish::<F>(stage, Err(error)) }));
    if let Err(payload) = dropped {
        // SAFETY: `finish` has left a valid stage.
        let before = unsafe { stage.replace(Stage::Finished(Err(JoinError::panic(payload)))) };
        // The error before may hold a payload of the user's, whose drop could panic again.
        contain(|| drop(before));
    }
}

/// # Safety
///
/// The header is that of a live `Body<F>` whose stage is the caller's.
unsafe fn cancel<F: Future>(header: NonNull<Header>) {
    // SAFETY: handed on.
    let stage = unsafe { stage::<F>(header) };
    // SAFETY: handed on.
    unsafe { fail::<F>(stage, JoinError::cancelled()) };
}

/// # Safety
///
/// The header is that of a live `Body<F>` whose stage is the caller's and not `Running`; `output` is valid for a
/// write of the future's result.
unsafe fn take<F: Future>(header: NonNull<Header>, output: *mut ()) {
    // SAFETY: handed on.
    let stage = unsafe { stage::<F>(header) };
    // SAFETY: the stage is the caller's.
    match unsafe { stage.replace(Stage::Taken) } {
        // SAFETY: `output` is valid for this type.
        Stage::Finished(result) => unsafe { output.cast::<Result<F::Output, JoinError>>().write(result) },
        Stage::Running(_) | Stage::Taken => panic!("uring: a JoinHandle was polled after it had completed"),
    }
}

/// Drops the output that nobody wants.
///
/// # Safety
///
/// The header is that of a live `Body<F>` whose stage is the caller's and not `Running`.
unsafe fn discard<F: Future>(header: NonNull<Header>) {
    // SAFETY: handed on.
    let stage = unsafe { stage::<F>(header) };
    // Moved out first, so that the stage is a valid one while the output's drop, which is code of users, runs.
    // SAFETY: the stage is the caller's.
    drop(unsafe { stage.replace(Stage::Taken) });
}

/// # Safety
///
/// The header is that of a live `Body<F>` which nobody uses any more.
unsafe fn free<F: Future>(header: NonNull<Header>) {
    struct Free(NonNull<u8>, Layout);
    impl Drop for Free {
        fn drop(&mut self) {
            // SAFETY: the block came from `allocate` with this layout, and what it held was dropped.
            unsafe { memory::free(self.0, self.1) };
        }
    }
    // The block goes also when the drop of an output panics.
    let _free = Free(header.cast(), Body::<F>::LAYOUT);
    // SAFETY: the body is live and nobody else's.
    unsafe { ptr::drop_in_place(header.cast::<Body<F>>().as_ptr()) };
}

/// What a panic carries.
pub(super) type Payload = Box<dyn Any + Send>;
