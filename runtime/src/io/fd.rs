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
pub struct Fd(Option<Rc<Shared>>);

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
        core.opened();
        Self(Some(Rc::new(Shared { fd: Cell::new(Some(fd)), raw, core, closer: Cell::new(None) })))
    }

    /// Gone only in the middle of the drop.
    #[inline]
    fn shared(&self) -> &Rc<Shared> {
        self.0.as_ref().expect("invariant: a descriptor is there until it is dropped")
    }

    pub(crate) fn raw(&self) -> RawFd {
        self.shared().raw
    }

    pub(crate) fn core(&self) -> &Rc<Core> {
        &self.shared().core
    }

    /// Waits until no operation uses the descriptor and takes it out.
    pub(crate) fn poll_take(&self, cx: &mut Context<'_>) -> Poll<Option<OwnedFd>> {
        if Rc::strong_count(self.shared()) == 1 {
            return Poll::Ready(self.shared().fd.take());
        }
        self.shared().closer.set(Some(cx.waker().clone()));
        Poll::Pending
    }
}

impl AsFd for Fd {
    #[allow(unsafe_code, reason = "borrows the descriptor that this value keeps open")]
    fn as_fd(&self) -> BorrowedFd<'_> {
        // SAFETY: the descriptor is taken out only by its last user, so it is open while `self` is borrowed.
        unsafe { BorrowedFd::borrow_raw(self.raw()) }
    }
}

impl AsRawFd for Fd {
    fn as_raw_fd(&self) -> RawFd {
        self.raw()
    }
}

impl Drop for Fd {
    fn drop(&mut self) {
        let Some(shared) = self.0.take() else { return };
        if Rc::strong_count(&shared) == 2
            && let Some(closer) = shared.closer.take()
        {
            // Counted down first: a waker that polls at once must find the closer alone.
            drop(shared);
            closer.wake();
        }
    }
}

impl Drop for Shared {
    fn drop(&mut self) {
        self.core.closed();
        if let Some(fd) = self.fd.take() {
            self.core.close(fd);
        }
    }
}

impl std::fmt::Debug for Fd {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_tuple("Fd").field(&self.raw()).finish()
    }
}
