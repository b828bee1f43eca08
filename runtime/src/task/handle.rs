//! What a spawner keeps of its task.

use std::any::Any;
use std::pin::Pin;
use std::sync::{Mutex, PoisonError};
use std::task::{Context, Poll, ready};
use std::{fmt, io};

use super::abort::AbortHandle;
use super::coop;
use crate::panics;

use super::raw::{Joined, Payload};
use super::waker::Name;

/// Waits for a task, and can cancel it. Dropping it detaches the task, which goes on by itself.
///
/// Awaiting it gives the task's output, or a [`JoinError`] when the task panicked or was cancelled.
///
/// # Cancel safety
///
/// A handle can be awaited by reference and dropped without losing the output, as long as it was not taken.
#[must_use = "dropping the handle detaches the task; say so with `drop`, or await it"]
pub struct JoinHandle<T> {
    task: Joined<T>,
    name: Name,
}

impl<T> JoinHandle<T> {
    #[inline]
    pub(super) fn new(task: Joined<T>, name: Name) -> Self {
        Self { task, name }
    }

    /// Cancels the task: its future is dropped when its turn comes, and whoever joins gets a [`JoinError`] that
    /// [is cancelled](JoinError::is_cancelled). A task that has finished by then is left as it is.
    pub fn abort(&self) {
        if !self.task.header().is_finished() {
            self.task.header().abort();
            self.name.wake();
        }
    }

    /// Whether the task has finished, panicked or been cancelled.
    #[must_use]
    pub fn is_finished(&self) -> bool {
        self.task.header().is_finished()
    }

    /// Another handle, which can cancel the task and not await it.
    #[must_use]
    pub fn abort_handle(&self) -> AbortHandle {
        AbortHandle::new(self.task.watch(), self.name)
    }
}

impl<T> Future for JoinHandle<T> {
    type Output = Result<T, JoinError>;

    #[inline]
    fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        ready!(coop::poll_proceed(cx));
        let joined = ready!(self.task.poll(cx.waker()));
        coop::progressed();
        Poll::Ready(joined)
    }
}

// The output lies in the task's allocation, not in the handle.
impl<T> Unpin for JoinHandle<T> {}

impl<T> fmt::Debug for JoinHandle<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("JoinHandle").field("finished", &self.is_finished()).finish_non_exhaustive()
    }
}

/// Why a task, or a call that blocks, has no output.
pub struct JoinError(Box<Reason>);

/// Boxed in the error, so that a result with it is one word where there is no error.
enum Reason {
    Cancelled,
    /// In a mutex, so that the error is `Sync` and fits into any boxed error.
    Panicked(Mutex<Payload>),
    Rejected(Rejection),
}

/// Why a call that blocks was not taken.
pub(crate) enum Rejection {
    /// So many threads are busy, and so many calls wait for them.
    Full { threads: usize, queued: usize },
    /// There is no thread, and none could be started.
    NoThread(String),
}

impl fmt::Display for Rejection {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Full { threads, queued } => write!(
                f,
                "a blocking call was not run: {threads} threads are busy and {queued} calls wait for them already; cause: \
                 calls come faster than they return; cure: begin fewer at once, or build with more \
                 `blocking_threads_max` or `blocking_queue_max`"
            ),
            Self::NoThread(error) => write!(
                f,
                "a blocking call was not run: no thread could be started for it ({error}); cause: a limit of threads or \
                 of memory; cure: raise it (`ulimit -u`, `pids.max` of the cgroup), or free memory"
            ),
        }
    }
}

impl JoinError {
    pub(crate) fn cancelled() -> Self {
        Self(Box::new(Reason::Cancelled))
    }

    pub(crate) fn rejected(why: Rejection) -> Self {
        Self(Box::new(Reason::Rejected(why)))
    }

    pub(crate) fn panic(payload: Payload) -> Self {
        Self(Box::new(Reason::Panicked(Mutex::new(payload))))
    }

    /// Whether the task was aborted, or its runtime ended.
    #[must_use]
    pub fn is_cancelled(&self) -> bool {
        matches!(*self.0, Reason::Cancelled)
    }

    /// Whether a call that blocks was not run, because the pool was full: see [`spawn_blocking`](super::spawn_blocking).
    #[must_use]
    pub fn is_rejected(&self) -> bool {
        matches!(*self.0, Reason::Rejected(_))
    }

    /// Whether the task panicked.
    #[must_use]
    pub fn is_panic(&self) -> bool {
        matches!(*self.0, Reason::Panicked(_))
    }

    /// What the task panicked with, to be resumed by [`std::panic::resume_unwind`].
    ///
    /// # Errors
    ///
    /// This error itself, when the task did not panic.
    pub fn try_into_panic(self) -> Result<Box<dyn Any + Send>, Self> {
        match *self.0 {
            Reason::Panicked(payload) => Ok(payload.into_inner().unwrap_or_else(PoisonError::into_inner)),
            other => Err(Self(Box::new(other))),
        }
    }

    /// What the task panicked with.
    ///
    /// # Panics
    ///
    /// When the task did not panic.
    #[must_use]
    pub fn into_panic(self) -> Box<dyn Any + Send> {
        match self.try_into_panic() {
            Ok(payload) => payload,
            Err(error) => panic!("{error}, it did not panic"),
        }
    }

    fn message(&self) -> Option<String> {
        let Reason::Panicked(payload) = &*self.0 else { return None };
        let payload = payload.lock().unwrap_or_else(PoisonError::into_inner);
        panics::text(&**payload)
    }
}

impl fmt::Display for JoinError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match (&*self.0, self.message()) {
            (Reason::Rejected(why), _) => why.fmt(f),
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
