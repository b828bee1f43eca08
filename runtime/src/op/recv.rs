//! `recv(2)`: from a socket into a pooled buffer, once or many times, or into an owned buffer.
#![allow(unsafe_code, reason = "the entry points into the buffer, and completions name pooled ones")]

use std::rc::Rc;

use uring_sys_shim::{Cqe, Sqe, opcode};

use super::{More, OnDrop, Operation, clamp, read::overrun, read::received};
use crate::buf::{BufResult, GROUP, IoBufMut, Pool, RecvBuf};
use crate::io::{Fd, Inlet};

/// How often a receive takes a buffer.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Shots {
    /// Once: while buffers are short, so that each connection gets one in its turn.
    One,
    /// As often as there are bytes (6.0).
    Many,
}

/// Receives into buffers that the kernel takes from the pool. It belongs to the socket's inlet.
pub(crate) struct RecvPooled {
    pub(crate) fd: Fd,
    pub(crate) inlet: Rc<Inlet>,
    pub(crate) pool: Rc<Pool>,
    pub(crate) shots: Shots,
}

impl RecvPooled {
    /// The bytes that a completion brought, which is the only one to bring them.
    fn bytes(&self, cqe: Cqe) -> Option<RecvBuf> {
        let id = cqe.buffer_id()?;
        self.pool.taken();
        let bytes = u32::try_from(cqe.res).unwrap_or(0);
        if bytes as usize > self.pool.buffer_bytes() {
            overrun();
        }
        // SAFETY: the completion gave the buffer out with so many bytes, and is seen once.
        Some(unsafe { RecvBuf::pooled(&self.pool, id, bytes) })
    }
}

// SAFETY: the entry points to no memory: the kernel takes buffers of the pool, which outlives its registration.
unsafe impl Operation for RecvPooled {
    type Output = ();
    const ON_DROP: OnDrop = OnDrop::LetRun;

    #[inline]
    fn entry(&mut self) -> Sqe {
        let mut sqe = Sqe::new(opcode::RECV, self.fd.raw());
        sqe.flags = Sqe::BUFFER_SELECT;
        sqe.buf_index = GROUP;
        sqe.ioprio = if self.shots == Shots::Many { Sqe::RECV_MULTISHOT } else { 0 };
        sqe
    }

    fn more(&mut self, cqe: Cqe) -> More {
        match self.bytes(cqe) {
            Some(bytes) => self.inlet.arrived(bytes, self.pool.share()),
            None => More::default(),
        }
    }

    fn finish(self, _cqe: Cqe) {}

    fn orphaned(self, cqe: Cqe) {
        // An empty buffer is no bytes, whatever the completion says otherwise.
        let bytes = self.bytes(cqe).filter(|bytes| !bytes.is_empty());
        self.inlet.ended(cqe, bytes);
    }
}

/// Receives into `buf[filled..]`. A future waits for it, but what it brings after that future was dropped goes to
/// the socket's inlet.
pub(crate) struct RecvInto<B> {
    pub(crate) fd: Fd,
    pub(crate) inlet: Rc<Inlet>,
    pub(crate) buf: B,
    pub(crate) filled: usize,
    /// How many of the first bytes went back to the inlet already.
    given: usize,
}

impl<B: IoBufMut> RecvInto<B> {
    pub(crate) fn new(fd: Fd, inlet: Rc<Inlet>, buf: B, filled: usize) -> Self {
        Self { fd, inlet, buf, filled, given: 0 }
    }

    /// Copies what the buffer held before, so that the next reader need not wait for what comes behind it.
    pub(crate) fn give_back(&mut self) -> Vec<RecvBuf> {
        self.given = self.filled;
        // SAFETY: the first `filled` bytes of the buffer are initialised, and the kernel writes behind them only.
        let bytes = unsafe { std::slice::from_raw_parts(self.buf.stable_ptr(), self.filled) };
        RecvBuf::pieces(bytes).collect()
    }
}

// SAFETY: the entry points into the buffer, which the operation owns and whose address is stable (contract of
// IoBufMut).
unsafe impl<B: IoBufMut> Operation for RecvInto<B> {
    type Output = BufResult<usize, B>;
    /// The socket keeps what arrives.
    const ON_DROP: OnDrop = OnDrop::LetRun;

    #[inline]
    fn entry(&mut self) -> Sqe {
        let mut sqe = Sqe::new(opcode::RECV, self.fd.raw());
        sqe.addr = self.buf.stable_mut_ptr().expose_provenance() as u64 + self.filled as u64;
        sqe.len = clamp(self.buf.bytes_total() - self.filled);
        sqe
    }

    fn finish(mut self, cqe: Cqe) -> BufResult<usize, B> {
        let result = received(&mut self.buf, self.filled, cqe);
        BufResult(result, self.buf)
    }

    fn orphaned(self, cqe: Cqe) {
        let (inlet, given, filled) = (Rc::clone(&self.inlet), self.given, self.filled);
        let BufResult(result, buf) = self.finish(cqe);
        let kept = given..filled + result.unwrap_or(0);
        // First the socket, then the buffer: its drop is code of users, which may panic.
        inlet.ended(cqe, RecvBuf::pieces(&buf.init_bytes()[kept]));
        drop(buf);
    }
}
