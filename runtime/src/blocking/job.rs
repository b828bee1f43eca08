//! One call that blocks: what its handle and the thread that runs it share.
//!
//! ```text
//!   submit          a thread takes it        it returns or panics        the handle
//!  ────────▶ Waiting ───────────────▶ Running ────────────────────▶ Over ──────────▶ Taken
//!               │                        │                            ▲
//!               └────────────────────────┴────────────────────────────┘
//!                   abort, the runtime's end (Waiting only), rejected
//! ```
//!
//! The closure and its captures go on the thread that runs it, or, unrun, on the one that gives it up. A result that comes
//! after an abort goes on the thread that made it, and so does one whose handle has gone before; one that nobody has
//! taken goes with its handle. All may move between threads (`Send`), so each place is sound.

use std::mem;
use std::panic::{self, AssertUnwindSafe};
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::task::{Poll, Waker};

use super::Work;
use crate::panics::contain;
use crate::task::JoinError;

type Call<T> = Box<dyn FnOnce() -> T + Send>;

enum Stage<T> {
    Waiting(Call<T>),
    Running,
    Over(Result<T, JoinError>),
    Taken,
}

struct State<T> {
    stage: Stage<T>,
    waker: Option<Waker>,
}

pub(super) struct Job<T>(Mutex<State<T>>);

impl<T: Send> Job<T> {
    pub(super) fn new(call: Call<T>) -> Self {
        Self(Mutex::new(State { stage: Stage::Waiting(call), waker: None }))
    }

    /// No code of users runs while it is locked, so a panic has left nothing halfway.
    fn lock(&self) -> MutexGuard<'_, State<T>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    pub(super) fn is_over(&self) -> bool {
        matches!(self.lock().stage, Stage::Over(_) | Stage::Taken)
    }

    /// Takes the result, or leaves the waker.
    pub(super) fn poll(&self, waker: &Waker) -> Poll<Result<T, JoinError>> {
        // Cloned, and the one before dropped, without the lock: both are code of users.
        let waker = waker.clone();
        let mut state = self.lock();
        match mem::replace(&mut state.stage, Stage::Taken) {
            Stage::Over(result) => Poll::Ready(result),
            Stage::Taken => panic!("uring: a BlockingHandle was polled after it had completed"),
            waits => {
                state.stage = waits;
                let before = state.waker.replace(waker);
                drop(state);
                drop(before);
                Poll::Pending
            }
        }
    }

    /// Ends it with a result, if it stands where `from` says, and wakes who waits. What was there before, or the result
    /// that came too late, is dropped here.
    fn end(&self, from: impl FnOnce(&Stage<T>) -> bool, result: Result<T, JoinError>) {
        let mut state = self.lock();
        if !from(&state.stage) {
            drop(state);
            contain(|| drop(result));
            return;
        }
        let before = mem::replace(&mut state.stage, Stage::Over(result));
        let waker = state.waker.take();
        drop(state);
        contain(|| drop(before));
        contain(|| waker.into_iter().for_each(Waker::wake));
    }
}

impl<T: Send> Work for Job<T> {
    fn run(&self) {
        let mut state = self.lock();
        let call = match mem::replace(&mut state.stage, Stage::Running) {
            Stage::Waiting(call) => call,
            // Given up in the moment in which the thread took it.
            other => {
                state.stage = other;
                return;
            }
        };
        drop(state);
        let result = panic::catch_unwind(AssertUnwindSafe(call)).map_err(JoinError::panic);
        self.end(|stage| matches!(stage, Stage::Running), result);
    }

    fn give_up(&self, error: JoinError) {
        self.end(|stage| matches!(stage, Stage::Waiting(_) | Stage::Running), Err(error));
    }
}
