//! A runtime as other threads know it.

use std::time::Duration;

use super::join::{Remote, RemoteJoinHandle};
use super::outcome::{Outcome, Promise};
use crate::core::Core;
use crate::task::{self, Address, Errand};

/// Reaches a runtime from any thread, for as long as anybody likes: when the runtime has ended, what is spawned is
/// cancelled.
///
/// ```
/// # fn main() -> Result<(), Box<dyn std::error::Error>> {
/// let runtime = uring_runtime::Runtime::new()?;
/// let handle = runtime.handle();
/// let (sender, answer) = uring_runtime::sync::oneshot::channel();
/// let thread = std::thread::spawn(move || sender.send(handle.spawn(|| async { 6 * 7 }).wait()));
/// assert_eq!(runtime.block_on(answer)??, 42);
/// # drop(thread.join());
/// # Ok(())
/// # }
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Handle(Address);

impl Handle {
    pub(crate) fn of(core: &Core) -> Self {
        Self(core.address())
    }

    /// The handle of the runtime that runs on this thread.
    ///
    /// # Panics
    ///
    /// Outside of a runtime.
    #[must_use]
    #[track_caller]
    pub fn current() -> Self {
        Self::of(&Core::current())
    }

    /// Spawns a task on that runtime's core. `make` is called there, so that the future need not be `Send`.
    ///
    /// Nothing waits here, and there is no limit to what can be sent: whoever sends faster than the core runs awaits the
    /// handles, or uses a bounded channel.
    ///
    /// A core that is awake takes the task in its next turn, and no system call is made. One that sleeps is woken by a
    /// message that leaves with the sender's next enter, or by its eventfd when the sender is no core. So a task that
    /// spawns and then blocks its own thread holds the message up, and with it what others send to that core meanwhile.
    pub fn spawn<M, F>(&self, make: M) -> RemoteJoinHandle<F::Output>
    where
        M: FnOnce() -> F + Send + 'static,
        F: Future + 'static,
        F::Output: Send + 'static,
    {
        let outcome = Outcome::new();
        let promise = Promise::new(&outcome);
        // Called within the task, so that a panic of it is the task's.
        let errand =
            Errand::new(move || drop(task::spawn(Remote::new(async move { make().await }, promise))));
        // Refused, it is dropped here, and its promise says that the task was cancelled.
        drop(task::send(self.0, errand));
        RemoteJoinHandle::new(outcome)
    }

    /// Shuts that one core down: see [`shutdown`](crate::shutdown()), which does so for all cores of a service.
    pub fn shutdown(&self, deadline: Duration) {
        // A core that has ended needs no telling.
        drop(task::send(self.0, Errand::new(move || Core::current().begin_shutdown(deadline))));
    }
}
