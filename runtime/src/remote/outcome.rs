//! What a task on another core has come to, and who waits for it.
//!
//! It is shared by the task's side ([`Promise`]) and the spawner's ([`RemoteJoinHandle`](super::RemoteJoinHandle)); it
//! knows nothing of cores. Wakers and outputs are code of users: they are woken and dropped with the lock released.

use std::sync::PoisonError;
use std::task::{Poll, Waker};

use super::prims::{Arc, AtomicBool, JoinError, Mutex, MutexGuard, Ordering};

/// What both sides see.
pub(super) struct Outcome<T> {
    stage: Mutex<Stage<T>>,
    /// Set if the task is to be dropped when it is polled next.
    aborted: AtomicBool,
}

enum Stage<T> {
    /// The task has not finished. Its own waker is there when it was polled once.
    Running {
        joiner: Option<Waker>,
        task: Option<Waker>,
    },
    Finished(Result<T, JoinError>),
    Taken,
}

impl<T> Outcome<T> {
    pub(super) fn new() -> Arc<Self> {
        let stage = Mutex::new(Stage::Running { joiner: None, task: None });
        Arc::new(Self { stage, aborted: AtomicBool::new(false) })
    }

    fn lock(&self) -> MutexGuard<'_, Stage<T>> {
        self.stage.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Whether the task is to be dropped.
    pub(super) fn is_aborted(&self) -> bool {
        self.aborted.load(Ordering::Acquire)
    }

    /// Lets the task be dropped on its core. A task that has finished is left as it is.
    pub(super) fn abort(&self) {
        // Before the look at the task's waker: a task that leaves it later sees this.
        self.aborted.store(true, Ordering::Release);
        let task = match &mut *self.lock() {
            Stage::Running { task, .. } => task.take(),
            Stage::Finished(_) | Stage::Taken => None,
        };
        if let Some(task) = task {
            task.wake();
        }
    }

    /// The task's waker, for an abort.
    pub(super) fn started(&self, waker: Waker) {
        if let Stage::Running { task, .. } = &mut *self.lock() {
            *task = Some(waker);
        }
    }

    pub(super) fn is_finished(&self) -> bool {
        !matches!(&*self.lock(), Stage::Running { .. })
    }

    /// Takes the result, or leaves the waker of who waits for it.
    pub(super) fn poll(&self, waker: &Waker) -> Poll<Result<T, JoinError>> {
        let waker = waker.clone();
        let mut stage = self.lock();
        let before = match &mut *stage {
            Stage::Running { joiner, .. } => joiner.replace(waker),
            Stage::Finished(_) => match std::mem::replace(&mut *stage, Stage::Taken) {
                Stage::Finished(result) => return Poll::Ready(result),
                Stage::Running { .. } | Stage::Taken => {
                    unreachable!("invariant: it was looked at under the lock")
                }
            },
            Stage::Taken => panic!("uring: a RemoteJoinHandle was polled after it had completed"),
        };
        drop(stage);
        drop(before);
        Poll::Pending
    }

    /// Whoever waited is gone: its waker goes with it, and not with the task some day.
    pub(super) fn leave(&self) {
        let joiner = match &mut *self.lock() {
            Stage::Running { joiner, .. } => joiner.take(),
            Stage::Finished(_) | Stage::Taken => None,
        };
        drop(joiner);
    }

    fn finish(&self, result: Result<T, JoinError>) {
        let before = std::mem::replace(&mut *self.lock(), Stage::Finished(result));
        if let Stage::Running { joiner: Some(joiner), .. } = before {
            joiner.wake();
        }
    }
}

/// The duty to say what a task has come to. Dropped, it says that the task was cancelled.
pub(super) struct Promise<T>(Option<Arc<Outcome<T>>>);

impl<T> Promise<T> {
    pub(super) fn new(outcome: &Arc<Outcome<T>>) -> Self {
        Self(Some(Arc::clone(outcome)))
    }

    /// What was promised, until it was kept.
    pub(super) fn outcome(&self) -> Option<&Arc<Outcome<T>>> {
        self.0.as_ref()
    }

    pub(super) fn keep(&mut self, result: Result<T, JoinError>) {
        if let Some(outcome) = self.0.take() {
            outcome.finish(result);
        }
    }
}

impl<T> Drop for Promise<T> {
    fn drop(&mut self) {
        self.keep(Err(JoinError::cancelled()));
    }
}
