//! Tasks: futures that run by themselves on the core that they were spawned on.
//!
//! A task has one allocation, shared by the core's table and its [`JoinHandle`]. Its wakers are not references to
//! it but the name of its place in the table (`waker.rs`): cloning and dropping one costs nothing, waking on the own
//! core is a look into the table without atomics, and a waker that outlives its task, or its runtime, wakes at
//! worst somebody who did not need it.

mod bell;
mod handle;
mod inbox;
mod memory;
mod place;
mod queue;
mod raw;
mod sync;
mod table;
mod waiter;
mod waker;

use std::pin::Pin;
use std::task::{Context, Poll};

use crate::core::{Misuse, with_current};

pub use handle::{JoinError, JoinHandle};

pub(crate) use bell::Bell;
pub(crate) use inbox::{Address, Inbox, ring_again, send};
pub(crate) use raw::Task;
pub(crate) use sync::Errand;
pub(crate) use table::{MAIN, Ran, Ready, Tasks};
pub(crate) use waiter::Waiter;
pub(crate) use waker::Name;

/// Runs a future by itself, on the current core.
///
/// It starts when the current task waits for something the next time. Dropping the handle detaches the task.
///
/// # Panics
///
/// Outside of a runtime.
#[track_caller]
pub fn spawn<F>(future: F) -> JoinHandle<F::Output>
where
    F: Future + 'static,
    F::Output: 'static,
{
    let spawned = with_current(|core| {
        let core = core?;
        let (task, joined) = raw::task(future);
        Some(if core.is_open() {
            let index = core.tasks.borrow_mut().insert(task);
            JoinHandle::new(joined, Name::new(core.id(), index))
        } else {
            // The runtime is ending and runs no task any more.
            task.cancel();
            JoinHandle::new(joined, Name::new(core.id(), MAIN))
        })
    });
    // Outside of the closure, through which `track_caller` does not reach.
    match spawned {
        Some(handle) => handle,
        None => panic!("{}", Misuse::NoRuntime),
    }
}

/// Lets the other ready tasks run first, each once, before the current one goes on.
///
/// # Cancel safety
///
/// Nothing is lost when the future is dropped.
pub fn yield_now() -> YieldNow {
    YieldNow { yielded: false }
}

/// The future of [`yield_now`].
#[derive(Debug)]
#[must_use = "futures do nothing unless awaited"]
pub struct YieldNow {
    yielded: bool,
}

impl Future for YieldNow {
    type Output = ();

    #[inline]
    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<()> {
        if std::mem::replace(&mut self.yielded, true) {
            return Poll::Ready(());
        }
        cx.waker().wake_by_ref();
        Poll::Pending
    }
}
