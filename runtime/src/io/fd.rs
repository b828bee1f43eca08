//! A descriptor that is closed when nothing uses it any more.

use std::cell::Cell;
use std::os::fd::{AsFd, AsRawFd, BorrowedFd, OwnedFd, RawFd};
use std::rc::Rc;
use std::task::{Context, Poll, Waker};

use crate::core::Core;

/// A descriptor that its resource shares with the operations in flight on it.
///
/// Each operation's record holds one, so that the number cannot be closed, and given to another file, while an entry
/// that names it waits in a queue. The last one closes the descriptor, through the ring while the core runs.
#[derive(Clone)]
pub struct Fd(Rc<Shared>);

struct Shared {
    /// Taken when it is closed.
    fd: Cell<Option<OwnedFd>>,
    raw: RawFd,
    core: Rc<Core>,
    /// Who waits to be the only user.
    closer: Cell<Option<Waker>>,
}

impl Fd {
    pub(crate) fn new(core: &Rc<Core>, fd: OwnedFd) -> Self {
        let raw = fd.as_raw_fd();
        let core = Rc::clone(core);
        Self(Rc::new(Shared { fd: Cell::new(Some(fd)), raw, core, closer: Cell::new(None) }))
    }

    pub(crate) fn raw(&self) -> RawFd {
        self.0.raw
    }

    pub(crate) fn core(&self) -> &Rc<Core> {
        &self.0.core
    }

    /// Waits until no operation uses the descriptor and takes it out.
    pub(crate) fn poll_take(&self, cx: &mut Context<'_>) -> Poll<Option<OwnedFd>> {
        if Rc::strong_count(&self.0) == 1 {
            return Poll::Ready(self.0.fd.take());
        }
        self.0.closer.set(Some(cx.waker().clone()));
        Poll::Pending
    }
}

impl AsFd for Fd {
    #[allow(unsafe_code, reason = "borrows the descriptor that this value keeps open")]
    fn as_fd(&self) -> BorrowedFd<'_> {
        // SAFETY: the descriptor is taken out only by its last user, so it is open while `self` is borrowed.
        unsafe { BorrowedFd::borrow_raw(self.0.raw) }
    }
}

impl AsRawFd for Fd {
    fn as_raw_fd(&self) -> RawFd {
        self.0.raw
    }
}

impl Drop for Fd {
    fn drop(&mut self) {
        if Rc::strong_count(&self.0) == 2
            && let Some(closer) = self.0.closer.take()
        {
            closer.wake();
        }
    }
}

impl Drop for Shared {
    fn drop(&mut self) {
        if let Some(fd) = self.fd.take() {
            self.core.close(fd);
        }
    }
}

impl std::fmt::Debug for Fd {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_tuple("Fd").field(&self.0.raw).finish()
    }
}
