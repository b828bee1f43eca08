//! `statx(2)` of an open file.
#![allow(unsafe_code, reason = "the kernel fills in a structure")]

use std::io;
use std::mem::MaybeUninit;

use uring_sys_shim::{Cqe, Sqe, opcode};

use super::manner::Manner;
use super::tries::Tries;
use super::{OnDrop, Operation};
use crate::io::Fd;

/// Asks for the basic facts of an open file.
pub(crate) struct Statx {
    fd: Fd,
    /// Boxed: the kernel writes it at completion.
    facts: Box<MaybeUninit<libc::statx>>,
    manner: Manner,
    tries: Tries,
}

impl Statx {
    pub(crate) fn new(fd: Fd, manner: Manner) -> Self {
        Self { fd, facts: Box::new(MaybeUninit::zeroed()), manner, tries: Tries::default() }
    }
}

// SAFETY: the entry points to the boxed structure, which the operation owns, and to a static empty path.
unsafe impl Operation for Statx {
    type Output = io::Result<Box<libc::statx>>;
    const ON_DROP: OnDrop = OnDrop::Cancel;

    fn entry(&mut self) -> Sqe {
        let mut sqe = Sqe::new(opcode::STATX, self.fd.raw());
        sqe.addr = c"".as_ptr().expose_provenance() as u64;
        sqe.off = self.facts.as_mut_ptr().expose_provenance() as u64;
        sqe.len = libc::STATX_BASIC_STATS;
        sqe.op_flags = libc::AT_EMPTY_PATH as u32;
        sqe.flags = self.manner.flags();
        sqe
    }

    /// It only asks.
    fn tries(&mut self) -> Option<&mut Tries> {
        Some(&mut self.tries)
    }

    fn finish(self, cqe: Cqe) -> io::Result<Box<libc::statx>> {
        cqe.result()?;
        // SAFETY: all-zero bytes are a valid statx, and the kernel has filled it in.
        Ok(unsafe { self.facts.assume_init() })
    }

    fn orphaned(self, _cqe: Cqe) {}
}
