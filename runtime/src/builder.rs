//! How a runtime is made, and why it could not be.

use std::sync::Arc;
use std::time::Duration;
use std::{fmt, io};

use uring_sys_shim::{Features, KernelRing, Ring, RingConfig, SetupError};

use crate::blocking::{Blocking, BlockingConfig};
use crate::buf::PoolConfig;
use crate::core::{Core, CoreConfig, fresh_seed, seed_of_core};
use crate::driver::AnyRing;
use crate::launch::{Cores, Launcher};
use crate::runtime::Runtime;
use crate::task::Inbox;

/// Makes a [`Runtime`]. Every value has a unit and a limit, and a default that suits a server.
///
/// ```
/// # fn main() -> Result<(), uring_runtime::BuildError> {
/// let runtime = uring_runtime::Builder::new().recv_buffers_max(8192).build()?;
/// runtime.block_on(async { /* … */ });
/// # Ok(())
/// # }
/// ```
#[must_use = "a builder does nothing unless `build` is called"]
pub struct Builder {
    settings: Settings,
    other: Option<Box<dyn Ring>>,
}

/// What a core looks for completions for, before it sleeps, unless said.
const SPIN: Duration = Duration::from_micros(50);

/// What many runtimes can be made with.
#[derive(Clone, Debug)]
pub(crate) struct Settings {
    ring: RingConfig,
    pool: PoolConfig,
    drain_timeout: Duration,
    spin: Duration,
    blocking: BlockingConfig,
    stall_limit: Option<Duration>,
    /// What the generators begin with, unless they begin with the kernel's randomness.
    seed: Option<u64>,
    /// The pool that several cores share.
    pool_of_threads: Option<Arc<Blocking>>,
}

impl Settings {
    /// For the cores of one service: they share a pool of threads for calls that block.
    pub(crate) fn shared(mut self) -> Self {
        // As this thread may run, which is on no core. Where that is not known, they stay with the core that starts them.
        let cpus = uring_sys_shim::usable_cpus().unwrap_or_default();
        self.pool_of_threads = Some(Arc::new(Blocking::on(self.blocking, cpus)));
        self
    }

    /// For one core of a service.
    pub(crate) fn of_core(mut self, index: usize) -> Self {
        self.seed = self.seed.map(|seed| seed_of_core(seed, index));
        self
    }

    fn threads(&self) -> Arc<Blocking> {
        let own = || Arc::new(Blocking::new(self.blocking));
        self.pool_of_threads.clone().unwrap_or_else(own)
    }
}

impl From<Settings> for Builder {
    fn from(settings: Settings) -> Self {
        Self { settings, other: None }
    }
}

impl Default for Builder {
    fn default() -> Self {
        Self::new()
    }
}

impl Builder {
    /// The defaults.
    pub fn new() -> Self {
        Self::from(Settings {
            ring: RingConfig::default(),
            pool: PoolConfig { buffer_bytes: 2048, buffers_start: 256, buffers_max: 4096 },
            drain_timeout: Duration::from_secs(5),
            spin: SPIN,
            blocking: BlockingConfig::default(),
            stall_limit: cfg!(debug_assertions).then_some(Duration::from_millis(100)),
            seed: None,
            pool_of_threads: None,
        })
    }

    /// Entries of the submission queue, rounded up to a power of two and at most 32,768. Default 256. With more
    /// operations in one turn the queue is submitted in between.
    pub fn submissions(mut self, entries: u32) -> Self {
        self.settings.ring.submissions = entries.max(1);
        self
    }

    /// Entries of the completion queue, rounded up to a power of two, at most 65,536 and at least as many as
    /// submissions. Default 4,096. A queue that overflows is slow, and loses nothing.
    pub fn completions(mut self, entries: u32) -> Self {
        self.settings.ring.completions = entries.max(1);
        self
    }

    /// Kernel threads at most for operations that need one: on files, and on anything that can block for ever. 0 is
    /// the kernel's default. Default 8 and 64.
    pub fn kernel_threads_max(mut self, files: u32, others: u32) -> Self {
        self.settings.ring.bounded_workers = files;
        self.settings.ring.unbounded_workers = others;
        self
    }

    /// Bytes of a receive buffer of the pool, 64 to 1,048,576. Default 2,048.
    pub fn recv_buffer_bytes(mut self, bytes: u32) -> Self {
        self.settings.pool.buffer_bytes = bytes.clamp(64, 1 << 20);
        self
    }

