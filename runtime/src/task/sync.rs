//! The atomics, the lock, the bell and the errands of an inbox. The models under `tests/loom` put others in their place.
//!
//! It owns nothing, and must not know the protocol.

pub(super) use std::sync::atomic::{AtomicBool, Ordering, fence};
pub(super) use std::sync::{Mutex, MutexGuard};

pub(super) use super::bell::{Bell, ring};
use crate::panics::contain;

/// What a core is to do for another thread. It is dropped undone when the core has ended.
pub(crate) struct Errand(Option<Work>);

type Work = Box<dyn FnOnce() + Send>;

impl Errand {
    pub(crate) fn new(work: impl FnOnce() + Send + 'static) -> Self {
        Self(Some(Box::new(work)))
    }

    pub(crate) fn run(mut self) {
        if let Some(work) = self.0.take() {
            work();
        }
    }
}

impl Drop for Errand {
    fn drop(&mut self) {
        // What it carries is its sender's: a panic of that must neither stop the end of a core nor meet a second one.
        if let Some(undone) = self.0.take()
            && !contain(|| drop(undone))
        {
            tracing::error!("what was sent to a core that has ended panicked when it was dropped");
        }
    }
}
