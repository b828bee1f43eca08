//! What the models use in the place of `src/remote/prims.rs`. It owns nothing.

pub(super) use loom::sync::atomic::{AtomicBool, Ordering};
pub(super) use loom::sync::{Arc, Mutex, MutexGuard};

/// Why a task has no output: only that it has none.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct JoinError;

impl JoinError {
    pub(super) fn cancelled() -> Self {
        Self
    }
}
