//! The budget of a poll: how many results a task may take before it lets others run.
//!
//! A task whose resources are always ready would never wait, and nothing else would run on its core. So whoever is about
//! to give a result asks here first, and notes it when it has given one. With nothing left it wakes its task and says that it
//! is not ready, before it has taken anything: the result stays where it is, and is there in the task's next poll.
//!
//! The budget belongs to the thread. The loop fills it before each poll of a task and lifts it after the last one of a
//! turn: what is polled outside of a task, by another executor or by hand, is not limited.

use std::cell::Cell;
use std::future::poll_fn;
use std::pin::Pin;
use std::task::{Context, Poll, ready};

use pin_project_lite::pin_project;

/// Results that a task may take in one poll.
const RESULTS_MAX: u32 = 128;
/// In place of a number: there is no limit.
const LIFTED: u32 = u32::MAX;

thread_local! {
    /// What is left. It needs no destructor, so it can be read at any time.
    static LEFT: Cell<u32> = const { Cell::new(LIFTED) };
}

/// A task is about to be polled.
#[inline]
pub(crate) fn fill() {
    LEFT.set(RESULTS_MAX);
}

/// While it lives there may be a budget; it goes with it.
pub(crate) struct Turns;

impl Turns {
    /// No task is polled any more in this turn.
    #[inline]
    pub(crate) fn lift(&self) {
        LEFT.set(LIFTED);
    }
}

impl Drop for Turns {
    fn drop(&mut self) {
        self.lift();
    }
}

/// Whether the task may take one more result. If not, it is woken, and whoever asked takes nothing and says `Pending`.
#[inline]
pub(crate) fn poll_proceed(cx: &mut Context<'_>) -> Poll<()> {
    if LEFT.get() > 0 {
        return Poll::Ready(());
    }
    spent_all(cx)
}

#[cold]
fn spent_all(cx: &mut Context<'_>) -> Poll<()> {
    cx.waker().wake_by_ref();
    Poll::Pending
}

/// The task has taken a result.
#[inline]
pub(crate) fn progressed() {
    let left = LEFT.get();
    LEFT.set(if left == LIFTED { LIFTED } else { left.saturating_sub(1) });
}

/// The limit is lifted while it lives.
struct Lifted(u32);

impl Lifted {
    #[inline]
    fn new() -> Self {
        Self(LEFT.replace(LIFTED))
    }
}

impl Drop for Lifted {
    fn drop(&mut self) {
        LEFT.set(self.0);
    }
}

/// Polls something without a limit, such as a deadline beside a future that has used up the budget.
#[inline]
pub(crate) fn without_limit<T>(poll: impl FnOnce() -> T) -> T {
    let _lifted = Lifted::new();
    poll()
}

/// Counts one result against the budget of the current poll, and lets the others run first when nothing is left.
///
/// A task may take 128 results in one poll from operations, sockets, timers and handles; then they say that they are not
/// ready yet and wake the task, which goes on after the others. Nothing is lost by that. A loop that computes and awaits
/// nothing that counts calls this now and then to be as fair.
///
/// # Cancel safety
///
/// Nothing is lost when the future is dropped.
pub async fn consume_budget() {
    poll_fn(|cx| {
        ready!(poll_proceed(cx));
        progressed();
        Poll::Ready(())
    })
    .await;
}

/// Runs a future without the budget that [`consume_budget`] speaks of: it takes all that is ready in one poll.
///
/// # Cancel safety
///
/// As that of the future.
pub fn unconstrained<F>(future: F) -> Unconstrained<F> {
    Unconstrained { future }
}

pin_project! {
    /// The future of [`unconstrained`].
    #[derive(Debug)]
    #[must_use = "futures do nothing unless awaited"]
    pub struct Unconstrained<F> {
        #[pin]
        future: F,
    }
}

impl<F: Future> Future for Unconstrained<F> {
    type Output = F::Output;

    fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<F::Output> {
        without_limit(|| self.project().future.poll(cx))
    }
}

#[cfg(test)]
mod tests {
    use std::task::Waker;

    use super::*;

    fn proceeds() -> bool {
        poll_proceed(&mut Context::from_waker(Waker::noop())).is_ready()
    }

    #[test]
    fn the_budget_ends_with_the_turn_is_lifted_for_a_while_and_comes_back() {
        // The breaks: `Lifted::drop` sets nothing; `Turns::drop` sets nothing; `progressed` counts a lifted budget down.
        let turns = Turns;
        (0..1000).for_each(|_| progressed());
        assert!(proceeds(), "nothing is limited outside of a poll");
        fill();
        for _ in 0..RESULTS_MAX {
            assert!(proceeds());
            progressed();
        }
        assert!(!proceeds());
        without_limit(|| {
            (0..1000).for_each(|_| progressed());
            assert!(proceeds());
        });
        assert!(!proceeds());
        fill();
        assert!(proceeds());
        (0..RESULTS_MAX + 5).for_each(|_| progressed());
        assert!(!proceeds());
        drop(turns);
        assert!(proceeds());
    }
}
