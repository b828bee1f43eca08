//! `fsync(2)` and `fdatasync(2)`.
#![allow(unsafe_code, reason = "implements the unsafe trait Operation")]

use std::io;
use std::rc::Rc;

use uring_sys_shim::{Cqe, Sqe, opcode};

use super::manner::Manner;
use super::tries::Tries;
use super::{OnDrop, Operation, carry_on};
use crate::io::Fd;

/// `IORING_FSYNC_DATASYNC`.
const DATASYNC: u32 = 1;

/// What is to reach the disk.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) enum Extent {
    /// The content and all metadata.
    All,
    /// The content, and the metadata that is needed to read it.
    Data,
}

/// Makes what was written durable.
pub(crate) struct Fsync {
    pub(crate) fd: Fd,
    pub(crate) extent: Extent,
    pub(crate) manner: Manner,
    pub(crate) tries: Tries,
}

// SAFETY: the entry points to no memory.
unsafe impl Operation for Fsync {
    type Output = io::Result<()>;
    const ON_DROP: OnDrop = OnDrop::LetRun;

    fn entry(&mut self) -> Sqe {
        let mut sqe = Sqe::new(opcode::FSYNC, self.fd.raw());
        sqe.op_flags = if self.extent == Extent::Data { DATASYNC } else { 0 };
        sqe.flags = self.manner.flags();
        sqe
    }

    /// A second sync does no harm.
    fn tries(&mut self) -> Option<&mut Tries> {
        Some(&mut self.tries)
    }

    fn finish(self, cqe: Cqe) -> io::Result<()> {
        cqe.result().map(drop)
    }

    fn orphaned(self, cqe: Cqe) {
        let core = Rc::clone(self.fd.core());
        carry_on(&core, self, cqe);
    }
}
