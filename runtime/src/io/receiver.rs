//! The receiving side of a socket.
//!
//! The inlet owns the armed receive and a stash of what arrived. It has three ways to receive:
//!
//! * pooled, many times over: one submission, and the kernel takes a buffer whenever bytes are there;
//! * pooled, once: while buffers are short, so that each connection gets one in its turn;
//! * into a buffer of its own, where the kernel has no buffer rings.
//!
//! A read with a large buffer of its own is the fourth: see [`Read`](super::Read).

use std::cell::{Cell, RefCell};
use std::collections::VecDeque;
use std::io;
use std::pin::Pin;
use std::rc::Rc;
use std::task::{Context, Poll, Waker, ready};

use uring_sys_shim::{Cqe, Features};

use super::Fd;
use super::line::{Line, Place};
use crate::buf::{Pool, RecvBuf};
use crate::core::Core;
use crate::driver::Key;
use crate::op::More;
use crate::op::recv::{RecvInto, RecvPooled, Shots};
use crate::op::tries::Tries;
use crate::task::{Waiter, coop};

/// Bytes of the inlet's own buffer, without a pool.
const OWN_BYTES: usize = 2048;

/// Where a stream of bytes stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Course {
    /// More may come.
    Flowing,
    /// The peer has ended the stream.
    Ended,
    /// A receive failed with this errno, and nobody was told yet.
    Failed(i32),
    /// Nobody can ask any more: what still arrives is dropped.
    Unwanted,
}

/// What a socket has received and what it waits for.
pub(crate) struct Inlet {
    pub(super) fd: Fd,
    /// What arrived and nobody has taken, in order. Bounded by the pool's share for one connection.
    stash: RefCell<VecDeque<RecvBuf>>,
    course: Cell<Course>,
    /// The receive in flight.
    armed: Cell<Option<Key>>,
    /// Whether the armed receive was cancelled, because the stash is full.
    stopping: Cell<bool>,
    /// The socket is about to leave this core: nothing is received any more, and what arrived is kept.
    parting: Cell<bool>,
    /// How often in a row the kernel gave the receive up.
    tries: Cell<Tries>,
    /// Whether it stands in the core's line for a buffer.
    hungry: Cell<bool>,
    /// Who is at the head of the line and waits for bytes.
    waiter: Cell<Waiter>,
    pub(super) line: Line,
}

/// What a socket has received on the core that it leaves.
#[derive(Debug)]
pub(super) struct Received {
    bytes: Vec<u8>,
    course: Course,
}

/// What the head of the line finds.
pub(super) enum Found {
    /// Nothing yet: the waker was left.
    Nothing,
    /// Bytes are in the stash.
    Bytes,
    /// The stream has ended.
    End,
}

impl Inlet {
    pub(super) fn core(&self) -> &Rc<Core> {
        self.fd.core()
    }

    /// Looks for bytes, the end or an error; otherwise leaves the waker. An error is told once.
    pub(super) fn look(&self, waker: &Waker) -> io::Result<Found> {
        if !self.stash.borrow().is_empty() {
            return Ok(Found::Bytes);
        }
        match self.course.get() {
            Course::Flowing | Course::Unwanted => {
                self.waiter.set(Waiter::of(waker));
                Ok(Found::Nothing)
            }
            Course::Ended => Ok(Found::End),
            Course::Failed(errno) => {
                self.course.set(Course::Flowing);
                Err(io::Error::from_raw_os_error(errno))
            }
        }
    }

    pub(super) fn pop(&self) -> Option<RecvBuf> {
        self.stash.borrow_mut().pop_front()
    }

    /// Puts bytes back that somebody took and could not use.
    pub(super) fn unpop(&self, bytes: RecvBuf) {
        self.stash.borrow_mut().push_front(bytes);
    }

    pub(super) fn is_armed(&self) -> bool {
        self.armed.get().is_some()
    }

    pub(super) fn set_armed(&self, key: Option<Key>) {
        self.armed.set(key);
    }

    pub(super) fn set_ended(&self) {
        self.course.set(Course::Ended);
    }

