//! The accepting side of a listening socket.
//!
//! Connections that the kernel has handed over wait here until somebody asks: none is lost with a future that was
//! dropped, and none is accepted without bound.

use std::cell::{Cell, RefCell};
use std::collections::VecDeque;
use std::io;
use std::os::fd::OwnedFd;
use std::pin::Pin;
use std::rc::Rc;
use std::task::{Context, Poll, ready};

use uring_sys_shim::Features;

use super::Fd;
use super::line::{Line, Place};
use super::shortage::{Shortage, Verdict, is_shortage};
use crate::driver::Key;
use crate::op::More;
use crate::op::accept::Accept;
use crate::op::recv::Shots;
use crate::op::tries::Tries;
use crate::task::{Waiter, coop};
use crate::time::{Instant, Sleep, sleep_until};

/// With so many connections waiting for somebody to ask, the kernel is told to stop: further ones wait in the
/// kernel's own backlog, where peers feel it.
const WAITING_MAX: usize = 128;

/// What a listener has accepted and what it waits for.
pub(crate) struct Backlog {
    fd: Fd,
    accepted: RefCell<VecDeque<OwnedFd>>,
    /// Of an accept that failed, and nobody was told yet.
    error: Cell<Option<io::Error>>,
    shortage: Cell<Shortage>,
    armed: Cell<Option<Key>>,
    stopping: Cell<bool>,
    /// The core shuts down: who asks is told, when nothing waits any more.
    refusing: Cell<bool>,
    /// How often in a row the kernel gave the accept up.
    tries: Cell<Tries>,
    /// The listener is gone: what still arrives is closed.
    unwanted: Cell<bool>,
    waiter: Cell<Waiter>,
    line: Line,
}

impl Backlog {
    fn arm(self: &Rc<Self>) {
        if self.armed.get().is_some() {
            return;
        }
        let core = self.fd.core();
        core.check();
        let many = core.features().contains(Features::ACCEPT_MULTISHOT);
        let shots = if many { Shots::Many } else { Shots::One };
        let accept = Accept { fd: self.fd.clone(), backlog: Rc::clone(self), shots };
        self.armed.set(Some(core.submit_detached(accept)));
    }

    fn take_in(&self, connection: io::Result<OwnedFd>) {
        match connection {
            _ if self.unwanted.get() => drop(connection),
            Ok(connection) => {
                self.tries.set(Tries::default());
                self.accepted.borrow_mut().push_back(connection);
            }
            Err(error) => match error.raw_os_error() {
                // A peer that has given up before it was accepted (`accept(2)`, "Error handling"): the next one is as good.
                Some(libc::ECONNABORTED | libc::EPROTO) => {}
                // Also because enough wait, when connections had come: armed again when somebody asks.
                Some(errno) if self.is_given_up(errno) => {}
                _ => self.error.set(Some(error)),
            },
        }
    }

    /// Whether an accept that was cancelled or interrupted is to be armed again: not when it is all that happens.
    #[cold]
    fn is_given_up(&self, errno: i32) -> bool {
        let mut tries = self.tries.get();
        let again = tries.again(errno);
        self.tries.set(tries);
        again
    }

    /// A connection came, and more will. Runs while the driver is borrowed.
    pub(crate) fn arrived(&self, connection: io::Result<OwnedFd>) -> More {
        self.take_in(connection);
        let full = self.accepted.borrow().len() >= WAITING_MAX;
        // Again for a listener that is gone: the kernel may not have found the accept at the first time.
        let cancel = self.unwanted.get() || (full && !self.stopping.replace(true));
        More { wake: self.waiter.take(), cancel, ..More::default() }
    }

    /// The armed accept has ended.
    pub(crate) fn ended(self: &Rc<Self>, connection: io::Result<OwnedFd>) {
        self.armed.set(None);
        self.stopping.set(false);
        self.take_in(connection);
        // Whoever waits finds what came, or arms again.
        self.waiter.take().wake();
    }

    /// From here on no connection is accepted: the kernel refuses them when the listener is closed.
    pub(crate) fn refuse(&self) {
        self.refusing.set(true);
        if let Some(key) = self.armed.get() {
            self.fd.core().cancel(key);
        }
        self.waiter.take().wake_contained();
    }

