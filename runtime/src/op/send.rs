//! `send(2)`: from an owned buffer to a socket.
#![allow(unsafe_code, reason = "the entry points into the buffer")]

use std::rc::Rc;

use uring_sys_shim::{Cqe, Sqe, opcode};

use super::tries::Tries;
use super::{OnDrop, Operation, clamp};
use crate::buf::IoBuf;
use crate::io::{Fd, Outlet};

/// How much of the buffer is to be sent.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Amount {
    /// What the socket takes.
    Some,
    /// Everything.
    All,
}

/// Sends `buf[done..]`. It stands at the head of the socket's line until it is done.
pub(crate) struct Send<B> {
    pub(crate) fd: Fd,
    pub(crate) outlet: Rc<Outlet>,
    pub(crate) buf: B,
    pub(crate) done: usize,
    pub(crate) amount: Amount,
    pub(crate) tries: Tries,
}

/// What is to be done after a send.
pub(crate) enum Sent<O, B> {
    /// Send the rest.
    Rest(O),
    /// It is over, with so many bytes in all or an error.
    Over(std::io::Result<usize>, B),
}

impl<B: IoBuf> Send<B> {
    fn after(mut self, cqe: Cqe) -> Sent<Self, B> {
        let all = self.amount == Amount::All;
        match cqe.result() {
            Ok(0) if all => Sent::Over(Err(std::io::ErrorKind::WriteZero.into()), self.buf),
            Ok(bytes) => {
                self.done += bytes as usize;
                if all && self.done < self.buf.bytes_init() {
                    self.tries = Tries::default();
                    Sent::Rest(self)
                } else {
                    Sent::Over(Ok(self.done), self.buf)
                }
            }
            // What was sent before an error is reported instead of it (`io_sendrecv_fail`, `io_uring/net.c`), so that
            // nothing is sent twice.
            Err(_) if self.fd.core().is_running() && self.tries.again(cqe.errno()) => Sent::Rest(self),
            Err(error) => Sent::Over(Err(error), self.buf),
        }
    }
}

// SAFETY: the entry points into the buffer, which the operation owns and whose address is stable (contract of
// IoBuf); the kernel only reads it.
unsafe impl<B: IoBuf> Operation for Send<B> {
    type Output = Sent<Self, B>;
    /// A write that began is finished.
    const ON_DROP: OnDrop = OnDrop::LetRun;

    #[inline]
    fn entry(&mut self) -> Sqe {
        let mut sqe = Sqe::new(opcode::SEND, self.fd.raw());
        sqe.addr = self.buf.stable_ptr().expose_provenance() as u64 + self.done as u64;
        sqe.len = clamp(self.buf.bytes_init() - self.done);
        // Without MSG_WAITALL sends are short even on blocking sockets (`io_uring_prep_send(3)`).
        let wait = if self.amount == Amount::All { libc::MSG_WAITALL } else { 0 };
        sqe.op_flags = (libc::MSG_NOSIGNAL | wait) as u32;
        sqe
    }

    fn finish(self, cqe: Cqe) -> Sent<Self, B> {
        self.after(cqe)
    }

    fn orphaned(self, cqe: Cqe) {
        let (outlet, core) = (Rc::clone(&self.outlet), Rc::clone(self.fd.core()));
        match self.after(cqe) {
            // The runtime ends: the rest is not sent, and the peer sees the end of the stream.
            Sent::Rest(rest) if core.is_open() => {
                core.submit_detached(rest);
            }
            Sent::Rest(_) | Sent::Over(..) => outlet.release(),
        }
    }
}
