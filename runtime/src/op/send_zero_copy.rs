//! `send(2)` without a copy: the kernel reads the buffer itself, for as long as the peer may want it again.
//!
//! It has two completions. The first has the result, and says by `IORING_CQE_F_MORE`, also when that is an error,
//! whether a notification follows; that one is the last, and has no result. So the socket's line moves on at the first,
//! and the buffer goes back at the last. It owns the buffer in between and holds no descriptor then: the kernel needs
//! none for the notification, so a socket can be closed, shut down or moved meanwhile.
//!
//! Sends that the kernel refuses without a copy go on with one, and are counted: where the socket cannot do it, or more
//! memory would be pinned than `RLIMIT_MEMLOCK` allows.
#![allow(unsafe_code, reason = "the entry points into the buffer")]

use std::io;
use std::rc::Rc;

use uring_sys_shim::{Cqe, Features, Sqe, opcode};

use super::send::Sent;
use super::tries::Tries;
use super::{More, OnDrop, Operation, clamp};
use crate::buf::IoBuf;
use crate::core::Core;
use crate::io::Outlet;

/// How the bytes get into the socket.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Way {
    /// As they lie in the buffer.
    Lent,
    /// As a copy, because the kernel has refused the other.
    Copied,
}

/// What a result asks for, to be done at the last completion: until then the kernel has the buffer.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Next {
    /// There is no result yet.
    Unknown,
    /// Send what is left.
    Rest,
    /// Send what is left, with a copy.
    Copy,
    /// Nothing: all is queued, or there was an error.
    Over,
}

/// Sends the last `left` bytes of a buffer.
pub(crate) struct SendZeroCopy<B> {
    core: Rc<Core>,
    /// There while it stands at the head of the socket's line.
    outlet: Option<Rc<Outlet>>,
    buf: B,
    left: usize,
    /// Of the last result, 0 for a count.
    errno: i32,
    next: Next,
    way: Way,
    tries: Tries,
}

impl<B: IoBuf> SendZeroCopy<B> {
    /// Sends a buffer, from the head of the line.
    pub(crate) fn new(outlet: Rc<Outlet>, buf: B) -> Self {
        Self {
            core: Rc::clone(outlet.fd().core()),
            outlet: Some(outlet),
            left: buf.bytes_init(),
            buf,
            errno: 0,
            next: Next::Unknown,
            way: Way::Lent,
            tries: Tries::default(),
        }
    }

    /// Takes the result. Calls no code of users, also not the buffer's: the driver may be borrowed.
    fn told(&mut self, cqe: Cqe) {
        if cqe.notif() {
            // A notification whose result never came, and its own is none: no kernel does that.
            (self.errno, self.next) = (libc::EIO, Next::Over);
            return;
        }
        self.errno = cqe.errno();
        self.left = self.left.saturating_sub(cqe.result().map_or(0, |bytes| bytes as usize));
        self.next = match self.errno {
            // Short where the buffer is larger than what the kernel takes at once.
            0 if self.left > 0 && cqe.res > 0 => {
                self.tries = Tries::default();
                Next::Rest
            }
            libc::EOPNOTSUPP | libc::ENOMEM if self.way == Way::Lent => Next::Copy,
            // What was sent before an error is reported instead of it (`io_sendrecv_fail`, `io_uring/net.c`).
            errno if errno != 0 && self.core.is_running() && self.tries.again(errno) => Next::Rest,
            _ => Next::Over,
        };
    }

    /// The last completion: the kernel has let go of the buffer.
    fn landed(mut self, cqe: Cqe) -> Sent<Self, B> {
        if self.next == Next::Unknown {
            self.told(cqe);
        }
        let lent = self.way == Way::Lent && self.errno == 0;
        self.core.count(|stats| {
            stats.zero_copy_sends += u64::from(lent);
            stats.zero_copy_copied += u64::from(lent && cqe.is_copied());
            stats.zero_copy_refused += u64::from(self.next == Next::Copy);
        });
        match self.next {
            Next::Rest => Sent::Rest(self),
            Next::Copy => {
                self.way = Way::Copied;
                Sent::Rest(self)
            }
            Next::Unknown | Next::Over => {
                self.pass_on();
                Sent::Over(self.outcome(), self.buf)
            }
        }
    }

    fn outcome(&self) -> io::Result<usize> {
        match self.errno {
            0 if self.left == 0 => Ok(self.buf.bytes_init()),
            0 => Err(io::ErrorKind::WriteZero.into()),
            errno => Err(io::Error::from_raw_os_error(errno)),
        }
    }

    /// Leaves the line, unless it has left before.
    fn pass_on(&mut self) {
        if let Some(outlet) = self.outlet.take() {
            outlet.release();
        }
    }
}

// SAFETY: the entry points into the buffer, which the operation owns and whose address is stable (contract of
// IoBuf); the kernel only reads it, until the last completion.
unsafe impl<B: IoBuf> Operation for SendZeroCopy<B> {
    type Output = Sent<Self, B>;
    /// A write that began is finished.
    const ON_DROP: OnDrop = OnDrop::LetRun;

    fn entry(&mut self) -> Sqe {
        let outlet = self.outlet.as_ref().expect("invariant: what is submitted is at the head of the line");
        self.next = Next::Unknown;
        let code = if self.way == Way::Lent { opcode::SEND_ZC } else { opcode::SEND };
        let mut sqe = Sqe::new(code, outlet.fd().raw());
        if self.way == Way::Lent && self.core.features().contains(Features::ZERO_COPY_REPORT) {
            sqe.ioprio = Sqe::SEND_ZC_REPORT_USAGE;
        }
        let done = self.buf.bytes_init() - self.left;
        sqe.addr = self.buf.stable_ptr().expose_provenance() as u64 + done as u64;
        sqe.len = clamp(self.left);
        // Without MSG_WAITALL sends are short even on blocking sockets (`io_uring_prep_send_zc(3)`).
        sqe.op_flags = (libc::MSG_NOSIGNAL | libc::MSG_WAITALL) as u32;
        sqe
    }

    fn more(&mut self, cqe: Cqe) -> More {
        if self.next == Next::Unknown && !cqe.notif() {
            self.told(cqe);
        }
        // A rest goes before what others send: the line waits for it.
        let over = if self.next == Next::Over { self.outlet.take() } else { None };
        More { over, ..More::default() }
    }

    fn finish(self, cqe: Cqe) -> Sent<Self, B> {
        self.landed(cqe)
    }

    fn orphaned(self, cqe: Cqe) {
        let core = Rc::clone(&self.core);
        match self.landed(cqe) {
            // The runtime ends: the rest is not sent, and the peer sees the end of the stream.
            Sent::Rest(rest) if core.is_open() => {
                core.submit_detached(rest);
            }
            Sent::Rest(mut rest) => rest.pass_on(),
            Sent::Over(..) => {}
        }
    }
}
