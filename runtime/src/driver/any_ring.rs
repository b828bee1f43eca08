//! The ring below a driver: the kernel's, called statically, or any other behind one predictable branch.

use std::io;
use std::os::fd::OwnedFd;

use uring_sys_shim::{Call, Cqe, Features, KernelRing, Register, Reply, Ring, SqFull, Sqe};

/// The kernel's ring or a boxed one.
#[allow(clippy::large_enum_variant, reason = "one per core, and never moved after it was made")]
pub(crate) enum AnyRing {
    Kernel(KernelRing),
    Other(Box<dyn Ring>),
}

macro_rules! either {
    ($self:ident, $ring:ident => $call:expr) => {
        match $self {
            AnyRing::Kernel($ring) => $call,
            AnyRing::Other($ring) => $call,
        }
    };
}

impl AnyRing {
    /// Queues one submission.
    ///
    /// # Safety
    ///
    /// As [`Ring::push`].
    #[inline(always)]
    #[allow(unsafe_code, reason = "hands the caller's duty on")]
    pub(crate) unsafe fn push(&mut self, sqe: &Sqe) -> Result<(), SqFull> {
        // SAFETY: the caller holds the contract of `Ring::push`.
        either!(self, ring => unsafe { ring.push(sqe) })
    }

    #[inline]
    pub(crate) fn queued(&mut self) -> u32 {
        either!(self, ring => ring.queued())
    }

    #[inline]
    pub(crate) fn enter(&mut self, want: u32, until: Option<u64>) -> io::Result<()> {
        either!(self, ring => ring.enter(want, until))
    }

    #[inline]
    pub(crate) fn reap(&mut self) -> Option<Cqe> {
        either!(self, ring => ring.reap())
    }

    #[inline]
    pub(crate) fn attention(&mut self) -> bool {
        either!(self, ring => ring.attention())
    }

    pub(crate) fn watch(&mut self, until: u64, stop: &dyn Fn() -> bool) -> bool {
        either!(self, ring => ring.watch(until, stop))
    }

    /// Registers something with the ring.
    ///
    /// # Safety
    ///
    /// As [`Ring::register`].
    #[allow(unsafe_code, reason = "hands the caller's duty on")]
    pub(crate) unsafe fn register(&mut self, request: Register<'_>) -> io::Result<()> {
        // SAFETY: the caller holds the contract of `Ring::register`.
        either!(self, ring => unsafe { ring.register(request) })
    }

    pub(crate) fn call(&mut self, request: Call<'_>) -> io::Result<Reply> {
        either!(self, ring => ring.call(request))
    }

    #[inline]
    pub(crate) fn now(&self) -> u64 {
        either!(self, ring => ring.now())
    }

    pub(crate) fn overflows(&mut self) -> u64 {
        either!(self, ring => ring.overflows())
    }

    pub(crate) fn mailbox(&self) -> io::Result<Option<OwnedFd>> {
        either!(self, ring => ring.mailbox())
    }

    pub(crate) fn features(&self) -> Features {
        either!(self, ring => ring.features())
    }

    #[inline]
    pub(crate) fn forked(&self) -> bool {
        either!(self, ring => ring.forked())
    }
}
