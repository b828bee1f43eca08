//! Sending a buffer without a copy.
//!
//! The socket's line is the same as for other sends, and is left when the bytes are queued. The future waits for longer:
//! until the kernel has released the buffer.

use std::pin::Pin;
use std::rc::Rc;
use std::task::{Context, Poll, ready};

use super::line::Place;
use super::{Outlet, Sender};
use crate::buf::{BufResult, IoBuf};
use crate::driver::Key;
use crate::op::send::Sent;
use crate::op::send_zero_copy::SendZeroCopy;
use crate::op::{OnDrop, Operation};
use crate::task::coop;

impl Sender {
    /// Sends the whole buffer without copying it, and gives it back when the kernel has released it. Later sends go on as
    /// soon as the bytes are queued.
    ///
    /// # Cancel safety
    ///
    /// Before it has begun, dropping the future sends nothing. A send that has begun is finished, whole.
    pub fn write_all_zero_copy<B: IoBuf>(&self, buf: B) -> WriteAllZeroCopy<'_, B> {
        WriteAllZeroCopy { outlet: &self.0, place: Place::Outside, buf: Some(buf), flight: None }
    }
}

/// Sends a whole buffer without copying it: see [`Sender::write_all_zero_copy`].
#[must_use = "futures do nothing unless awaited"]
pub struct WriteAllZeroCopy<'a, B: IoBuf> {
    outlet: &'a Rc<Outlet>,
    place: Place,
    /// Gone while the kernel has it, and at the end.
    buf: Option<B>,
    flight: Option<Key>,
}

// The buffer is moved into its record before the kernel sees it: nothing in here is pinned.
impl<B: IoBuf> Unpin for WriteAllZeroCopy<'_, B> {}

impl<B: IoBuf> WriteAllZeroCopy<'_, B> {
    fn land(&mut self, key: Key, cx: &mut Context<'_>) -> Poll<BufResult<(), B>> {
        let core = self.outlet.fd.core();
        // Before anything is taken: a rest that could not be submitted would leave the line blocked.
        core.check();
        let Some((op, cqe)) = core.poll_op::<SendZeroCopy<B>>(key, cx.waker()) else {
            return Poll::Pending;
        };
        self.flight = None;
        match op.finish(cqe) {
            Sent::Rest(rest) => {
                self.flight = Some(core.submit(rest, cx.waker()));
                Poll::Pending
            }
            Sent::Over(result, buf) => {
                coop::progressed();
                Poll::Ready(BufResult(result.map(drop), buf))
            }
        }
    }
}

impl<B: IoBuf> Future for WriteAllZeroCopy<'_, B> {
    type Output = BufResult<(), B>;

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        ready!(coop::poll_proceed(cx));
        let this = &mut *self;
        if let Some(key) = this.flight {
            return this.land(key, cx);
        }
        let buf = this.buf.take().expect("uring: a write was polled after it had completed");
        if buf.bytes_init() == 0 {
            coop::progressed();
            return Poll::Ready(BufResult(Ok(()), buf));
        }
        if this.outlet.line.poll_enter(&mut this.place, cx.waker()).is_pending() {
            this.buf = Some(buf);
            return Poll::Pending;
        }
        let core = this.outlet.fd.core();
        core.check();
        let send = SendZeroCopy::new(Rc::clone(this.outlet), buf);
        this.flight = Some(core.submit(send, cx.waker()));
        // From here on the operation holds the head of the line.
        this.place = Place::Outside;
        Poll::Pending
    }
}

impl<B: IoBuf> Drop for WriteAllZeroCopy<'_, B> {
    fn drop(&mut self) {
        if let Some(key) = self.flight {
            self.outlet.fd.core().abandon(key, OnDrop::LetRun);
        }
        self.outlet.line.leave(&mut self.place);
    }
}
