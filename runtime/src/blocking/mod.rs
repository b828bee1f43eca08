//! The pool of threads for calls that block.
//!
//! It owns the threads and the queue of what waits for one, and starts a thread when there is more to do than threads
//! are idle. Everything that it shares is behind one mutex, and one condition says that there is something to do or that
//! the pool has closed: there is no other protocol. It knows what it runs only as [`Work`], and the runtimes that share
//! it only by the numbers of their cores.

mod handle;
mod job;

use std::collections::BTreeMap;
use std::mem;
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::thread;
use std::time::Duration;
use std::{fmt, io};

use uring_sys_shim::{allow_cpus, without_signals};

use crate::panics::contain;
use crate::task::{JoinError, Rejection};

pub use handle::{BlockingHandle, spawn_blocking};

/// The limits of a pool.
#[derive(Clone, Copy, Debug)]
pub(crate) struct BlockingConfig {
    pub(crate) threads_max: usize,
    pub(crate) queue_max: usize,
    pub(crate) keep_alive: Duration,
}

impl Default for BlockingConfig {
    fn default() -> Self {
        Self { threads_max: 64, queue_max: 4096, keep_alive: Duration::from_secs(10) }
    }
}

/// Something that runs once, or never.
trait Work: Send + Sync {
    /// Runs it, unless it was given up.
    fn run(&self);
    /// Drops it unrun; whoever waits for it gets the error.
    fn give_up(&self, error: JoinError);
}

/// The runtimes' hold of a pool. When the last one goes, the threads end as soon as they have nothing to do.
pub(crate) struct Blocking(Arc<Pool>);

struct Pool {
    config: BlockingConfig,
    /// Where the threads may run, if not where they are started.
    cpus: Vec<usize>,
    state: Mutex<State>,
    /// There is something to do, or the pool has closed.
    news: Condvar,
}

#[derive(Default)]
struct State {
    /// What waits for a thread, by its ticket: oldest first. At most `queue_max`, besides those whose thread is on its
    /// way.
    queue: BTreeMap<u64, Queued>,
    tickets: u64,
    /// Threads that are alive, or about to be.
    threads: usize,
    /// Threads that wait for `news`, those included that were told and have not come to look yet.
    idle: usize,
    /// Threads that run something.
    busy: usize,
    /// Threads that were ever started.
    started: u64,
    /// Set if nobody submits any more.
    closed: bool,
}

struct Queued {
    core: u16,
    work: Arc<dyn Work>,
}

/// What a pool has at the moment.
pub(crate) struct Usage {
    pub(crate) threads: usize,
    pub(crate) queued: usize,
}

impl Blocking {
    /// A pool without threads: these start when they are needed.
    pub(crate) fn new(config: BlockingConfig) -> Self {
        Self::on(config, Vec::new())
    }

    /// A pool whose threads run on any of these processors: they do not stay on that of the core that starts them.
    pub(crate) fn on(config: BlockingConfig, cpus: Vec<usize>) -> Self {
        Self(Arc::new(Pool { config, cpus, state: Mutex::default(), news: Condvar::new() }))
    }

    pub(crate) fn usage(&self) -> Usage {
        let state = self.0.lock();
        Usage { threads: state.threads, queued: state.queue.len() }
    }

    /// Gives work to a thread, for the core with this number. It is given up here when too much waits already.
    fn submit(&self, core: u16, work: Arc<dyn Work>) -> Option<Ticket> {
        let Pool { config: BlockingConfig { threads_max, queue_max, .. }, news, .. } = &*self.0;
        let mut state = self.0.lock();
        if state.busy + state.queue.len() >= threads_max.saturating_add(*queue_max) {
            drop(state);
            work.give_up(JoinError::rejected(Rejection::Full { threads: *threads_max, queued: *queue_max }));
            return None;
        }
        let number = state.tickets;
        state.tickets += 1;
        state.queue.insert(number, Queued { core, work });
        // Each idle thread takes one; for the others one more is needed.
        let starts = state.queue.len() > state.idle && state.threads < *threads_max;
        let name = state.started;
        if starts {
            state.threads += 1;
            state.started += 1;
        }
        drop(state);
        news.notify_one();
        if starts {
            self.0.start(name);
        }
        Some(Ticket { pool: Arc::clone(&self.0), number })
    }

    /// Gives up what waits for the core with this number, which ends. What runs already goes on.
    pub(crate) fn forget(&self, core: u16) {
        let all: Vec<_> = self.0.lock().queue.extract_if(.., |_, queued| queued.core == core).collect();
        for (_, Queued { work, .. }) in all {
            work.give_up(JoinError::cancelled());
        }
    }
}

impl Drop for Blocking {
    fn drop(&mut self) {
        let left = {
            let mut state = self.0.lock();
            state.closed = true;
            mem::take(&mut state.queue)
        };
        self.0.news.notify_all();
        for Queued { work, .. } in left.into_values() {
            work.give_up(JoinError::cancelled());
        }
    }
}

impl fmt::Debug for Blocking {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("Blocking").field(&self.0.config).finish()
    }
}

impl Pool {
    /// No code of users runs while it is locked, so a panic has left nothing halfway.
    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Starts a thread that is counted already.
    fn start(self: &Arc<Self>, name: u64) {
        let pool = Arc::clone(self);
        let builder = thread::Builder::new().name(format!("uring-blocking-{name}"));
        // The signals of the process are for its own threads.
        if let Err(error) = without_signals(|| builder.spawn(move || pool.serve()).map(drop)) {
            self.not_started(&error);
        }
    }

    /// A thread could not be started. Without any other one nobody would ever run what waits.
    fn not_started(&self, error: &io::Error) {
        let left = {
            let mut state = self.lock();
            state.threads -= 1;
            if state.threads > 0 {
                return;
            }
            mem::take(&mut state.queue)
        };
        for Queued { work, .. } in left.into_values() {
            work.give_up(JoinError::rejected(Rejection::NoThread(error.to_string())));
        }
    }

    /// What a thread does: what is queued, until nothing has come for the keep-alive or the pool has closed.
    fn serve(&self) {
        if !self.cpus.is_empty()
            && let Err(error) = allow_cpus(&self.cpus)
        {
            tracing::warn!(%error, "a thread for calls that block stays on the processor of the core that started it");
        }
        let mut state = self.lock();
        loop {
            while let Some((_, Queued { work, .. })) = state.queue.pop_first() {
                state.busy += 1;
                drop(state);
                work.run();
                // A result that nobody waits for goes here.
                contain(move || drop(work));
                state = self.lock();
                state.busy -= 1;
            }
            if state.closed {
                break;
            }
            state.idle += 1;
            let nothing = |state: &mut State| state.queue.is_empty() && !state.closed;
            let waited = self.news.wait_timeout_while(state, self.config.keep_alive, nothing);
            let (woken, time) = waited.unwrap_or_else(PoisonError::into_inner);
            state = woken;
            state.idle -= 1;
            // Only when there is still nothing: what came at the last moment counts on this thread.
            if time.timed_out() {
                break;
            }
        }
        state.threads -= 1;
    }
}

/// The place of work in the queue.
struct Ticket {
    pool: Arc<Pool>,
    number: u64,
}

impl Ticket {
    /// Takes the work out of the queue, if it is there.
    fn withdraw(&self) {
        let queued = self.pool.lock().queue.remove(&self.number);
        // Its drop may be code of users, so it is not under the lock.
        drop(queued);
    }
}

#[cfg(test)]
mod tests;
