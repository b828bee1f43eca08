//! The seam: anything that takes submissions and gives completions is a ring.
//!
//! The trait is all that the driver knows of the kernel. Everything above it is production code in every test,
//! whichever ring is below.
#![allow(unsafe_code, reason = "two methods whose callers owe the kernel valid memory")]

use std::os::fd::OwnedFd;
use std::{fmt, io};

use crate::{BufRing, Call, Cqe, Features, Reply, Sqe};

/// The submission queue has no room: enter first, then push again.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct SqFull;

impl fmt::Display for SqFull {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("the submission queue is full")
    }
}

impl std::error::Error for SqFull {}

/// What can be registered with a ring.
#[derive(Debug)]
#[non_exhaustive]
pub enum Register<'a> {
    /// A provided-buffer ring, whose memory must outlive the registration.
    BufRing(&'a BufRing),
    /// The end of a provided-buffer group's registration.
    UnregisterBufRing {
        /// The group that the buffer ring was registered under.
        group: u16,
    },
}

/// A queue pair: submissions in, completions out.
///
/// One thread owns a ring for its whole life. The clock is the ring's too, so that a simulated ring can bend time.
pub trait Ring {
    /// Queues one submission. The kernel sees it at the next [`enter`](Ring::enter).
    ///
    /// # Safety
    ///
    /// Whatever memory the entry points to must stay valid, and must not be touched where the kernel writes, until
    /// the entry's last completion has been reaped (the one without [`Cqe::more`]). The ring being dropped does
    /// not end that duty: a closed ring can be followed by late writes.
    ///
    /// # Errors
    ///
    /// [`SqFull`] when there is no room; the entry was not taken.
    unsafe fn push(&mut self, sqe: &Sqe) -> Result<(), SqFull>;

    /// How many submissions were pushed that no enter has taken yet.
    fn queued(&mut self) -> u32;

    /// Submits everything that is queued, runs the kernel's deferred work and waits for `want` completions or
    /// until the clock of [`now`](Ring::now) reads `until` nanoseconds. With `want` 0 it does not wait.
    ///
    /// # Errors
    ///
    /// The errno as it is: `EINTR`, `EAGAIN` and `EBUSY` are the driver's to handle. A deadline that passed is not
    /// an error. Whatever is returned, submissions that were taken are in flight and the rest is still queued.
    fn enter(&mut self, want: u32, until: Option<u64>) -> io::Result<()>;

    /// Takes the oldest completion that is there.
    fn reap(&mut self) -> Option<Cqe>;

    /// Whether the kernel holds completions back until the next enter: deferred work or an overflowed queue.
    fn attention(&mut self) -> bool;

    /// Looks, without sleeping, for a completion or for work that an enter would run, until the clock reads `until` or
    /// `stop` says so. Gives whether it found any. A ring on which nothing happens by itself returns at once.
    fn watch(&mut self, _until: u64, _stop: &dyn Fn() -> bool) -> bool {
        false
    }

    /// Registers something with the ring.
    ///
    /// # Safety
    ///
    /// The registered memory must stay valid until it was unregistered and nothing that uses it is in flight.
    ///
    /// # Errors
    ///
    /// What `io_uring_register(2)` returned.
    unsafe fn register(&mut self, request: Register<'_>) -> io::Result<()>;

    /// Makes one of the few system calls that have no submission entry.
    ///
    /// # Errors
    ///
    /// The errno of the system call.
    fn call(&mut self, request: Call<'_>) -> io::Result<Reply>;

    /// The clock: nanoseconds since some point that stays the same (`CLOCK_MONOTONIC` on the kernel's ring).
    fn now(&self) -> u64;

    /// What this ring can do.
    fn features(&self) -> Features;

    /// How many completions were dropped because neither the queue nor memory had room. None on a kernel that is not short
    /// of memory: what finds the queue full waits in a list (`IORING_FEAT_NODROP`).
    fn overflows(&mut self) -> u64 {
        0
    }

    /// A descriptor of this ring for others to send messages to, where it can take them ([`Features::MSG_RING`]).
    ///
    /// # Errors
    ///
    /// The errno of `fcntl(2)`, such as `EMFILE`.
    fn mailbox(&self) -> io::Result<Option<OwnedFd>> {
        Ok(None)
    }

    /// Whether this process is a fork of the one that made the ring. A forked child must touch nothing.
    fn forked(&self) -> bool {
        false
    }
}
