//! How long a task that is woken waits for its poll while thousands of others are always ready. Each contestant brings the
//! tasks, their yields and the timers; this is what the tasks do, and the clock of it.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering::Relaxed};
use std::thread;
use std::time::{Duration, Instant};

use hdrhistogram::Histogram;

use super::slot::Slot;
use crate::Result;
use crate::meter::Round;
use crate::pattern::Random;

/// Tasks that are always ready.
pub(crate) const BUSY_TASKS: usize = 10_000;
/// No wake is due.
const NEVER: u64 = u64::MAX;

/// What the busy tasks, the one that is woken and who wakes it share. The atomics are for runtimes whose tasks must be
/// `Send`: all but the wakes of the other thread stays on one thread, so none is read and written in one step.
pub(crate) struct Crowd {
    epoch: Instant,
    deadline: Instant,
    over: AtomicBool,
    /// Polls of the busy tasks.
    polls: AtomicU64,
    /// Those that began after the present wake was due.
    polls_since_due: AtomicU64,
    /// When the present wake is due, in nanoseconds since `epoch`.
    due_ns: AtomicU64,
    /// What the other thread wakes the task with.
    nudge: Slot<()>,
    nudges: AtomicU64,
}

impl Crowd {
    pub(crate) fn new(length: Duration) -> Arc<Self> {
        let epoch = Instant::now();
        let count = || AtomicU64::new(0);
        Arc::new(Self {
            epoch,
            deadline: epoch + length,
            over: AtomicBool::new(false),
            polls: count(),
            polls_since_due: count(),
            due_ns: AtomicU64::new(NEVER),
            nudge: Slot::new(),
            nudges: count(),
        })
    }

    /// A busy task: in each poll it looks at the clock, and then yields.
    pub(crate) async fn be_busy<Y: Future>(self: Arc<Self>, yield_now: impl Fn() -> Y) {
        while !self.over.load(Relaxed) {
            self.polls.store(self.polls.load(Relaxed) + 1, Relaxed);
            if self.now_ns() >= self.due_ns.load(Relaxed) {
                self.polls_since_due.store(self.polls_since_due.load(Relaxed) + 1, Relaxed);
            }
            yield_now().await;
        }
    }

    /// The task that is woken: by its own timer.
    pub(crate) async fn sleep_again_and_again<S: Future>(
        self: Arc<Self>,
        sleep: impl Fn(Duration) -> S,
    ) -> Result<Delays> {
        let _end = End(&self);
        let (mut random, mut delays) = (Random::new(0x5133), Delays::new()?);
        // Once at least, however long it took to spawn the others.
        while delays.times_ns.is_empty() || Instant::now() < self.deadline {
            let length = gap(&mut random);
            self.due_at(self.now_ns() + length.as_nanos() as u64);
            sleep(length).await;
            delays.record(&self)?;
        }
        Ok(delays)
    }

    /// The task that is woken: by another thread, which runs [`nudge`](Self::nudge).
    pub(crate) async fn be_nudged_again_and_again(self: Arc<Self>) -> Result<Delays> {
        let _end = End(&self);
        let mut delays = Delays::new()?;
        while self.nudge.take().await.is_some() {
            delays.record(&self)?;
        }
        let (nudged, woken) = (self.nudges.load(Relaxed), delays.times_ns.len());
        if nudged != woken {
            return Err(format!("{nudged} wakes were sent, and {woken} have arrived").into());
        }
        Ok(delays)
    }

    /// Wakes the task from this thread, whenever it waits, until the time is over.
    pub(crate) fn nudge(&self) -> Result<()> {
        let mut random = Random::new(0x5133);
        while !self.over.load(Relaxed) {
            thread::sleep(gap(&mut random));
            let nudges = self.nudges.load(Relaxed);
            if !self.nudge.is_awaited() {
                continue;
            }
            // Once at least, however long it took to spawn the others.
            if nudges > 0 && Instant::now() >= self.deadline {
                self.nudge.end();
                break;
            }
            self.nudges.store(nudges + 1, Relaxed);
            self.due_at(self.now_ns());
            self.nudge.put(());
        }
        Ok(())
    }

    /// The polls of the busy tasks are the operations, and the delays what is waited for.
    pub(crate) fn conclude(&self, delays: &Delays, stop: impl FnOnce(u64) -> Result<Round>) -> Result<Round> {
        let [(p50_ns, p99_ns), (p50_polls, p99_polls)] = [&delays.times_ns, &delays.polls]
            .map(|delays| (delays.value_at_quantile(0.5), delays.value_at_quantile(0.99)));
        Ok(Round {
            p50_ns: Some(p50_ns),
            p99_ns: Some(p99_ns),
            p50_polls: Some(p50_polls),
            p99_polls: Some(p99_polls),
            ..stop(self.polls.load(Relaxed))?
        })
    }

    fn due_at(&self, due_ns: u64) {
        self.polls_since_due.store(0, Relaxed);
        self.due_ns.store(due_ns, Relaxed);
    }

    fn now_ns(&self) -> u64 {
        self.epoch.elapsed().as_nanos() as u64
    }
}

/// When it goes, the task that is woken has ended, in whatever way, and the others need not go on.
struct End<'a>(&'a Crowd);

impl Drop for End<'_> {
    fn drop(&mut self) {
        self.0.over.store(true, Relaxed);
    }
}

/// What the wakes waited, until the task was polled.
pub(crate) struct Delays {
    times_ns: Histogram<u64>,
    /// Polls of busy tasks that came first.
    polls: Histogram<u64>,
}

impl Delays {
    fn new() -> Result<Self> {
        Ok(Self { times_ns: Histogram::new(3)?, polls: Histogram::new(3)? })
    }

    fn record(&mut self, crowd: &Crowd) -> Result<()> {
        let due_ns = crowd.due_ns.swap(NEVER, Relaxed);
        let delay = crowd.now_ns().checked_sub(due_ns).ok_or("a task was woken before its time")?;
        self.polls.record(crowd.polls_since_due.load(Relaxed))?;
        Ok(self.times_ns.record(delay)?)
    }
}

/// How long until the next wake: not in step with anything.
fn gap(random: &mut Random) -> Duration {
    Duration::from_micros(100 + random.below(900))
}
