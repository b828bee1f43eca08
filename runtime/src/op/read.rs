//! `pread(2)`: into an owned buffer, at an offset.
#![allow(unsafe_code, reason = "the entry points into the buffer")]

use std::io;

use uring_sys_shim::{Cqe, Sqe, opcode};

use super::manner::Manner;
use super::tries::Tries;
use super::{OnDrop, Operation, clamp};
use crate::buf::{BufResult, IoBufMut};
use crate::io::Fd;

/// Reads into `buf[filled..]`.
pub(crate) struct ReadAt<B> {
    pub(crate) fd: Fd,
    pub(crate) buf: B,
    pub(crate) filled: usize,
    pub(crate) offset: u64,
    pub(crate) manner: Manner,
    pub(crate) tries: Tries,
}

// SAFETY: the entry points into the buffer, which the operation owns and whose address is stable (contract of
// IoBufMut).
unsafe impl<B: IoBufMut> Operation for ReadAt<B> {
    type Output = BufResult<usize, B>;
    const ON_DROP: OnDrop = OnDrop::Cancel;

    #[inline]
    fn entry(&mut self) -> Sqe {
        let mut sqe = Sqe::new(opcode::READ, self.fd.raw());
        sqe.addr = self.buf.stable_mut_ptr().expose_provenance() as u64 + self.filled as u64;
        sqe.len = clamp(self.buf.bytes_total() - self.filled);
        sqe.off = self.offset;
        sqe.flags = self.manner.flags();
        sqe
    }

    /// What was read before an error is reported instead of it (`io_fixup_rw_res`, `io_uring/rw.c`).
    fn tries(&mut self) -> Option<&mut Tries> {
        Some(&mut self.tries)
    }

    fn finish(mut self, cqe: Cqe) -> BufResult<usize, B> {
        let result = received(&mut self.buf, self.filled, cqe);
        BufResult(result, self.buf)
    }

    fn orphaned(self, _cqe: Cqe) {
        // The file still has the bytes. The buffer is dropped here, after its last completion.
    }
}

/// Tells a buffer how many bytes the kernel wrote behind the first `filled`.
pub(crate) fn received<B: IoBufMut>(buf: &mut B, filled: usize, cqe: Cqe) -> io::Result<usize> {
    let bytes = cqe.result()? as usize;
    let room = buf.bytes_total() - filled;
    if bytes > room {
        overrun();
    }
    // SAFETY: the first `filled` bytes were initialised before, and the kernel wrote `bytes` behind them, which
    // is no more than there was room for.
    unsafe { buf.set_init(filled + bytes) };
    Ok(bytes)
}

/// The kernel says that it wrote more than there was room for: memory is damaged, and nothing can be trusted.
#[cold]
pub(super) fn overrun() -> ! {
    tracing::error!("the kernel reported more bytes than the buffer has room for; aborting");
    std::process::abort()
}
