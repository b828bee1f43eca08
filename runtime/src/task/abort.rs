//! A handle that can cancel a task, without a claim to its output.

use std::fmt;

use super::raw::Watched;
use super::waker::Name;

/// Can cancel a task: see [`JoinHandle::abort_handle`](super::JoinHandle::abort_handle).
///
/// It keeps the task's memory, but neither its future nor its output: these go as if it were not there. Dropping it does
/// nothing to the task.
#[derive(Clone)]
pub struct AbortHandle {
    task: Watched,
    name: Name,
}

impl AbortHandle {
    pub(super) fn new(task: Watched, name: Name) -> Self {
        Self { task, name }
    }

    /// Cancels the task, as [`JoinHandle::abort`](super::JoinHandle::abort) does.
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
}

impl fmt::Debug for AbortHandle {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("AbortHandle").field("finished", &self.is_finished()).finish_non_exhaustive()
    }
}
