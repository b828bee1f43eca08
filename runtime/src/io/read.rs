//! Reading from a socket into a buffer of the caller's.
//!
//! What the socket has in its stash comes first. With nothing there, a small buffer waits for the pool, which costs
//! one copy and no memory while idle; a large one is given to the kernel itself. When such a read is dropped, it
//! stays armed and belongs to the socket: its bytes go to the stash.

use std::io;
use std::pin::Pin;
use std::rc::Rc;
use std::task::{Context, Poll, ready};

use super::line::Place;
use super::receiver::{Found, Inlet, Receiver};
use crate::buf::{BufResult, IoBufMut, RecvBuf, append};
use crate::driver::Key;
use crate::op::recv::RecvInto;
use crate::op::{OnDrop, Operation};
use crate::task::coop;

/// When a read is done.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Until {
    /// When there is anything.
    Some,
    /// When the buffer is full.
    Full,
}

/// Reads into a buffer: see [`Receiver::read`].
#[must_use = "futures do nothing unless awaited"]
pub struct Read<'a, B: IoBufMut> {
    inlet: &'a Rc<Inlet>,
    place: Place,
    /// Gone while the kernel has it, and at the end.
    buf: Option<B>,
    /// How many bytes of the buffer are read.
    filled: usize,
    until: Until,
    flight: Option<Key>,
}

impl Receiver {
    /// Reads at least one byte, unless the stream has ended (0) or the buffer has no room (0 at once).
    ///
    /// # Cancel safety
    ///
    /// Dropping the future loses no byte: what arrives stays with the socket. The buffer is lost.
    pub fn read<B: IoBufMut>(&self, buf: B) -> Read<'_, B> {
        Read::new(self.inlet(), buf, Until::Some)
    }

    /// Fills the whole buffer.
    ///
    /// # Cancel safety
    ///
    /// Dropping the future loses no byte: what was read goes back to the socket. The buffer is lost.
    pub fn read_exact<B: IoBufMut>(&self, buf: B) -> ReadExact<'_, B> {
        ReadExact(Read::new(self.inlet(), buf, Until::Full))
    }
}

// The buffer is moved into its record before the kernel sees it: nothing in here is pinned.
impl<B: IoBufMut> Unpin for Read<'_, B> {}

impl<'a, B: IoBufMut> Read<'a, B> {
    fn new(inlet: &'a Rc<Inlet>, buf: B, until: Until) -> Self {
        Self { inlet, place: Place::Outside, buf: Some(buf), filled: 0, until, flight: None }
    }

    fn room(&self) -> usize {
        self.buf.as_ref().map_or(0, |buf| buf.bytes_total() - self.filled)
    }

    fn is_done(&self) -> bool {
        match self.until {
            Until::Some => self.filled > 0 || self.room() == 0,
            Until::Full => self.room() == 0,
        }
    }

    /// Takes the result of the receive into the buffer itself. Gives `None` while it goes on.
    fn land(&mut self, key: Key, cx: &mut Context<'_>) -> Option<io::Result<()>> {
        let core = self.inlet.core();
        let (op, cqe) = core.poll_op::<RecvInto<B>>(key, cx.waker())?;
        self.flight = None;
        self.inlet.set_armed(None);
        self.inlet.forget_waker();
        let BufResult(result, buf) = op.finish(cqe);
        self.buf = Some(buf);
        Some(match result {
            Ok(0) => {
                self.inlet.set_ended();
                Ok(())
            }
            Ok(bytes) => {
                self.inlet.progressed();
                self.filled += bytes;
                Ok(())
            }
            // Armed again.
            Err(_) if core.is_running() && self.inlet.is_given_up(cqe.errno()) => Ok(()),
            Err(error) => Err(error),
        })
    }

    /// Copies from the stash what fits.
    fn take_stash(&mut self) {
        let Some(buf) = &mut self.buf else { return };
        while buf.bytes_total() > self.filled {
            let Some(mut bytes) = self.inlet.pop() else { return };
            let taken = append(buf, self.filled, &bytes);
            self.filled += taken;
            bytes.advance(taken);
            if !bytes.is_empty() {
                self.inlet.unpop(bytes);
            }
        }
    }

    /// Starts to receive: by the pool when there is little room, into the buffer itself when there is much.
    fn arm(&mut self, cx: &mut Context<'_>) {
        if self.inlet.is_armed() {
            return;
        }
        if self.inlet.pool().is_some_and(|pool| self.room() <= pool.buffer_bytes()) {
            self.inlet.arm();
        } else if let Some(buf) = self.buf.take() {
            let core = self.inlet.core();
            core.check();
            let (fd, inlet) = (self.inlet.fd.clone(), Rc::clone(self.inlet));
            let key = core.submit(RecvInto::new(fd, inlet, buf, self.filled), cx.waker());
            self.inlet.set_armed(Some(key));
            self.flight = Some(key);
        }
    }

    fn poll_bytes(&mut self, cx: &mut Context<'_>) -> Poll<io::Result<usize>> {
        if let Some(key) = self.flight {
            match self.land(key, cx) {
                Some(result) => result?,
                None => return Poll::Pending,
            }
        }
        if self.place == Place::Outside && self.is_done() {
            // No room at all: answered here, since the kernel would wait for bytes and then say "end".
            return Poll::Ready(Ok(0));
        }
        if self.inlet.line.poll_enter(&mut self.place, cx.waker()).is_pending() {
            return Poll::Pending;
        }
        loop {
            if self.is_done() {
                return Poll::Ready(Ok(self.filled));
            }
            match self.inlet.look(cx.waker())? {
                Found::Bytes => self.take_stash(),
                Found::End if self.until == Until::Some => return Poll::Ready(Ok(self.filled)),
                Found::End => return Poll::Ready(Err(io::ErrorKind::UnexpectedEof.into())),
                Found::Nothing => {
                    self.arm(cx);
                    return Poll::Pending;
                }
            }
        }
    }
}

impl<B: IoBufMut> Future for Read<'_, B> {
    type Output = BufResult<usize, B>;

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        ready!(coop::poll_proceed(cx));
        let result = ready!(self.poll_bytes(cx));
        coop::progressed();
        // Now and not when it is dropped: a future that has completed may be kept for long.
        self.inlet.line.leave(&mut self.place);
        let buf = self.buf.take().expect("uring: a read was polled after it had completed");
        Poll::Ready(BufResult(result, buf))
    }
}

/// Fills a buffer: see [`Receiver::read_exact`].
#[must_use = "futures do nothing unless awaited"]
pub struct ReadExact<'a, B: IoBufMut>(Read<'a, B>);

impl<B: IoBufMut> Future for ReadExact<'_, B> {
    type Output = BufResult<(), B>;

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        Pin::new(&mut self.0).poll(cx).map(|result| result.map(drop))
    }
}

impl<B: IoBufMut> Drop for Read<'_, B> {
    fn drop(&mut self) {
        let Self { inlet, place, buf, filled, flight, .. } = self;
        if *place == Place::Head {
            inlet.forget_waker();
        }
        // Also when a buffer's drop panics below, which is code of users.
        let _leaving = inlet.line.leaving(place);
        if let Some(key) = *flight {
            let bytes = inlet.core().with_op(key, RecvInto::<B>::give_back);
            bytes.into_iter().rev().for_each(|bytes| inlet.unpop(bytes));
            inlet.core().abandon(key, OnDrop::LetRun);
        } else if let Some(buf) = buf.take()
            && *filled > 0
        {
            RecvBuf::pieces(&buf.init_bytes()[..*filled]).rev().for_each(|bytes| inlet.unpop(bytes));
        }
    }
}