    /// Starts to receive, unless something is armed already. Where others wait for a buffer it waits behind them: it
    /// would take theirs, again and again.
    pub(super) fn arm(self: &Rc<Self>) {
        if self.is_armed() || self.hungry.get() {
            return;
        }
        let core = self.core();
        core.check();
        match core.pool() {
            Some(_) if core.has_starved() => {
                self.hungry.set(true);
                core.wait_for_buffer(self);
            }
            Some(pool) => self.arm_pooled(pool),
            None => {
                let own = Vec::with_capacity(OWN_BYTES);
                let receive = RecvInto::new(self.fd.clone(), Rc::clone(self), own, 0);
                self.armed.set(Some(core.submit_detached(receive)));
            }
        }
    }

    fn arm_pooled(self: &Rc<Self>, pool: Rc<Pool>) {
        let core = self.core();
        let many = core.features().contains(Features::RECV_MULTISHOT) && !pool.is_short();
        let shots = if many { Shots::Many } else { Shots::One };
        let receive = RecvPooled { fd: self.fd.clone(), inlet: Rc::clone(self), pool, shots };
        self.armed.set(Some(core.submit_detached(receive)));
    }

    /// Bytes arrived, and more will. Runs while the driver is borrowed.
    pub(crate) fn arrived(&self, bytes: RecvBuf, share: usize) -> More {
        if self.course.get() == Course::Unwanted {
            // The cancel that the drop has asked for may have come at a moment when the kernel did not find it.
            return More { cancel: true, ..More::default() };
        }
        self.progressed();
        let mut stash = self.stash.borrow_mut();
        if stash.capacity() == 0 {
            // Most connections never hold more than one: a thousand idle ones should not hold room for four.
            stash.reserve_exact(1);
        }
        stash.push_back(bytes);
        let full = stash.len() >= share && !self.stopping.replace(true);
        // Again for one that parts: the kernel may not have found the receive at the first time.
        let cancel = full || self.parting.get();
        More { wake: self.waiter.take(), cancel, ..More::default() }
    }

    /// The armed receive has ended, perhaps with bytes.
    pub(crate) fn ended(self: &Rc<Self>, cqe: Cqe, bytes: impl IntoIterator<Item = RecvBuf>) {
        self.armed.set(None);
        self.stopping.set(false);
        if self.course.get() == Course::Unwanted {
            return;
        }
        self.stash.borrow_mut().extend(bytes);
        match cqe.errno() {
            libc::ENOBUFS | libc::ECANCELED | libc::EINTR if self.parting.get() => {}
            0 if cqe.res == 0 => self.course.set(Course::Ended),
            0 => self.progressed(),
            // Also because the stash was full, when bytes had come: armed again when somebody asks.
            errno if self.is_given_up(errno) => {}
            // A core that ends feeds nobody any more.
            libc::ENOBUFS if !self.core().is_open() => {}
            libc::ENOBUFS => {
                self.hungry.set(true);
                self.core().starved(self);
                return;
            }
            errno => self.course.set(Course::Failed(errno)),
        }
        let waiter = self.waiter.take();
        if waiter.is_nobody() {
            return;
        }
        if !self.stash.borrow().is_empty() || self.course.get() != Course::Flowing || self.parting.get() {
            waiter.wake();
        } else {
            self.waiter.set(waiter);
            // A core that ends takes no operation any more.
            if self.core().is_open() {
                self.arm();
            }
        }
    }

    /// Bytes came: what is given up from here on is counted anew.
    pub(super) fn progressed(&self) {
        self.tries.set(Tries::default());
    }

    /// Whether a receive that was cancelled or interrupted is to be armed again: not when it is all that happens.
    #[cold]
    pub(super) fn is_given_up(&self, errno: i32) -> bool {
        let mut tries = self.tries.get();
        let again = tries.again(errno);
        self.tries.set(tries);
        again
    }

    /// Its turn for a buffer has come. Gives `false` when nobody waits any more.
    pub(crate) fn feed(self: &Rc<Self>, pool: Rc<Pool>) -> bool {
        self.hungry.set(false);
        let waiter = self.waiter.take();
        let wanted = !waiter.is_nobody()
            && self.course.get() == Course::Flowing
            && !self.is_armed()
            && !self.parting.get();
        self.waiter.set(waiter);
        if wanted {
            self.arm_pooled(pool);
        }
        wanted
    }

