//! The atomics, the lock and the bell of an inbox. The models under `tests/loom` put others in its place.
//!
//! It owns nothing, and must not know the protocol.

use std::os::fd::{AsFd, OwnedFd};

pub(super) use std::sync::atomic::{AtomicBool, Ordering, fence};
pub(super) use std::sync::{Mutex, MutexGuard};

/// An eventfd.
pub(super) type Bell = OwnedFd;

/// Wakes the core that sleeps in the kernel.
pub(super) fn ring(bell: &Bell) {
    if let Err(error) = uring_sys_shim::notify(bell.as_fd()) {
        tracing::error!(%error, "a sleeping core's bell could not be rung");
    }
}
