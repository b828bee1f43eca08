//! The system call `io_uring_enter(2)`, made here because the crate's form misses what we need: the index of a
//! registered ring that outlives one borrow, an absolute deadline, and no accounting as I/O wait.
#![allow(unsafe_code, reason = "two system calls that libc has no function for")]

use std::io;
use std::mem::size_of;
use std::os::fd::RawFd;
use std::ptr;

use io_uring::EnterFlags;

use crate::Features;

const NANOS_PER_SEC: u64 = 1_000_000_000;
/// `IORING_REGISTER_RING_FDS` and its opposite.
const REGISTER_RING_FDS: u32 = 20;
const UNREGISTER_RING_FDS: u32 = 21;

/// `struct io_uring_getevents_arg`.
#[repr(C)]
struct GeteventsArg {
    sigmask: u64,
    sigmask_sz: u32,
    min_wait_usec: u32,
    ts: u64,
}

/// `struct __kernel_timespec`.
#[repr(C)]
struct Timespec {
    tv_sec: i64,
    tv_nsec: i64,
}

impl Timespec {
    fn from_nanos(nanos: u64) -> Self {
        // Both halves fit: u64::MAX nanoseconds are 584 years.
        Self { tv_sec: (nanos / NANOS_PER_SEC) as i64, tv_nsec: (nanos % NANOS_PER_SEC) as i64 }
    }
}

/// Enters one ring: its descriptor or registered index, and the flags that go with it.
#[derive(Debug)]
pub(crate) struct Enter {
    ring: RawFd,
    flags: u32,
    absolute: bool,
}

impl Enter {
    pub(crate) fn new(ring: RawFd, features: Features) -> Self {
        let mut flags = EnterFlags::GETEVENTS;
        if features.contains(Features::NO_IOWAIT) {
            flags |= EnterFlags::NO_IOWAIT;
        }
        Self { ring, flags: flags.bits(), absolute: features.contains(Features::ABS_TIMER) }
    }

    /// Registers the ring's descriptor with this thread, so that each enter saves the look-up. The kernel has 16
    /// places a thread; when they are taken the ring goes on with its descriptor.
    pub(crate) fn register(&mut self) -> io::Result<()> {
        let mut update = RsrcUpdate { offset: u32::MAX, resv: 0, data: self.ring as u64 };
        ring_fds(self.ring, REGISTER_RING_FDS, &mut update)?;
        self.ring = update.offset as RawFd;
        self.flags |= EnterFlags::REGISTERED_RING.bits();
        Ok(())
    }

    /// Gives the registered index back, on the thread that registered it. Without this the ring would live on
    /// behind its index after its descriptor was closed.
    pub(crate) fn unregister(&mut self, ring: RawFd) {
        if self.flags & EnterFlags::REGISTERED_RING.bits() != 0 {
            let mut update = RsrcUpdate { offset: self.ring as u32, resv: 0, data: 0 };
            // It can only fail on a thread that did not register the ring: nothing is registered there then.
            let _ = ring_fds(ring, UNREGISTER_RING_FDS, &mut update);
            self.flags &= !EnterFlags::REGISTERED_RING.bits();
            self.ring = ring;
        }
    }

    pub(crate) fn registered(&self) -> bool {
        self.flags & EnterFlags::REGISTERED_RING.bits() != 0
    }

    /// Submits `submit` entries and waits for `want` completions, until the monotonic clock reads `until`.
    pub(crate) fn enter(
        &self,
        submit: u32,
        want: u32,
        until: Option<u64>,
        now: impl Fn() -> u64,
    ) -> io::Result<()> {
        let Some(until) = until.filter(|_| want > 0) else {
            return self.call(submit, want, self.flags, ptr::null(), 0);
        };
        let mut flags = self.flags | EnterFlags::EXT_ARG.bits();
        let ts = if self.absolute {
            flags |= EnterFlags::ABS_TIMER.bits();
            Timespec::from_nanos(until)
        } else {
            Timespec::from_nanos(until.saturating_sub(now()))
        };
        let arg = GeteventsArg {
            sigmask: 0,
            sigmask_sz: 0,
            min_wait_usec: 0,
            ts: (&raw const ts).expose_provenance() as u64,
        };
        self.call(submit, want, flags, &raw const arg, size_of::<GeteventsArg>())
    }

    fn call(
        &self,
        submit: u32,
        want: u32,
        flags: u32,
        arg: *const GeteventsArg,
        size: usize,
    ) -> io::Result<()> {
        // SAFETY: `arg` is null with size 0, or points to a GeteventsArg of `size` bytes whose timespec outlives
        // the call: the kernel copies both before it waits. What the queued entries point to is vouched for by
        // whoever pushed them.
        let taken =
            unsafe { libc::syscall(libc::SYS_io_uring_enter, self.ring, submit, want, flags, arg, size) };
        if taken >= 0 {
            return Ok(());
        }
        match io::Error::last_os_error() {
            error if error.raw_os_error() == Some(libc::ETIME) => Ok(()),
            error => Err(error),
        }
    }
}

/// `struct io_uring_rsrc_update`.
#[repr(C)]
struct RsrcUpdate {
    offset: u32,
    resv: u32,
    data: u64,
}

fn ring_fds(ring: RawFd, opcode: u32, update: &mut RsrcUpdate) -> io::Result<()> {
    // SAFETY: the kernel reads and writes one RsrcUpdate, which is borrowed for the call.
    let done = unsafe { libc::syscall(libc::SYS_io_uring_register, ring, opcode, ptr::from_mut(update), 1) };
    if done == 1 { Ok(()) } else { Err(io::Error::last_os_error()) }
}
