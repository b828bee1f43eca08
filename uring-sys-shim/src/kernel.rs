//! The kernel's ring, on the `io-uring` crate's mapped queues.
#![allow(unsafe_code, reason = "entries are pushed and memory is registered: the duties go to the caller")]

use std::io;
use std::marker::PhantomData;
use std::mem::ManuallyDrop;
use std::os::fd::{AsRawFd, BorrowedFd, OwnedFd};
use std::ptr;

use io_uring::{IoUring, squeue};

use crate::call;
use crate::enter::Enter;
use crate::error::{SetupError, Step};
use crate::fork::ForkMark;
use crate::setup::{self, RingConfig};
use crate::{Call, Cqe, Features, Register, Reply, Ring, SqFull, Sqe};

/// A ring of the kernel, owned by the thread that made it.
pub struct KernelRing {
    /// Dropped by hand: in a forked child the queues are not mapped, and something else may be in their place.
    queues: ManuallyDrop<IoUring>,
    enter: Enter,
    features: Features,
    mark: ForkMark,
    /// Only the thread that made a single-issuer ring may use it.
    not_send: PhantomData<*const ()>,
}

impl KernelRing {
    /// Sets a ring up with the best that the kernel has and `config` allows.
    ///
    /// # Errors
    ///
    /// [`SetupError`] names the system call that failed, the cause and the cure.
    ///
    /// # Kernel
    ///
    /// Linux 6.1 is the floor. Features above it are probed; see [`Features`].
    pub fn new(config: &RingConfig) -> Result<Self, SetupError> {
        let (queues, granted) = setup::create(config)?;
        let features = granted.with(setup::probe(&queues)?.and(config.allow));
        let mark = ForkMark::new().map_err(|error| SetupError::new(Step::Setup, error))?;
        let mut ring = Self {
            enter: Enter::new(queues.as_raw_fd(), features),
            queues: ManuallyDrop::new(queues),
            features,
            mark,
            not_send: PhantomData,
        };
        if features.contains(Features::REGISTERED_RING) && ring.enter.register().is_err() {
            ring.features = features.without(Features::REGISTERED_RING);
        }
        ring.limit_workers(config).map_err(|error| SetupError::new(Step::Register, error))?;
        // A filter that forbids io_uring_enter shows here and not at the first operation.
        ring.enter(0, None).map_err(|error| SetupError::new(Step::Enter, error))?;
        Ok(ring)
    }

    fn limit_workers(&self, config: &RingConfig) -> io::Result<()> {
        let mut limits = [config.bounded_workers, config.unbounded_workers];
        self.queues.submitter().register_iowq_max_workers(&mut limits)
    }
}

impl Ring for KernelRing {
    #[inline]
    unsafe fn push(&mut self, sqe: &Sqe) -> Result<(), SqFull> {
        let entry: *const squeue::Entry = ptr::from_ref(sqe).cast();
        // SAFETY: Sqe and Entry are both the kernel's entry, of the same size and alignment (asserted beside Sqe),
        // and any bits are a valid entry.
        let entry = unsafe { &*entry };
        // SAFETY: the caller keeps the memory that the entry points to valid until its last completion.
        unsafe { self.queues.submission().push(entry) }.map_err(|_| SqFull)
    }

    #[inline]
    fn queued(&mut self) -> u32 {
        self.queues.submission().len() as u32
    }

    fn enter(&mut self, want: u32, until: Option<u64>) -> io::Result<()> {
        let submit = self.queued();
        self.enter.enter(submit, want, until, call::monotonic_nanos)
    }

    #[inline]
    fn reap(&mut self) -> Option<Cqe> {
        // The queue's head is published as soon as the entry is taken: the kernel counts the completions that an
        // enter waits for from there.
        self.queues.completion().next().map(Cqe::from)
    }

    #[inline]
    fn attention(&mut self) -> bool {
        let submission = self.queues.submission();
        submission.taskrun() || submission.cq_overflow()
    }

    fn watch(&mut self, until: u64, stop: &dyn Fn() -> bool) -> bool {
        /// Looks between two readings of the clock: about a microsecond.
        const LOOKS: u32 = 16;
        loop {
            for _ in 0..LOOKS {
                if self.attention() || !self.queues.completion().is_empty() {
                    return true;
                }
                if stop() {
                    return false;
                }
                std::hint::spin_loop();
            }
            if self.now() >= until {
                return false;
            }
        }
    }

    unsafe fn register(&mut self, request: Register<'_>) -> io::Result<()> {
        match request {
            Register::BufRing(ring) => {
                // SAFETY: the address is a page-aligned mapping of `entries` entries, which the caller keeps
                // alive until the group is unregistered and no operation uses it.
                unsafe {
                    self.queues.submitter().register_buf_ring_with_flags(
                        ring.address(),
                        ring.entries(),
                        ring.group(),
                        0,
                    )
                }
            }
            Register::UnregisterBufRing { group } => self.queues.submitter().unregister_buf_ring(group),
        }
    }

    fn call(&mut self, request: Call<'_>) -> io::Result<Reply> {
        call::make(request)
    }

    fn now(&self) -> u64 {
        call::monotonic_nanos()
    }

    fn features(&self) -> Features {
        self.features
    }

    fn overflows(&mut self) -> u64 {
        self.queues.completion().overflow().into()
    }

    fn mailbox(&self) -> io::Result<Option<OwnedFd>> {
        if !self.features.contains(Features::MSG_RING) {
            return Ok(None);
        }
        // SAFETY: the ring's descriptor is open as long as `self` lives.
        let own = unsafe { BorrowedFd::borrow_raw(self.queues.as_raw_fd()) };
        own.try_clone_to_owned().map(Some)
    }

    #[inline]
    fn forked(&self) -> bool {
        self.mark.is_child()
    }
}

impl Drop for KernelRing {
    fn drop(&mut self) {
        if self.forked() {
            return;
        }
        if self.enter.registered() {
            self.enter.unregister(self.queues.as_raw_fd());
        }
        // SAFETY: this is the drop of the ring, so that nobody uses the queues any more.
        unsafe { ManuallyDrop::drop(&mut self.queues) };
    }
}
