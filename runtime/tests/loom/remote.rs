//! Models of a task on another core, as its spawner and the task itself see it: the production file
//! `runtime/src/remote/outcome.rs` over loom's atomic and lock. It owns nothing.
#![allow(dead_code, unreachable_pub, reason = "the models use a part of the production file")]

#[path = "../../src/remote/outcome.rs"]
mod outcome;
mod prims;

use std::task::Poll;

use loom::thread;

use outcome::{Outcome, Promise};
use prims::{Arc, JoinError};

use super::channels::block_on;

/// What `Remote::poll` does with a future that never ends: it can only be aborted.
async fn task(mut promise: Promise<u32>) {
    let mut started = false;
    std::future::poll_fn(move |cx| {
        let outcome = Arc::clone(promise.outcome().unwrap());
        if !std::mem::replace(&mut started, true) {
            outcome.started(cx.waker().clone());
        }
        if !outcome.is_aborted() {
            return Poll::Pending;
        }
        promise.keep(Err(JoinError::cancelled()));
        Poll::Ready(())
    })
    .await;
}

async fn joined(outcome: Arc<Outcome<u32>>) -> Result<u32, JoinError> {
    std::future::poll_fn(move |cx| outcome.poll(cx.waker())).await
}

// The break: in `abort`, the flag is raised behind the look: `self.aborted.store(true, Ordering::Release);` moves behind
// `task.wake();\n        }`.
#[test]
fn an_abort_beside_the_first_poll_of_a_task_ends_it() {
    loom::model(|| {
        let outcome = Outcome::new();
        let promise = Promise::new(&outcome);
        let core = thread::spawn(move || block_on(task(promise)));
        outcome.abort();
        assert_eq!(block_on(joined(outcome)), Err(JoinError));
        core.join().unwrap();
    });
}

// The break: in `finish`, `joiner.wake();` becomes `drop(joiner);`.
#[test]
fn a_task_that_finishes_beside_the_join_brings_its_output() {
    loom::model(|| {
        let outcome = Outcome::new();
        let mut promise = Promise::new(&outcome);
        let core = thread::spawn(move || promise.keep(Ok(1)));
        assert_eq!(block_on(joined(outcome)), Ok(1));
        core.join().unwrap();
    });
}

// The break: in `poll`, the joiner is left under a second lock: `Stage::Running { joiner, .. } => joiner.replace(waker),`
// becomes `Stage::Running { .. } => {\n                drop(stage);\n                stage = self.lock();\n                match
// &mut *stage { Stage::Running { joiner, .. } => joiner.replace(waker), _ => None }\n            }`.
#[test]
fn a_promise_that_is_dropped_beside_the_join_cancels() {
    loom::model(|| {
        let outcome = Outcome::new();
        let promise = Promise::<u32>::new(&outcome);
        let core = thread::spawn(move || drop(promise));
        assert_eq!(block_on(joined(outcome)), Err(JoinError));
        core.join().unwrap();
    });
}
