//! `accept4(2)`: once, or as often as connections come.
#![allow(unsafe_code, reason = "implements the unsafe trait Operation")]

use std::rc::Rc;

use uring_sys_shim::{Cqe, Sqe, opcode};

use super::open::descriptor;
use super::recv::Shots;
use super::{More, OnDrop, Operation};
use crate::io::{Backlog, Fd};

/// Accepts connections for a listener's backlog, which owns this operation.
pub(crate) struct Accept {
    pub(crate) fd: Fd,
    pub(crate) backlog: Rc<Backlog>,
    pub(crate) shots: Shots,
}

// SAFETY: the entry points to no memory: the peer's address is asked for later.
unsafe impl Operation for Accept {
    type Output = ();
    const ON_DROP: OnDrop = OnDrop::LetRun;

    fn entry(&mut self) -> Sqe {
        let mut sqe = Sqe::new(opcode::ACCEPT, self.fd.raw());
        sqe.op_flags = libc::SOCK_CLOEXEC as u32;
        sqe.ioprio = if self.shots == Shots::Many { Sqe::ACCEPT_MULTISHOT } else { 0 };
        sqe
    }

    fn more(&mut self, cqe: Cqe) -> More {
        self.backlog.arrived(descriptor(cqe))
    }

    fn finish(self, _cqe: Cqe) {}

    fn orphaned(self, cqe: Cqe) {
        self.backlog.ended(descriptor(cqe));
    }
}