    fn take(&self) -> Option<io::Result<OwnedFd>> {
        let mut shortage = self.shortage.get();
        if let Some(connection) = self.accepted.borrow_mut().pop_front() {
            if shortage.until.is_some() {
                shortage.ended();
                self.shortage.set(shortage);
            }
            return Some(Ok(connection));
        }
        if self.refusing.get() {
            return Some(Err(io::Error::other(ShutDown)));
        }
        let error = self.error.take()?;
        if !is_shortage(&error) {
            return Some(Err(error));
        }
        let verdict = shortage.failed(self.fd.core().now());
        self.shortage.set(shortage);
        (verdict == Verdict::Tell).then_some(Err(error))
    }
}

/// The core is shutting down and accepts no connection any more: what is in the error of an `accept` then.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ShutDown;

impl ShutDown {
    /// Whether an error of an `accept` says that the core is shutting down.
    #[must_use]
    pub fn is(error: &io::Error) -> bool {
        error.get_ref().is_some_and(|cause| cause.is::<Self>())
    }
}

impl std::fmt::Display for ShutDown {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("the runtime is shutting down and accepts no connection any more")
    }
}

impl std::error::Error for ShutDown {}

/// The accepting side of a listening socket, as its listener owns it. Dropping it closes what nobody has taken.
pub struct Acceptor(Rc<Backlog>);

impl Acceptor {
    /// The accepting side of a socket that listens.
    #[must_use]
    pub fn new(fd: Fd) -> Self {
        let backlog = Rc::new(Backlog {
            fd,
            accepted: RefCell::default(),
            error: Cell::new(None),
            shortage: Cell::default(),
            armed: Cell::new(None),
            stopping: Cell::new(false),
            refusing: Cell::new(false),
            tries: Cell::default(),
            unwanted: Cell::new(false),
            waiter: Cell::default(),
            line: Line::default(),
        });
        if backlog.fd.core().shutdown_until().is_some() {
            backlog.refuse();
        } else {
            backlog.fd.core().listens(&backlog);
        }
        Self(backlog)
    }

    /// Waits for a connection.
    ///
    /// # Errors
    ///
    /// The errno of `accept4(2)`. That of a shortage, such as `EMFILE` when no descriptor is free, comes at most once a
    /// second; in between and afterwards it tries again by itself, after a pause of 1 to 100 ms. When the runtime shuts
    /// down, [`ShutDown`] comes after the connections that were accepted before.
    ///
    /// # Cancel safety
    ///
    /// Dropping the future loses no connection: what comes stays with the listener.
    pub async fn accept(&self) -> io::Result<Fd> {
        let mut waiting = Waiting { backlog: &self.0, place: Place::Outside, pause: None };
        let connection = std::future::poll_fn(|cx| Pin::new(&mut waiting).poll(cx)).await?;
        Ok(Fd::new(self.0.fd.core(), connection))
    }
}

impl Drop for Acceptor {
    fn drop(&mut self) {
        self.0.unwanted.set(true);
        drop(self.0.accepted.take());
        if let Some(key) = self.0.armed.get() {
            self.0.fd.core().cancel(key);
        }
    }
}

struct Waiting<'a> {
    backlog: &'a Rc<Backlog>,
    place: Place,
    /// The pause after a failure for want of descriptors or memory.
    pause: Option<Sleep>,
}

impl Waiting<'_> {
    fn poll(&mut self, cx: &mut Context<'_>) -> Poll<io::Result<OwnedFd>> {
        ready!(coop::poll_proceed(cx));
        if self.backlog.line.poll_enter(&mut self.place, cx.waker()).is_pending() {
            return Poll::Pending;
        }
        if let Some(connection) = self.backlog.take() {
            coop::progressed();
            return Poll::Ready(connection);
        }
        self.backlog.waiter.set(Waiter::of(cx.waker()));
        if self.poll_pause(cx).is_ready() {
            self.backlog.arm();
        }
        Poll::Pending
    }

    /// Waits until an accept may be tried again.
    fn poll_pause(&mut self, cx: &mut Context<'_>) -> Poll<()> {
        let Some(until) = self.backlog.shortage.get().until.map(Instant::from_nanos) else {
            return Poll::Ready(());
        };
        self.backlog.fd.core().check();
        let pause = self.pause.get_or_insert_with(|| sleep_until(until));
        if pause.deadline() != until {
            pause.reset(until);
        }
        Pin::new(pause).poll(cx)
    }
}

impl Drop for Waiting<'_> {
    fn drop(&mut self) {
        if self.place == Place::Head {
            self.backlog.waiter.set(Waiter::Nobody);
        }
        self.backlog.line.leave(&mut self.place);
    }
}
