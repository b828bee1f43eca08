//! `connect(2)`.
#![allow(unsafe_code, reason = "the entry points to the address")]

use std::io;

use uring_sys_shim::{Cqe, RawAddress, Sqe, opcode};

use super::{OnDrop, Operation};
use crate::io::Fd;

/// Connects a socket, and gives it back.
///
/// A connect that was interrupted goes on (`connect(2)`), so that it is never submitted again. Signals do not interrupt
/// it here: the kernel begins it without waiting and polls the socket (`io_connect`, `io_uring/net.c`).
pub(crate) struct Connect {
    pub(crate) fd: Fd,
    /// Boxed: the address must not move while the kernel reads it.
    pub(crate) address: Box<RawAddress>,
}

// SAFETY: the entry points to the boxed address, which the operation owns.
unsafe impl Operation for Connect {
    type Output = io::Result<Fd>;
    const ON_DROP: OnDrop = OnDrop::Cancel;

    fn entry(&mut self) -> Sqe {
        let mut sqe = Sqe::new(opcode::CONNECT, self.fd.raw());
        sqe.addr = self.address.address();
        sqe.off = u64::from(self.address.bytes());
        sqe
    }

    fn finish(self, cqe: Cqe) -> io::Result<Fd> {
        cqe.result().map(|_| self.fd)
    }

    fn orphaned(self, _cqe: Cqe) {
        // Connected or not, nobody wants the socket: dropping it closes it, so that none stays half open.
    }
}
