//! What a task can be given besides its future.

use super::handle::JoinHandle;
use super::priority::Priority;
use super::spawn::start;

/// Spawns a task with a name or a priority.
///
/// The name is for people: reports of polls that take long have it, see
/// [`Builder::stall_limit`](crate::Builder::stall_limit). As that of tokio, without the `io::Result`: nothing can fail.
///
/// ```no_run
/// use uring_runtime::task::{Builder, Priority};
///
/// # async fn compact() {}
/// drop(Builder::new().name("compaction").priority(Priority::Background).spawn(compact()));
/// ```
#[derive(Clone, Copy, Debug, Default)]
#[must_use = "a builder does nothing unless `spawn` is called"]
pub struct Builder<'a> {
    name: Option<&'a str>,
    priority: Priority,
}

impl<'a> Builder<'a> {
    /// No name, and [`Priority::Normal`].
    pub fn new() -> Self {
        Self::default()
    }

    /// The task's name. It is copied, and kept as long as the task.
    pub fn name(mut self, name: &'a str) -> Self {
        self.name = Some(name);
        self
    }

    /// The task's priority.
    pub fn priority(mut self, priority: Priority) -> Self {
        self.priority = priority;
        self
    }

    /// Runs a future by itself, as [`spawn`](super::spawn) does.
    ///
    /// # Panics
    ///
    /// Outside of a runtime.
    #[track_caller]
    pub fn spawn<F>(self, future: F) -> JoinHandle<F::Output>
    where
        F: Future + 'static,
        F::Output: 'static,
    {
        start(self.priority, self.name, future)
    }
}
