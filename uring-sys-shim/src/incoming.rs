//! `SO_INCOMING_CPU`, which `nix` has no name for.
#![allow(unsafe_code, reason = "one system call with a pointer to its argument")]

use std::ffi::c_int;
use std::os::fd::{AsRawFd, BorrowedFd};

use nix::errno::Errno;

/// Lets a socket that shares its port take the connections that a processor receives (`socket(7)`).
pub(crate) fn set(fd: BorrowedFd<'_>, cpu: usize) -> nix::Result<()> {
    let cpu = c_int::try_from(cpu).map_err(|_| Errno::EINVAL)?;
    // SAFETY: the pointer is to an integer of the length that is said, which the kernel reads during the call.
    let result = unsafe {
        libc::setsockopt(
            fd.as_raw_fd(),
            libc::SOL_SOCKET,
            libc::SO_INCOMING_CPU,
            (&raw const cpu).cast(),
            size_of::<c_int>() as libc::socklen_t,
        )
    };
    Errno::result(result).map(drop)
}