    /// Receive buffers of the pool at first, 1 to 32,768. Default 256.
    pub fn recv_buffers(mut self, buffers: u16) -> Self {
        self.settings.pool.buffers_start = buffers.clamp(1, 1 << 15);
        self
    }

    /// Receive buffers of the pool at most, 1 to 32,768. Default 4,096. When all are in use, connections wait in
    /// line for the next one.
    pub fn recv_buffers_max(mut self, buffers: u16) -> Self {
        self.settings.pool.buffers_max = buffers.clamp(1, 1 << 15);
        self
    }

    /// How long the end of the runtime waits for operations that were cancelled. What has not completed by then is
    /// leaked, counted and reported once through `tracing`. Default 5 s.
    pub fn drain_timeout(mut self, timeout: Duration) -> Self {
        self.settings.drain_timeout = timeout;
        self
    }

    /// How long at most a core that has nothing to do looks for completions before it sleeps, at most a second. Default
    /// 50 µs; zero: it sleeps at once.
    ///
    /// To fall asleep and to be woken takes longer than most answers do, so a server with few connections answers sooner,
    /// and its core is busy meanwhile. It looks only while that pays: when its last waits were shorter than twice this, and
    /// looking was not in vain of late. An idle core sleeps at once, and so does one that is asked something once in a
    /// millisecond. See [`Stats::spins`](crate::Stats::spins).
    pub fn spin(mut self, limit: Duration) -> Self {
        self.settings.spin = limit.min(Duration::from_secs(1));
        self
    }

    /// Threads at most for calls that block ([`spawn_blocking`](crate::task::spawn_blocking)), at least 1. Default 64: such
    /// calls wait more than they compute, so there are more than processors, and few enough that a server whose calls have
    /// become slow rejects some soon, instead of holding memory for thousands.
    pub fn blocking_threads_max(mut self, threads: usize) -> Self {
        self.settings.blocking.threads_max = threads.max(1);
        self
    }

    /// Calls that block at most that wait while all threads are busy. Further ones are rejected. Default 4,096: with 64
    /// threads and calls of 10 ms, the last waits for two thirds of a second.
    pub fn blocking_queue_max(mut self, calls: usize) -> Self {
        self.settings.blocking.queue_max = calls;
        self
    }

    /// How long a thread for calls that block waits for the next one before it ends. Default 10 s.
    pub fn blocking_keep_alive(mut self, keep_alive: Duration) -> Self {
        self.settings.blocking.keep_alive = keep_alive;
        self
    }

    /// How long a poll of a task may take. One that takes longer keeps everything else on its core waiting: it is told as
    /// a warning through `tracing`, with the task's name ([`task::Builder`](crate::task::Builder)), where it was spawned
    /// and how long it took, at most once a second, and counted in [`Stats::stalls`](crate::Stats::stalls). `None`: nobody
    /// looks. Default 100 ms in debug builds, and none in release builds.
    ///
    /// It costs one look at the clock for each poll.
    pub fn stall_limit(mut self, limit: Option<Duration>) -> Self {
        self.settings.stall_limit = limit;
        self
    }

    /// What the core's generator begins with, so that the runtime leaves the same to chance as in another run with this seed.
    /// Default: the kernel's randomness, another one for each runtime. The cores of a service begin with one that is
    /// made of it and their index.
    ///
    /// The generator decides which branch of a [`select!`](crate::select) is polled first, and nothing else: tasks run and
    /// timers fire in an order that has no chance in it. So the decisions are the same as long as the tasks ask in the same
    /// order. When the kernel completes what, and when other threads wake a task, is in nobody's hand.
    pub fn seed(mut self, seed: u64) -> Self {
        self.settings.seed = Some(seed);
        self
    }

    /// The kernel features that may be used where they are there. Default all. Fewer is for tests of what an older
    /// kernel does.
    pub fn features(mut self, allow: Features) -> Self {
        self.settings.ring.allow = allow;
        self
    }

    /// Another ring than the kernel's, such as one that follows a test's script.
    ///
    /// # Safety
    ///
    /// What the ring gives back is believed: a completion that reports bytes must have written them, one that names a
    /// descriptor must hand over a new one, one that names a provided buffer must be the only one to do so, and after a
    /// submission's last completion the ring must not touch its memory any more.
    #[allow(unsafe_code, reason = "the duty of a ring goes to who brings one")]
    pub unsafe fn ring(mut self, ring: Box<dyn Ring>) -> Self {
        self.other = Some(ring);
        self
    }

