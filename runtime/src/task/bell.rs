//! What wakes a core that sleeps in the kernel.
//!
//! A core that has a ring of its own sends a message to the sleeper's ring, with its next enter. Everybody else writes
//! to the sleeper's eventfd, which its ring reads. It must not know who is to be woken, nor why.

use std::os::fd::{AsFd, AsRawFd, BorrowedFd, OwnedFd, RawFd};
use std::sync::Arc;

use crate::core::with_current;

/// The ways to wake one core.
pub(crate) struct Bell {
    place: u16,
    counter: OwnedFd,
    mailbox: Option<OwnedFd>,
}

impl Bell {
    /// The bell of the core at this place: an eventfd that it reads, and its ring, where that takes messages.
    pub(crate) fn new(place: u16, counter: OwnedFd, mailbox: Option<OwnedFd>) -> Self {
        Self { place, counter, mailbox }
    }

    pub(crate) fn place(&self) -> u16 {
        self.place
    }

    /// The ring that takes messages.
    pub(crate) fn mailbox(&self) -> Option<BorrowedFd<'_>> {
        self.mailbox.as_ref().map(AsFd::as_fd)
    }

    /// The eventfd's number, which is open as long as the bell lives.
    pub(crate) fn counter(&self) -> RawFd {
        self.counter.as_raw_fd()
    }

    /// Wakes the core from any thread, at once.
    pub(crate) fn notify(&self) {
        if let Err(error) = uring_sys_shim::notify(self.counter.as_fd()) {
            tracing::error!(%error, "a sleeping core's bell could not be rung");
        }
    }
}

/// Wakes a core: by a message of the core that runs on this thread, or by hand.
pub(super) fn ring(bell: Arc<Bell>) {
    let unsent = with_current(|core| match core {
        Some(core) => core.send(bell).err(),
        None => Some(bell),
    });
    if let Some(bell) = unsent {
        bell.notify();
    }
}
