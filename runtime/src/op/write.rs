//! `pwrite(2)`: from an owned buffer, at an offset.
#![allow(unsafe_code, reason = "the entry points into the buffer")]

use std::rc::Rc;

use uring_sys_shim::{Cqe, Sqe, opcode};

use super::manner::Manner;
use super::tries::Tries;
use super::{OnDrop, Operation, carry_on, clamp};
use crate::buf::{BufResult, IoBuf};
use crate::io::Fd;

/// Writes `buf[done..]`.
pub(crate) struct WriteAt<B> {
    pub(crate) fd: Fd,
    pub(crate) buf: B,
    pub(crate) done: usize,
    pub(crate) offset: u64,
    pub(crate) manner: Manner,
    pub(crate) tries: Tries,
}

// SAFETY: the entry points into the buffer, which the operation owns and whose address is stable (contract of
// IoBuf); the kernel only reads it.
unsafe impl<B: IoBuf> Operation for WriteAt<B> {
    type Output = BufResult<usize, B>;
    /// A write that began is finished.
    const ON_DROP: OnDrop = OnDrop::LetRun;

    #[inline]
    fn entry(&mut self) -> Sqe {
        let mut sqe = Sqe::new(opcode::WRITE, self.fd.raw());
        sqe.addr = self.buf.stable_ptr().expose_provenance() as u64 + self.done as u64;
        sqe.len = clamp(self.buf.bytes_init() - self.done);
        sqe.off = self.offset;
        sqe.flags = self.manner.flags();
        sqe
    }

    /// What was written before an error is reported instead of it (`io_fixup_rw_res`, `io_uring/rw.c`), so that nothing
    /// is written twice.
    fn tries(&mut self) -> Option<&mut Tries> {
        Some(&mut self.tries)
    }

    fn finish(self, cqe: Cqe) -> BufResult<usize, B> {
        BufResult(cqe.result().map(|bytes| bytes as usize), self.buf)
    }

    fn orphaned(self, cqe: Cqe) {
        let core = Rc::clone(self.fd.core());
        carry_on(&core, self, cqe);
    }
}
