//! Tells a forked child from the process that made the ring.
//!
//! A child shares the submission queue's memory with its parent: an entry that it pushes is executed by the
//! parent. The rings are therefore mapped `MADV_DONTFORK`, and whoever is about to touch one asks here first. The
//! mark is a page that the kernel wipes in a child (`MADV_WIPEONFORK`, `madvise(2)`, Linux 4.14), so that asking
//! costs one load and no system call, and also sees a fork that went past libc.
#![allow(unsafe_code, reason = "one page of memory is mapped, read and unmapped")]

use std::io;
use std::ptr::{self, NonNull};

const PAGE_BYTES: usize = 4096;

/// A mark that is gone in a forked child.
#[derive(Debug)]
pub(crate) struct ForkMark {
    page: NonNull<u8>,
}

impl ForkMark {
    /// Sets the mark in this process.
    pub(crate) fn new() -> io::Result<Self> {
        // SAFETY: no address is asked for, the length is not zero, and an anonymous mapping takes no descriptor.
        let page = unsafe {
            libc::mmap(
                ptr::null_mut(),
                PAGE_BYTES,
                libc::PROT_READ | libc::PROT_WRITE,
                libc::MAP_PRIVATE | libc::MAP_ANONYMOUS,
                -1,
                0,
            )
        };
        if page == libc::MAP_FAILED {
            return Err(io::Error::last_os_error());
        }
        let mark = Self { page: NonNull::new(page.cast()).ok_or(io::ErrorKind::OutOfMemory)? };
        // SAFETY: the range is the page that was mapped above.
        let wiped = unsafe { libc::madvise(page, PAGE_BYTES, libc::MADV_WIPEONFORK) };
        if wiped != 0 {
            return Err(io::Error::last_os_error());
        }
        // SAFETY: the page is mapped, writable and owned by this value.
        unsafe { mark.page.write_volatile(1) };
        Ok(mark)
    }

    /// Whether this process is a fork of the one that set the mark.
    #[inline]
    pub(crate) fn is_child(&self) -> bool {
        // SAFETY: the page stays mapped while this value lives, and nobody writes to it; volatile, because the
        // kernel changes it behind the compiler's back.
        unsafe { self.page.read_volatile() == 0 }
    }
}

impl Drop for ForkMark {
    fn drop(&mut self) {
        // SAFETY: the page was mapped by `new` with this length and nothing points into it any more.
        unsafe { libc::munmap(self.page.as_ptr().cast(), PAGE_BYTES) };
    }
}