    /// Ends the armed receive, and waits until it is over.
    fn poll_part(&self, cx: &mut Context<'_>) -> Poll<()> {
        let Some(key) = self.armed.get() else { return Poll::Ready(()) };
        self.waiter.set(Waiter::of(cx.waker()));
        if !self.parting.replace(true) {
            self.core().cancel(key);
        }
        Poll::Pending
    }

    /// The head of the line goes away.
    pub(super) fn forget_waker(&self) {
        self.waiter.set(Waiter::Nobody);
    }

    pub(super) fn pool(&self) -> Option<Rc<Pool>> {
        self.core().pool()
    }
}

/// The receiving side of a socket, as its stream owns it. Dropping it ends the receive that is armed.
pub struct Receiver(Rc<Inlet>);

impl Receiver {
    /// The receiving side of a connected socket.
    #[must_use]
    pub fn new(fd: Fd) -> Self {
        Self(Rc::new(Inlet {
            fd,
            stash: RefCell::default(),
            course: Cell::new(Course::Flowing),
            armed: Cell::new(None),
            stopping: Cell::new(false),
            parting: Cell::new(false),
            tries: Cell::default(),
            hungry: Cell::new(false),
            waiter: Cell::default(),
            line: Line::default(),
        }))
    }

    pub(super) fn inlet(&self) -> &Rc<Inlet> {
        &self.0
    }

    /// The receiving side of a socket that comes from another core, with what it has received there.
    pub(super) fn resume(fd: Fd, received: &Received) -> Self {
        let receiver = Self::new(fd);
        receiver.0.stash.borrow_mut().extend(RecvBuf::pieces(&received.bytes));
        receiver.0.course.set(received.course);
        receiver
    }

    /// Stops to receive, and gives what has arrived and nobody has taken.
    ///
    /// # Cancel safety
    ///
    /// Nothing is lost when the future is dropped; the receiver goes with it.
    pub(super) async fn part(self) -> Received {
        std::future::poll_fn(|cx| self.0.poll_part(cx)).await;
        let stash = self.0.stash.take();
        let mut bytes = Vec::with_capacity(stash.iter().map(|piece| piece.len()).sum());
        stash.iter().for_each(|piece| bytes.extend_from_slice(piece));
        Received { bytes, course: self.0.course.get() }
    }

    /// Waits for bytes, in a buffer of the core's pool. An empty one is the end of the stream.
    ///
    /// # Cancel safety
    ///
    /// Dropping the future loses nothing: what arrives stays with the socket.
    pub fn recv(&self) -> Recv<'_> {
        Recv { inlet: &self.0, place: Place::Outside }
    }
}

impl Drop for Receiver {
    fn drop(&mut self) {
        self.0.course.set(Course::Unwanted);
        let stash = self.0.stash.take();
        drop(stash);
        if let Some(key) = self.0.armed.get() {
            self.0.core().cancel(key);
        }
    }
}

/// Waits for bytes: see [`Receiver::recv`].
#[must_use = "futures do nothing unless awaited"]
pub struct Recv<'a> {
    inlet: &'a Rc<Inlet>,
    place: Place,
}

impl Future for Recv<'_> {
    type Output = io::Result<RecvBuf>;

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        ready!(coop::poll_proceed(cx));
        let this = &mut *self;
        if this.inlet.line.poll_enter(&mut this.place, cx.waker()).is_pending() {
            return Poll::Pending;
        }
        let received = match this.inlet.look(cx.waker()) {
            Ok(Found::Bytes) => Ok(this.inlet.pop().unwrap_or_else(RecvBuf::empty)),
            Ok(Found::End) => Ok(RecvBuf::empty()),
            Ok(Found::Nothing) => {
                this.inlet.arm();
                return Poll::Pending;
            }
            Err(error) => Err(error),
        };
        // Now and not when it is dropped: a future that has completed may be kept for long.
        this.inlet.line.leave(&mut this.place);
        coop::progressed();
        Poll::Ready(received)
    }
}

impl Drop for Recv<'_> {
    fn drop(&mut self) {
        if self.place == Place::Head {
            self.inlet.forget_waker();
        }
        self.inlet.line.leave(&mut self.place);
    }
}
