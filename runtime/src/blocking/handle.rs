//! What the caller keeps of a call that blocks.

use std::fmt;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll, ready};

use super::job::Job;
use super::{Ticket, Work};
use crate::core::Core;
use crate::task::{JoinError, coop};

/// Runs a call that blocks, or computes for long, on a thread of the runtime's pool.
///
/// Threads start when they are needed, up to [`Builder::blocking_threads_max`](crate::Builder::blocking_threads_max), and
/// end when nothing has come for a while. What finds all of them busy waits, first come, first served, up to
/// [`Builder::blocking_queue_max`](crate::Builder::blocking_queue_max); what finds no place there is not run, and its
/// handle gives a [`JoinError`] that [is rejected](JoinError::is_rejected).
///
/// Dropping the handle detaches the call, which goes on by itself. When the runtime ends, calls that have not begun are
/// dropped and their handles give a `JoinError` that [is cancelled](JoinError::is_cancelled); the end does not wait for
/// those that run. Signals of the process do not go to the threads of the pool.
///
/// # Panics
///
/// Outside of a runtime, and in a forked child of the process whose runtime it is.
///
/// # Examples
///
/// ```no_run
/// # async fn demo() -> Result<(), uring_runtime::task::JoinError> {
/// use std::net::ToSocketAddrs;
///
/// use uring_runtime::task::spawn_blocking;
///
/// let found = spawn_blocking(|| ("localhost", 80).to_socket_addrs().map(|all| all.count())).await?;
/// # drop(found);
/// # Ok(())
/// # }
/// ```
#[track_caller]
pub fn spawn_blocking<F, T>(call: F) -> BlockingHandle<T>
where
    F: FnOnce() -> T + Send + 'static,
    T: Send + 'static,
{
    let core = Core::current();
    let job = Arc::new(Job::new(Box::new(call)));
    let work = Arc::clone(&job) as Arc<dyn Work>;
    let ticket = match core.blocking() {
        Some(pool) => pool.submit(core.id(), work),
        None => {
            // The runtime is ending and begins nothing any more.
            work.give_up(JoinError::cancelled());
            None
        }
    };
    BlockingHandle { job, ticket }
}

/// Waits for a call that blocks, and can cancel it before it has begun: see [`spawn_blocking`]. Dropping it detaches the
/// call.
///
/// Awaiting it gives what the call returned, or a [`JoinError`] when it panicked, was cancelled or was rejected.
///
/// # Cancel safety
///
/// A handle can be awaited by reference and dropped without losing the output, as long as it was not taken.
#[must_use = "dropping the handle detaches the call; say so with `drop`, or await it"]
pub struct BlockingHandle<T> {
    job: Arc<Job<T>>,
    ticket: Option<Ticket>,
}

impl<T: Send> BlockingHandle<T> {
    /// Cancels the call: one that has not begun is dropped here and never runs. One that runs cannot be stopped; it goes
    /// on, and what it returns is dropped. In both cases whoever awaits the handle gets a [`JoinError`] that
    /// [is cancelled](JoinError::is_cancelled) at once. A call that is over by then is left as it is.
    pub fn abort(&self) {
        // First out of the queue, so that its place is free again.
        if let Some(ticket) = &self.ticket {
            ticket.withdraw();
        }
        self.job.give_up(JoinError::cancelled());
    }

    /// Whether the call has returned, panicked, or been cancelled or rejected.
    #[must_use]
    pub fn is_finished(&self) -> bool {
        self.job.is_over()
    }
}

impl<T: Send> Future for BlockingHandle<T> {
    type Output = Result<T, JoinError>;

    fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        ready!(coop::poll_proceed(cx));
        let result = ready!(self.job.poll(cx.waker()));
        coop::progressed();
        Poll::Ready(result)
    }
}

impl<T> fmt::Debug for BlockingHandle<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("BlockingHandle").finish_non_exhaustive()
    }
}
