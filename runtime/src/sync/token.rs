//! A signal to stop, for tasks on any core, in a tree: what cancels one cancels all below it.

use std::collections::BTreeMap;
use std::fmt;
use std::mem;
use std::pin::{Pin, pin};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, Weak};
use std::task::{Context, Poll, Waker};

use super::prims::wake;

/// Tells tasks to stop. Clones are the same token; [`child_token`](CancellationToken::child_token) makes one that is
/// cancelled with this one, and can be cancelled without it.
///
/// # Examples
///
/// ```
/// # fn main() -> Result<(), uring_runtime::BuildError> {
/// use uring_runtime::sync::CancellationToken;
///
/// let token = CancellationToken::new();
/// let child = token.child_token();
/// token.cancel();
/// uring_runtime::Runtime::new()?.block_on(child.cancelled());
/// # Ok(())
/// # }
/// ```
#[derive(Clone, Default)]
pub struct CancellationToken(Arc<Node>);

#[derive(Default)]
struct Node {
    /// As in `state`, for a look without the lock.
    cancelled: AtomicBool,
    state: Mutex<State>,
}

#[derive(Default)]
struct State {
    cancelled: bool,
    waiting: BTreeMap<u64, Waker>,
    next: u64,
    /// Not kept alive by this: a child that nobody holds needs no telling.
    children: Vec<Weak<Node>>,
}

impl Node {
    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl CancellationToken {
    /// A token of its own.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// A token that is cancelled with this one. Cancelling it does not cancel this one.
    #[must_use]
    pub fn child_token(&self) -> Self {
        let child = Self::new();
        let mut state = self.0.lock();
        if state.cancelled {
            drop(state);
            child.cancel();
            return child;
        }
        // Those that are gone leave here, or a token that lives for long would collect them.
        if state.children.len() == state.children.capacity() {
            state.children.retain(|child| child.strong_count() > 0);
        }
        state.children.push(Arc::downgrade(&child.0));
        drop(state);
        child
    }

    /// Cancels this token and all that were made from it. The second time does nothing.
    pub fn cancel(&self) {
        let mut nodes = vec![Arc::clone(&self.0)];
        while let Some(node) = nodes.pop() {
            let mut state = node.lock();
            state.cancelled = true;
            node.cancelled.store(true, Ordering::Release);
            let waiting = mem::take(&mut state.waiting);
            nodes.extend(mem::take(&mut state.children).iter().filter_map(Weak::upgrade));
            // Wakers are code of users, and one that panics costs no other its wake.
            drop(state);
            waiting.into_values().for_each(wake);
        }
    }

    /// Whether it was cancelled.
    #[must_use]
    pub fn is_cancelled(&self) -> bool {
        self.0.cancelled.load(Ordering::Acquire)
    }

    /// Waits until it is cancelled.
    ///
    /// # Cancel safety
    ///
    /// Nothing is lost when the future is dropped.
    pub fn cancelled(&self) -> Cancelled<'_> {
        Cancelled { node: &self.0, ticket: None }
    }

    /// Runs a future until it is done or the token is cancelled, and gives `None` then. A future that is ready is never cut
    /// off.
    ///
    /// # Cancel safety
    ///
    /// As that of the future, which is dropped when the token is cancelled.
    pub async fn run_until_cancelled<F: Future>(&self, future: F) -> Option<F::Output> {
        let mut future = pin!(future);
        let mut cancelled = self.cancelled();
        std::future::poll_fn(|cx| match future.as_mut().poll(cx) {
            Poll::Ready(output) => Poll::Ready(Some(output)),
            Poll::Pending => Pin::new(&mut cancelled).poll(cx).map(|()| None),
        })
        .await
    }

    /// Cancels the token when the guard is dropped.
    #[must_use = "dropping the guard cancels the token"]
    pub fn drop_guard(self) -> DropGuard {
        DropGuard(self)
    }
}

impl fmt::Debug for CancellationToken {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("CancellationToken").field("cancelled", &self.is_cancelled()).finish_non_exhaustive()
    }
}

/// Cancels its token when it is dropped: see [`CancellationToken::drop_guard`].
#[derive(Debug)]
pub struct DropGuard(CancellationToken);

impl Drop for DropGuard {
    fn drop(&mut self) {
        self.0.cancel();
    }
}

/// The future of [`CancellationToken::cancelled`].
#[must_use = "futures do nothing unless awaited"]
pub struct Cancelled<'a> {
    node: &'a Node,
    ticket: Option<u64>,
}

impl Future for Cancelled<'_> {
    type Output = ();

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<()> {
        if self.node.cancelled.load(Ordering::Acquire) {
            return Poll::Ready(());
        }
        // Cloned before the lock is taken: it is code of users.
        let waker = cx.waker().clone();
        let mut state = self.node.lock();
        if state.cancelled {
            return Poll::Ready(());
        }
        let ticket = self.ticket.unwrap_or(state.next);
        state.next = state.next.max(ticket + 1);
        let stale = state.waiting.insert(ticket, waker);
        drop(state);
        drop(stale);
        self.ticket = Some(ticket);
        Poll::Pending
    }
}

impl Drop for Cancelled<'_> {
    fn drop(&mut self) {
        if let Some(ticket) = self.ticket {
            let waker = self.node.lock().waiting.remove(&ticket);
            drop(waker);
        }
    }
}

impl fmt::Debug for Cancelled<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Cancelled").finish_non_exhaustive()
    }
}
