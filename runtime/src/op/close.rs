//! `close(2)`, when somebody wants to know its error.
#![allow(unsafe_code, reason = "implements the unsafe trait Operation")]

use std::io;
use std::os::fd::{IntoRawFd, OwnedFd};

use uring_sys_shim::{Cqe, Sqe, opcode};

use super::{OnDrop, Operation};

/// Closes a descriptor that nothing else uses any more.
pub(crate) struct Close {
    /// Taken when the entry is made: from then on the descriptor is the kernel's to close, also when the close
    /// fails (`close(2)`, "Dealing with error returns from close").
    fd: Option<OwnedFd>,
}

impl Close {
    pub(crate) fn new(fd: OwnedFd) -> Self {
        Self { fd: Some(fd) }
    }
}

// SAFETY: the entry points to no memory.
unsafe impl Operation for Close {
    type Output = io::Result<()>;
    const ON_DROP: OnDrop = OnDrop::LetRun;

    fn entry(&mut self) -> Sqe {
        let fd = self.fd.take().map_or(-1, IntoRawFd::into_raw_fd);
        Sqe::new(opcode::CLOSE, fd)
    }

    fn finish(self, cqe: Cqe) -> io::Result<()> {
        cqe.result().map(drop)
    }

    fn orphaned(self, _cqe: Cqe) {}
}
