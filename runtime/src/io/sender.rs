//! The sending side of a socket.
//!
//! One send is in flight at a time: two that block would interleave their bytes. A write that began is finished,
//! also when its future was dropped, and later ones wait behind it in the line.

use std::io;
use std::pin::Pin;
use std::rc::Rc;
use std::task::{Context, Poll, ready};

use super::line::{Line, Place};
use super::{Fd, Socket};
use crate::buf::{BufResult, IoBuf};
use crate::driver::Key;
use crate::op::send::{Amount, Send, Sent};
use crate::op::shutdown::Shutdown;
use crate::op::tries::Tries;
use crate::op::{OnDrop, Op};
use crate::task::{coop, spawn};

/// The sending side, shared with the send in flight.
pub(crate) struct Outlet {
    pub(super) fd: Fd,
    pub(super) line: Line,
}

impl Outlet {
    /// What it sends to.
    pub(crate) fn fd(&self) -> &Fd {
        &self.fd
    }

    /// The send at the head of the line is over.
    pub(crate) fn release(&self) {
        self.line.leave(&mut Place::Head);
    }
}

/// The sending side of a socket, as its stream owns it.
pub struct Sender(pub(super) Rc<Outlet>);

impl Sender {
    /// The sending side of a connected socket.
    #[must_use]
    pub fn new(fd: Fd) -> Self {
        Self(Rc::new(Outlet { fd, line: Line::default() }))
    }

    /// Sends what the socket takes of the buffer, and says how many bytes that was.
    ///
    /// # Cancel safety
    ///
    /// Before it has begun, dropping the future sends nothing. A send that has begun is finished.
    pub fn write<B: IoBuf>(&self, buf: B) -> Write<'_, B> {
        self.begin(buf, Amount::Some)
    }

    /// Sends the whole buffer.
    ///
    /// # Cancel safety
    ///
    /// Before it has begun, dropping the future sends nothing. A send that has begun is finished, whole.
    #[inline]
    pub fn write_all<B: IoBuf>(&self, buf: B) -> WriteAll<'_, B> {
        WriteAll(self.begin(buf, Amount::All))
    }

    /// As [`shutdown`](Sender::shutdown), by itself: nobody waits, and nobody learns of an error.
    pub fn end(self) {
        let fd = self.0.fd.clone();
        if fd.core().is_running() {
            drop(spawn(async move { self.shutdown().await }));
        } else {
            // Without a running core no write goes on that this could wait for.
            let _ = Socket::shut_down(&fd);
        }
    }

    /// Waits until the writes that have begun are over.
    pub(super) async fn drained(self) {
        let mut place = InLine { outlet: &self.0, place: Place::Outside };
        std::future::poll_fn(|cx| self.0.line.poll_enter(&mut place.place, cx.waker())).await;
    }

    fn begin<B: IoBuf>(&self, buf: B, amount: Amount) -> Write<'_, B> {
        Write { outlet: &self.0, place: Place::Outside, buf: Some(buf), amount, flight: None }
    }

    /// Ends the sending side, after the writes that have begun: the peer reads the end of the stream.
    ///
    /// # Errors
    ///
    /// The errno of `shutdown(2)`, such as `ENOTCONN`.
    ///
    /// # Cancel safety
    ///
    /// A shutdown that has begun is finished.
    pub async fn shutdown(&self) -> io::Result<()> {
        let mut place = InLine { outlet: &self.0, place: Place::Outside };
        std::future::poll_fn(|cx| self.0.line.poll_enter(&mut place.place, cx.waker())).await;
        let core = self.0.fd.core();
        Op::new(core, Shutdown { fd: self.0.fd.clone(), tries: Tries::default() }).await
    }
}

/// A place in the line that is left when it is dropped.
struct InLine<'a> {
    outlet: &'a Outlet,
    place: Place,
}

impl Drop for InLine<'_> {
    fn drop(&mut self) {
        self.outlet.line.leave(&mut self.place);
    }
}

/// Sends a buffer: see [`Sender::write`] and [`Sender::write_all`].
#[must_use = "futures do nothing unless awaited"]
pub struct Write<'a, B: IoBuf> {
    outlet: &'a Rc<Outlet>,
    place: Place,
    /// Gone while the kernel has it, and at the end.
    buf: Option<B>,
    amount: Amount,
    flight: Option<Key>,
}

// The buffer is moved into its record before the kernel sees it: nothing in here is pinned.
impl<B: IoBuf> Unpin for Write<'_, B> {}

impl<B: IoBuf> Write<'_, B> {
    fn land(&mut self, key: Key, cx: &mut Context<'_>) -> Poll<BufResult<usize, B>> {
        let core = self.outlet.fd.core();
        // Before anything is taken: a rest that could not be submitted would leave the line blocked.
        core.check();
        let Some((op, cqe)) = core.poll_op::<Send<B>>(key, cx.waker()) else {
            return Poll::Pending;
        };
        self.flight = None;
        match crate::op::Operation::finish(op, cqe) {
            Sent::Rest(rest) => {
                self.flight = Some(core.submit(rest, cx.waker()));
                Poll::Pending
            }
            Sent::Over(result, buf) => {
                self.outlet.release();
                coop::progressed();
                Poll::Ready(BufResult(result, buf))
            }
        }
    }
}

impl<B: IoBuf> Future for Write<'_, B> {
    type Output = BufResult<usize, B>;

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        ready!(coop::poll_proceed(cx));
        let this = &mut *self;
        if let Some(key) = this.flight {
            return this.land(key, cx);
        }
        let buf = this.buf.take().expect("uring: a write was polled after it had completed");
        if buf.bytes_init() == 0 {
            coop::progressed();
            return Poll::Ready(BufResult(Ok(0), buf));
        }
        if this.outlet.line.poll_enter(&mut this.place, cx.waker()).is_pending() {
            this.buf = Some(buf);
            return Poll::Pending;
        }
        let core = this.outlet.fd.core();
        core.check();
        let (fd, outlet) = (this.outlet.fd.clone(), Rc::clone(this.outlet));
        let tries = Tries::default();
        let send = Send { fd, outlet, buf, done: 0, amount: this.amount, tries };
        this.flight = Some(core.submit(send, cx.waker()));
        // From here on the operation holds the head of the line.
        this.place = Place::Outside;
        Poll::Pending
    }
}

/// Sends a whole buffer: see [`Sender::write_all`].
#[must_use = "futures do nothing unless awaited"]
pub struct WriteAll<'a, B: IoBuf>(Write<'a, B>);

impl<B: IoBuf> Future for WriteAll<'_, B> {
    type Output = BufResult<(), B>;

    #[inline]
    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        Pin::new(&mut self.0).poll(cx).map(|result| result.map(drop))
    }
}

impl<B: IoBuf> Drop for Write<'_, B> {
    fn drop(&mut self) {
        if let Some(key) = self.flight {
            self.outlet.fd.core().abandon(key, OnDrop::LetRun);
        }
        self.outlet.line.leave(&mut self.place);
    }
}
