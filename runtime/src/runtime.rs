//! A runtime: one thread, one ring, and the tasks on it.

use std::panic::Location;
use std::pin::pin;
use std::rc::Rc;
use std::time::Duration;
use std::{fmt, io};

use uring_sys_shim::Features;

use crate::audit::Audit;
use crate::console::watch;
use crate::core::{Core, with_current};
use crate::remote::Handle;
use crate::stats::Stats;
use crate::task::MAIN;
use crate::{BuildError, Builder, launch};

/// A runtime on the thread that made it.
///
/// Dropping it drops its tasks, cancels what is in flight and waits for it, for at most
/// [`Builder::drain_timeout`]. What the kernel still has then is leaked and counted: memory is never freed behind
/// the kernel's back.
pub struct Runtime {
    core: Rc<Core>,
}

impl Runtime {
    /// A runtime with the defaults of [`Builder`].
    ///
    /// # Errors
    ///
    /// As [`Builder::build`].
    pub fn new() -> Result<Self, BuildError> {
        Builder::new().build()
    }

    pub(crate) fn from_core(core: Rc<Core>) -> Self {
        Self { core }
    }

    /// Runs a future to its end, and the tasks that are spawned meanwhile. The future is scheduled like a task.
    /// Tasks that are not finished then go on in the next `block_on`.
    ///
    /// # Panics
    ///
    /// When a runtime runs on this thread already. A panic of the future comes through; one of a task does not.
    #[track_caller]
    pub fn block_on<F: Future>(&self, future: F) -> F::Output {
        let (future, mark) = watch("block_on", None, Location::caller(), future);
        self.core.tasks.borrow_mut().marks.set(MAIN, mark);
        self.core.run(pin!(future))
    }

    /// What other threads spawn tasks with.
    #[must_use]
    pub fn handle(&self) -> Handle {
        Handle::of(&self.core)
    }

    /// What the runtime has done so far.
    #[must_use]
    pub fn stats(&self) -> Stats {
        self.core.stats()
    }

    /// How many threads the kernel has now for operations of this runtime that need one: see
    /// [`kernel_threads`](crate::kernel_threads()).
    ///
    /// # Errors
    ///
    /// As there.
    pub fn kernel_threads(&self) -> io::Result<usize> {
        uring_sys_shim::kernel_threads()
    }

    /// What is outstanding: see [`Audit`].
    #[must_use]
    pub fn audit(&self) -> Audit {
        self.core.audit()
    }

    /// What the runtime's ring can do.
    #[must_use]
    pub fn features(&self) -> Features {
        self.core.features()
    }

    pub(crate) fn core(&self) -> &Rc<Core> {
        &self.core
    }

    /// Ends the runtime in order: see [`shutdown`](crate::shutdown()). Its listeners refuse, its
    /// [`shutdown_token`](crate::shutdown_token) is cancelled, and its tasks go on until they have ended or the deadline has
    /// passed. Says how many operations had to be leaked. Returns 100 ms after the deadline at the latest.
    ///
    /// # Panics
    ///
    /// When a runtime runs on this thread already.
    pub fn shutdown_within(self, deadline: Duration) -> usize {
        self.core.begin_shutdown(deadline);
        self.core.run(pin!(launch::finish(&self.core)));
        self.core.end()
    }

    /// Ends the runtime as dropping it does, and says how many operations had to be leaked: 0 unless one did not
    /// complete within [`Builder::drain_timeout`].
    pub fn shutdown(self) -> usize {
        self.core.end()
    }
}

impl Drop for Runtime {
    fn drop(&mut self) {
        self.core.end();
    }
}

impl fmt::Debug for Runtime {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Runtime").field("features", &self.features()).finish_non_exhaustive()
    }
}

/// What the current core has done so far.
///
/// # Panics
///
/// Outside of a runtime.
#[must_use]
#[track_caller]
pub fn stats() -> Stats {
    Core::current().stats()
}

/// How many threads the kernel has now for operations of the current core that need one: those that wait for a disk or for
/// a file system, up to [`Builder::kernel_threads_max`]. The kernel keeps idle ones for some seconds.
///
/// No figure of [`Stats`], because nobody counts them: they are looked for when it is called, with a few system calls and
/// two more for each thread of the process, which block the core.
///
/// # Errors
///
/// The errno of reading `/proc/self`; `Unsupported` in a PID namespace, as most containers are, where the kernel does not
/// say whose they are.
///
/// # Panics
///
/// Outside of a runtime.
#[track_caller]
pub fn kernel_threads() -> io::Result<usize> {
    let _ = Core::current();
    uring_sys_shim::kernel_threads()
}

/// Whether a runtime runs on this thread.
#[must_use]
pub fn is_running() -> bool {
    with_current(|core| core.is_some())
}
