//! A task: its future, then its output, in one allocation.
//!
//! ```text
//!   spawn           poll: Pending           poll: Ready, a panic,        JoinHandle
//!  ──────▶ Running ──────────────▶ Running ─────────────────────▶ Finished ────────▶ Taken
//!             ▲__________________________|    abort, runtime's end
//! ```
//!
//! The future never moves: it lies in the allocation from spawn to its drop, which happens in place.
#![allow(unsafe_code, reason = "pins a future that lies in a reference-counted allocation")]

use std::any::Any;
use std::cell::{Cell, RefCell};
use std::panic::{self, AssertUnwindSafe};
use std::pin::Pin;
use std::rc::Rc;
use std::task::{Context, Poll, Waker};

use super::handle::{JoinError, JoinHandle};
use super::waker::waker;
use crate::core::Core;

/// A task as the core's loop sees it.
pub(crate) trait Runnable {
    /// Polls the future once. Gives whether the task is finished.
    fn run(&self, waker: &Waker) -> bool;

    /// Drops the future; whoever joins learns that the task was cancelled.
    fn cancel(&self);
}

/// A task as its handle sees it.
pub(super) trait Joinable<T> {
    /// Takes the output, or leaves the waker.
    fn poll_join(&self, waker: &Waker) -> Poll<Result<T, JoinError>>;

    fn is_finished(&self) -> bool;

    /// The task is to be cancelled when it runs next.
    fn abort(&self);

    /// The handle is gone: nobody will take the output.
    fn detach(&self);
}

enum Stage<F: Future> {
    Running(F),
    Finished(Result<F::Output, JoinError>),
    Taken,
}

struct TaskCell<F: Future> {
    stage: RefCell<Stage<F>>,
    /// Set if the stage is `Finished` or `Taken`: readable while the future is being polled.
    finished: Cell<bool>,
    aborted: Cell<bool>,
    /// Set if there is no handle any more: the output is dropped when it comes.
    detached: Cell<bool>,
    joiner: Cell<Option<Waker>>,
}

/// Spawns a future on a core.
pub(super) fn spawn<F>(core: &Rc<Core>, future: F) -> JoinHandle<F::Output>
where
    F: Future + 'static,
    F::Output: 'static,
{
    let task = Rc::new(TaskCell {
        stage: RefCell::new(Stage::Running(future)),
        finished: Cell::new(false),
        aborted: Cell::new(false),
        detached: Cell::new(false),
        joiner: Cell::new(None),
    });
    if !core.is_open() {
        // The runtime is ending and runs no task any more.
        task.cancel();
        return JoinHandle::new(task, Waker::noop().clone());
    }
    let mut tasks = core.tasks.borrow_mut();
    let index = tasks.reserve();
    tasks.insert(index, Rc::clone(&task) as Rc<dyn Runnable>);
    JoinHandle::new(task, waker(core.id(), index))
}

type Caught<T> = Result<T, Box<dyn Any + Send>>;

impl<F: Future> TaskCell<F> {
    fn poll(&self, waker: &Waker) -> Caught<Poll<F::Output>> {
        panic::catch_unwind(AssertUnwindSafe(|| {
            let mut stage = self.stage.borrow_mut();
            let Stage::Running(future) = &mut *stage else {
                unreachable!("invariant: a finished task is not in the table");
            };
            // SAFETY: the future lies in an `Rc` that is never taken apart, and it is only ever replaced in place,
            // which drops it there: it does not move until it is dropped.
            let future = unsafe { Pin::new_unchecked(future) };
            future.poll(&mut Context::from_waker(waker))
        }))
    }

    /// Drops the future, in place, and keeps the result for the handle.
    fn finish(&self, result: Result<F::Output, JoinError>) {
        let dropped = panic::catch_unwind(AssertUnwindSafe(|| {
            *self.stage.borrow_mut() = Stage::Taken;
        }));
        let result = match dropped {
            Ok(()) => result,
            Err(payload) => result.and(Err(JoinError::panic(payload))),
        };
        self.finished.set(true);
        if self.detached.get() {
            // A panic of the output's drop has nobody to go to; the panic hook has reported it.
            let _ = panic::catch_unwind(AssertUnwindSafe(|| drop(result)));
            return;
        }
        *self.stage.borrow_mut() = Stage::Finished(result);
        if let Some(joiner) = self.joiner.take() {
            joiner.wake();
        }
    }
}

impl<F: Future> Runnable for TaskCell<F> {
    #[inline]
    fn run(&self, waker: &Waker) -> bool {
        if self.aborted.get() {
            self.cancel();
            return true;
        }
        match self.poll(waker) {
            Ok(Poll::Pending) => return false,
            Ok(Poll::Ready(output)) => self.finish(Ok(output)),
            Err(payload) => self.finish(Err(JoinError::panic(payload))),
        }
        true
    }

    fn cancel(&self) {
        self.finish(Err(JoinError::cancelled()));
    }
}

impl<F: Future> Joinable<F::Output> for TaskCell<F> {
    fn poll_join(&self, waker: &Waker) -> Poll<Result<F::Output, JoinError>> {
        if !self.finished.get() {
            self.joiner.set(Some(waker.clone()));
            return Poll::Pending;
        }
        match self.stage.replace(Stage::Taken) {
            Stage::Finished(result) => Poll::Ready(result),
            Stage::Running(_) | Stage::Taken => {
                panic!("uring: a JoinHandle was polled after it had completed")
            }
        }
    }

    fn is_finished(&self) -> bool {
        self.finished.get()
    }

    fn abort(&self) {
        self.aborted.set(true);
    }

    fn detach(&self) {
        self.detached.set(true);
        self.joiner.set(None);
    }
}
