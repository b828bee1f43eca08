//! Tasks: futures that run by themselves on the core that they were spawned on.
//!
//! A task has one allocation, shared by the core's table and its [`JoinHandle`]. Its wakers are not references to
//! it but the name of its place in the table (`waker.rs`): cloning and dropping one costs nothing, waking on the own
//! core is a look into the table without atomics, and a waker that outlives its task, or its runtime, wakes at
//! worst somebody who did not need it.

mod abort;
mod bell;
mod builder;
pub(crate) mod coop;
mod handle;
mod inbox;
mod join_set;
mod memory;
mod place;
mod priority;
mod queue;
mod raw;
mod spawn;
mod sync;
mod table;
mod waiter;
mod waker;

use std::pin::Pin;
use std::task::{Context, Poll};

pub use crate::blocking::{BlockingHandle, spawn_blocking};
pub use abort::AbortHandle;
pub use builder::Builder;
pub use coop::{Unconstrained, consume_budget, unconstrained};
pub use handle::{JoinError, JoinHandle};
pub use join_set::JoinSet;
pub use priority::Priority;
pub use spawn::{spawn, spawn_local, spawn_urgent, spawn_with};

pub(crate) use bell::Bell;
pub(crate) use handle::Rejection;
pub(crate) use inbox::{Address, Inbox, ring_again, send};
pub(crate) use raw::Task;
pub(crate) use sync::Errand;
pub(crate) use table::{MAIN, Ran, Ready, Tasks};
pub(crate) use waiter::Waiter;
pub(crate) use waker::Name;

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
