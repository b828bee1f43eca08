//! What a spawner keeps of a task on another core, and that task.

use std::fmt;
use std::panic::{self, AssertUnwindSafe};
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll, Wake, Waker};
use std::thread::{self, Thread};

use pin_project_lite::pin_project;

use super::outcome::{Outcome, Promise};
use crate::core::with_current;
use crate::task::JoinError;

/// Waits for a task on another core, and can cancel it. Dropping it detaches the task, which goes on by itself.
///
/// Awaiting it, on any core or in any executor, gives the task's output, or a [`JoinError`] when the task panicked, was
/// aborted or its core has ended.
///
/// # Cancel safety
///
/// A handle can be awaited by reference and dropped without losing the output, as long as it was not taken.
#[must_use = "dropping the handle detaches the task; say so with `drop`, or await it"]
pub struct RemoteJoinHandle<T>(Arc<Outcome<T>>);

impl<T> RemoteJoinHandle<T> {
    pub(super) fn new(outcome: Arc<Outcome<T>>) -> Self {
        Self(outcome)
    }

    /// Cancels the task: its future is dropped on its own core, and whoever joins gets a [`JoinError`] that
    /// [is cancelled](JoinError::is_cancelled). A task that has finished by then is left as it is.
    pub fn abort(&self) {
        self.0.abort();
    }

    /// Whether the task has finished, panicked or been cancelled.
    #[must_use]
    pub fn is_finished(&self) -> bool {
        self.0.is_finished()
    }

    /// Blocks this thread until the task has finished: for threads without an executor.
    ///
    /// # Errors
    ///
    /// As awaiting the handle.
    ///
    /// # Panics
    ///
    /// Within a runtime, whose core would stand still: await the handle there.
    pub fn wait(mut self) -> Result<T, JoinError> {
        assert!(
            with_current(|core| core.is_none()),
            "uring: a runtime runs on this thread, which must not block; `.await` the handle instead"
        );
        let waker = Waker::from(Arc::new(Unpark(thread::current())));
        let mut cx = Context::from_waker(&waker);
        loop {
            match Pin::new(&mut self).poll(&mut cx) {
                Poll::Ready(result) => return result,
                Poll::Pending => thread::park(),
            }
        }
    }
}

struct Unpark(Thread);

impl Wake for Unpark {
    fn wake(self: Arc<Self>) {
        self.0.unpark();
    }
}

impl<T> Future for RemoteJoinHandle<T> {
    type Output = Result<T, JoinError>;

    fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        self.0.poll(cx.waker())
    }
}

impl<T> Drop for RemoteJoinHandle<T> {
    fn drop(&mut self) {
        self.0.leave();
    }
}

impl<T> fmt::Debug for RemoteJoinHandle<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("RemoteJoinHandle").field("finished", &self.is_finished()).finish_non_exhaustive()
    }
}

pin_project! {
    /// The task on its core: the future, which is dropped before anybody learns what it came to.
    pub(super) struct Remote<F: Future> {
        #[pin]
        future: Option<F>,
        started: bool,
        promise: Promise<F::Output>,
    }
}

impl<F: Future> Remote<F> {
    pub(super) fn new(future: F, promise: Promise<F::Output>) -> Self {
        Self { future: Some(future), started: false, promise }
    }
}

impl<F: Future> Future for Remote<F> {
    type Output = ();

    fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<()> {
        let mut this = self.project();
        let Some(outcome) = this.promise.outcome() else { return Poll::Ready(()) };
        if !std::mem::replace(this.started, true) {
            outcome.started(cx.waker().clone());
        }
        let result = if outcome.is_aborted() {
            Err(JoinError::cancelled())
        } else {
            let future =
                this.future.as_mut().as_pin_mut().expect("invariant: it is there until it has finished");
            match panic::catch_unwind(AssertUnwindSafe(|| future.poll(cx))) {
                Ok(Poll::Pending) => return Poll::Pending,
                Ok(Poll::Ready(output)) => Ok(output),
                Err(payload) => Err(JoinError::panic(payload)),
            }
        };
        let dropped = panic::catch_unwind(AssertUnwindSafe(|| this.future.set(None)));
        this.promise.keep(match dropped {
            Ok(()) => result,
            Err(payload) => Err(JoinError::panic(payload)),
        });
        Poll::Ready(())
    }
}
