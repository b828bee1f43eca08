//! What a spawner keeps of its task.

use std::any::Any;
use std::pin::Pin;
use std::rc::Rc;
use std::task::{Context, Poll, Waker};
use std::{fmt, io};

use super::cell::Joinable;

/// Waits for a task, and can cancel it. Dropping it detaches the task, which goes on by itself.
///
/// Awaiting it gives the task's output, or a [`JoinError`] when the task panicked or was cancelled.
///
/// # Cancel safety
///
/// A handle can be awaited by reference and dropped without losing the output, as long as it was not taken.
#[must_use = "dropping the handle detaches the task; say so with `drop`, or await it"]
pub struct JoinHandle<T> {
    task: Rc<dyn Joinable<T>>,
    /// Wakes the task itself.
    waker: Waker,
}

impl<T> JoinHandle<T> {
    pub(super) fn new(task: Rc<impl Joinable<T> + 'static>, waker: Waker) -> Self {
        Self { task, waker }
    }

    /// Cancels the task: its future is dropped when its turn comes, and whoever joins gets a [`JoinError`] that
    /// [is cancelled](JoinError::is_cancelled). A task that has finished by then is left as it is.
    pub fn abort(&self) {
        if !self.task.is_finished() {
            self.task.abort();
            self.waker.wake_by_ref();
        }
    }

    /// Whether the task has finished, panicked or been cancelled.
    #[must_use]
    pub fn is_finished(&self) -> bool {
        self.task.is_finished()
    }
}

impl<T> Future for JoinHandle<T> {
    type Output = Result<T, JoinError>;

    fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        self.task.poll_join(cx.waker())
    }
}

impl<T> Drop for JoinHandle<T> {
    fn drop(&mut self) {
        self.task.detach();
    }
}

impl<T> fmt::Debug for JoinHandle<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("JoinHandle").field("finished", &self.is_finished()).finish_non_exhaustive()
    }
}

/// Why a task has no output.
pub struct JoinError(Reason);

enum Reason {
    Cancelled,
    Panicked(Box<dyn Any + Send>),
}

impl JoinError {
    pub(super) fn cancelled() -> Self {
        Self(Reason::Cancelled)
    }

    pub(super) fn panic(payload: Box<dyn Any + Send>) -> Self {
        Self(Reason::Panicked(payload))
    }

    /// Whether the task was aborted, or its runtime ended.
    #[must_use]
    pub fn is_cancelled(&self) -> bool {
        matches!(self.0, Reason::Cancelled)
    }

    /// Whether the task panicked.
    #[must_use]
    pub fn is_panic(&self) -> bool {
        matches!(self.0, Reason::Panicked(_))
    }

    /// What the task panicked with, to be resumed by [`std::panic::resume_unwind`].
    ///
    /// # Errors
    ///
    /// This error itself, when the task did not panic.
    pub fn try_into_panic(self) -> Result<Box<dyn Any + Send>, Self> {
        match self.0 {
            Reason::Panicked(payload) => Ok(payload),
            Reason::Cancelled => Err(self),
        }
    }

    /// What the task panicked with.
    ///
    /// # Panics
    ///
    /// When the task did not panic.
    #[must_use]
    pub fn into_panic(self) -> Box<dyn Any + Send> {
        self.try_into_panic().expect("the task was cancelled, it did not panic")
    }

    fn message(&self) -> Option<&str> {
        let Reason::Panicked(payload) = &self.0 else { return None };
        let text = payload.downcast_ref::<&str>().copied();
        text.or_else(|| payload.downcast_ref::<String>().map(String::as_str))
    }
}

impl fmt::Display for JoinError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match (&self.0, self.message()) {
            (Reason::Cancelled, _) => f.write_str("the task was cancelled"),
            (Reason::Panicked(_), Some(message)) => write!(f, "the task panicked: {message}"),
            (Reason::Panicked(_), None) => f.write_str("the task panicked"),
        }
    }
}

impl fmt::Debug for JoinError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "JoinError({self})")
    }
}

impl std::error::Error for JoinError {}

impl From<JoinError> for io::Error {
    fn from(error: JoinError) -> Self {
        io::Error::other(error.to_string())
    }
}
