//! The atomics, the lock, the bell and the errands of an inbox. The models under `tests/loom` put others in their place.
//!
//! It owns nothing, and must not know the protocol.

pub(super) use std::sync::atomic::{AtomicBool, Ordering, fence};
pub(super) use std::sync::{Mutex, MutexGuard};

pub(super) use super::bell::{Bell, ring};

/// What a core is to do for another thread. It is dropped undone when the core has ended.
pub(crate) type Errand = Box<dyn FnOnce() + Send>;
