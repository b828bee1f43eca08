//! `shutdown(2)`: ends one direction of a connection.
#![allow(unsafe_code, reason = "implements the unsafe trait Operation")]

use std::io;
use std::rc::Rc;

use uring_sys_shim::{Cqe, Sqe, opcode};

use super::tries::Tries;
use super::{OnDrop, Operation, carry_on};
use crate::io::Fd;

/// Shuts a socket's sending side down: the peer reads the end of the stream.
pub(crate) struct Shutdown {
    pub(crate) fd: Fd,
    pub(crate) tries: Tries,
}

// SAFETY: the entry points to no memory.
unsafe impl Operation for Shutdown {
    type Output = io::Result<()>;
    const ON_DROP: OnDrop = OnDrop::LetRun;

    fn entry(&mut self) -> Sqe {
        let mut sqe = Sqe::new(opcode::SHUTDOWN, self.fd.raw());
        sqe.len = libc::SHUT_WR as u32;
        sqe
    }

    /// A second shutdown of a direction does no harm.
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