    /// A service of many cores with these values, each core with its own ring, buffers and limits. See
    /// [`Launcher::run`].
    ///
    /// ```no_run
    /// # fn main() -> Result<(), Box<dyn std::error::Error>> {
    /// use uring_runtime::{Builder, Cores};
    ///
    /// Builder::new().cores(Cores::All).run(|| async {
    ///     println!("core {} of {}", uring_runtime::core().index, uring_runtime::core().count);
    ///     std::io::Result::Ok(())
    /// })?;
    /// # Ok(())
    /// # }
    /// ```
    ///
    /// # Panics
    ///
    /// When the builder was given a [`ring`](Builder::ring), which one core alone can have.
    pub fn cores(self, cores: impl Into<Cores>) -> Launcher {
        assert!(
            self.other.is_none(),
            "uring: one ring cannot serve many cores; leave their rings to the builder"
        );
        Launcher::new(self.settings.shared(), cores.into())
    }

    /// Makes the runtime, on and for the current thread.
    ///
    /// # Errors
    ///
    /// [`BuildError`] names the cause and the cure.
    ///
    /// # Kernel
    ///
    /// Linux 6.1 or newer.
    pub fn build(self) -> Result<Runtime, BuildError> {
        let inbox = Inbox::claim().ok_or(BuildError::TooManyRuntimes)?;
        let ring = match self.other {
            Some(ring) => AnyRing::Other(ring),
            None => AnyRing::Kernel(KernelRing::new(&self.settings.ring).map_err(BuildError::Ring)?),
        };
        let Settings { pool, drain_timeout, spin, stall_limit, seed, .. } = self.settings;
        let blocking = self.settings.threads();
        let seed = seed.unwrap_or_else(fresh_seed);
        let config = CoreConfig { pool, drain_timeout, spin, blocking, stall_limit, seed };
        Core::new(ring, inbox, config).map(Runtime::from_core).map_err(BuildError::Resources)
    }
}

impl fmt::Debug for Builder {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.settings.fmt(f)
    }
}

/// A runtime could not be made.
#[derive(Debug)]
#[non_exhaustive]
pub enum BuildError {
    /// The ring could not be set up: see its cause and cure.
    Ring(SetupError),
    /// The receive buffers or the eventfd could not be made.
    Resources(io::Error),
    /// 1,024 runtimes are alive in this process already.
    TooManyRuntimes,
}

/// Whether the error is that of a filter or a security module: memory and descriptors have others.
fn is_refusal(error: &io::Error) -> bool {
    matches!(error.kind(), io::ErrorKind::PermissionDenied | io::ErrorKind::Unsupported)
}

impl fmt::Display for BuildError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            BuildError::Ring(error) => error.fmt(f),
            BuildError::Resources(error) if is_refusal(error) => write!(
                f,
                "no runtime: its receive buffers could not be registered ({error}); cause: a filter or a security \
                 module refuses io_uring_register for them; cure: allow io_uring_register in whole, or build without \
                 `Features::BUF_RING`"
            ),
            BuildError::Resources(error) => write!(
                f,
                "no runtime: its receive buffers or its eventfd could not be made ({error}); cure: free memory or \
                 descriptors (`ulimit -n`, `ulimit -l`), or build with fewer `recv_buffers_max`"
            ),
            BuildError::TooManyRuntimes => f.write_str(
                "no runtime: 1,024 are alive in this process already; cure: one for each core is enough, drop those \
                 that are not used",
            ),
        }
    }
}

impl std::error::Error for BuildError {
    fn source(&self) -> Option<&(dyn std::error::Error + 'static)> {
        match self {
            BuildError::Ring(error) => Some(error),
            BuildError::Resources(error) => Some(error),
            BuildError::TooManyRuntimes => None,
        }
    }
}

impl From<BuildError> for io::Error {
    fn from(error: BuildError) -> Self {
        match error {
            BuildError::Ring(error) => error.into(),
            BuildError::Resources(ref cause) => io::Error::new(cause.kind(), error),
            BuildError::TooManyRuntimes => io::Error::other(error),
        }
    }
}
