//! `openat(2)`.
#![allow(unsafe_code, reason = "the entry points to the path, and the result is a new descriptor")]

use std::ffi::CString;
use std::io;
use std::os::fd::{FromRawFd, OwnedFd};

use uring_sys_shim::{Cqe, Sqe, opcode};

use super::manner::Manner;
use super::tries::Tries;
use super::{OnDrop, Operation};

/// Opens a path, relative to the working directory.
pub(crate) struct Open {
    /// On the heap: the address stays when this value moves.
    pub(crate) path: CString,
    /// `O_*`; `O_CLOEXEC` is always added.
    pub(crate) flags: i32,
    /// The permissions of a file that is created.
    pub(crate) mode: u32,
    pub(crate) manner: Manner,
    pub(crate) tries: Tries,
}

// SAFETY: the entry points to the path, which is on the heap and owned by the operation.
unsafe impl Operation for Open {
    type Output = io::Result<OwnedFd>;
    const ON_DROP: OnDrop = OnDrop::Cancel;

    fn entry(&mut self) -> Sqe {
        let mut sqe = Sqe::new(opcode::OPENAT, libc::AT_FDCWD);
        sqe.addr = self.path.as_ptr().expose_provenance() as u64;
        sqe.op_flags = (self.flags | libc::O_CLOEXEC) as u32;
        sqe.len = self.mode;
        sqe.flags = self.manner.flags();
        sqe
    }

    /// An open for which there was no thread has not begun; one that was interrupted is repeated by the standard library,
    /// too.
    fn tries(&mut self) -> Option<&mut Tries> {
        Some(&mut self.tries)
    }

    fn finish(self, cqe: Cqe) -> io::Result<OwnedFd> {
        descriptor(cqe)
    }

    fn orphaned(self, cqe: Cqe) {
        // An open that won against its cancel made a descriptor: it is closed.
        drop(descriptor(cqe));
    }
}

/// The descriptor that an operation made.
pub(crate) fn descriptor(cqe: Cqe) -> io::Result<OwnedFd> {
    let fd = cqe.result()?;
    // SAFETY: the kernel made this descriptor for this completion, and it is taken from it once.
    Ok(unsafe { OwnedFd::from_raw_fd(fd as i32) })
}
