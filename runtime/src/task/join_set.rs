//! Tasks that belong together, and are joined in the order in which they finish.
//!
//! Each task's future is wrapped with a note that is dropped with it, however it ends: the note puts the task's key into
//! the set's queue and wakes who waits. So finding the next one that has finished looks at no other.

use std::cell::{Cell, RefCell};
use std::collections::VecDeque;
use std::fmt;
use std::future::poll_fn;
use std::pin::Pin;
use std::rc::{Rc, Weak};
use std::task::{Context, Poll, Waker, ready};

use pin_project_lite::pin_project;
use slab::Slab;

use super::abort::AbortHandle;
use super::coop;
use super::handle::{JoinError, JoinHandle};
use super::priority::Priority;
use super::spawn::start;
use super::waiter::Waiter;

/// Tasks with one type of output, joined in the order in which they finish. Dropping the set aborts them all.
///
/// ```no_run
/// use uring_runtime::task::JoinSet;
///
/// # async fn fetch(page: u32) -> usize { page as usize }
/// # async fn demo() {
/// let mut pages = JoinSet::new();
/// for page in 0..10 {
///     pages.spawn(fetch(page));
/// }
/// let mut bytes = 0;
/// while let Some(page) = pages.join_next().await {
///     bytes += page.unwrap_or(0);
/// }
/// # }
/// ```
pub struct JoinSet<T> {
    handles: Slab<JoinHandle<T>>,
    finished: Rc<Finished>,
}

/// What the set shares with its tasks.
#[derive(Default)]
struct Finished {
    /// The keys of tasks whose future is gone and that nobody has joined, oldest first. At most one a task.
    keys: RefCell<VecDeque<usize>>,
    waiter: Cell<Waiter>,
}

/// Tells the set when it is dropped. A set that is gone, or has let its tasks go, is not there to be told.
struct Note {
    finished: Weak<Finished>,
    key: usize,
}

impl Drop for Note {
    fn drop(&mut self) {
        if let Some(finished) = self.finished.upgrade() {
            finished.keys.borrow_mut().push_back(self.key);
            finished.waiter.take().wake_contained();
        }
    }
}

pin_project! {
    /// A future that is dropped before its note.
    struct Noted<F> {
        #[pin]
        future: F,
        note: Note,
    }
}

impl<F: Future> Future for Noted<F> {
    type Output = F::Output;

    #[inline]
    fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<F::Output> {
        self.project().future.poll(cx)
    }
}

impl<T> JoinSet<T> {
    /// A set without tasks.
    #[must_use]
    pub fn new() -> Self {
        Self { handles: Slab::new(), finished: Rc::default() }
    }

    /// How many tasks are in the set: those that have not been joined yet, finished or not.
    #[must_use]
    pub fn len(&self) -> usize {
        self.handles.len()
    }

    /// Whether no task is in the set.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.handles.is_empty()
    }

    /// Aborts all tasks. They stay in the set until they are joined.
    pub fn abort_all(&mut self) {
        self.handles.iter().for_each(|(_, handle)| handle.abort());
    }

    /// Takes all tasks out of the set. They go on by themselves.
    pub fn detach_all(&mut self) {
        // Another queue: the keys of the tasks that leave may be given again.
        self.finished = Rc::default();
        self.handles = Slab::new();
    }

    /// Waits until one of the tasks has finished and takes it out of the set. `None` when the set is empty.
    ///
    /// # Errors
    ///
    /// That of a task which panicked or was aborted.
    ///
    /// # Cancel safety
    ///
    /// Dropping the future loses no output: what has finished stays in the set.
    pub async fn join_next(&mut self) -> Option<Result<T, JoinError>> {
        poll_fn(|cx| self.poll_join_next(cx)).await
    }

    /// As [`join_next`](JoinSet::join_next), for futures written by hand.
    pub fn poll_join_next(&mut self, cx: &mut Context<'_>) -> Poll<Option<Result<T, JoinError>>> {
        if self.handles.is_empty() {
            return Poll::Ready(None);
        }
        let Some(key) = self.oldest() else {
            self.wait(cx.waker());
            return Poll::Pending;
        };
        // Not finished only while the future's own drop runs, which a waker that polls at once can see.
        let joined = ready!(Pin::new(&mut self.handles[key]).poll(cx));
        Poll::Ready(Some(self.remove(key, joined)))
    }

    /// Takes a task that has finished out of the set, or gives `None` when there is none yet.
    ///
    /// # Errors
    ///
    /// That of a task which panicked or was aborted.
    pub fn try_join_next(&mut self) -> Option<Result<T, JoinError>> {
        let key = self.oldest()?;
        let mut handle = Pin::new(&mut self.handles[key]);
        match coop::without_limit(|| handle.as_mut().poll(&mut Context::from_waker(Waker::noop()))) {
            Poll::Ready(joined) => Some(self.remove(key, joined)),
            Poll::Pending => None,
        }
    }

    /// Aborts all tasks and waits until each is over.
    ///
    /// # Cancel safety
    ///
    /// When the future is dropped all tasks are aborted, and those that are not over yet stay in the set.
    pub async fn shutdown(&mut self) {
        self.abort_all();
        while self.join_next().await.is_some() {}
    }

    fn oldest(&self) -> Option<usize> {
        self.finished.keys.borrow().front().copied()
    }

    fn remove(&mut self, key: usize, joined: Result<T, JoinError>) -> Result<T, JoinError> {
        self.finished.keys.borrow_mut().pop_front();
        drop(self.handles.remove(key));
        joined
    }

    fn wait(&self, waker: &Waker) {
        let waiter = self.finished.waiter.take();
        // Comparing is cheaper than cloning a waker that is the user's own.
        let waiter = if waiter.is(waker) { waiter } else { Waiter::of(waker) };
        self.finished.waiter.set(waiter);
    }
}

impl<T: 'static> JoinSet<T> {
    /// Runs a future by itself, as [`spawn`](super::spawn) does, and keeps it in the set.
    ///
    /// # Panics
    ///
    /// Outside of a runtime.
    #[track_caller]
    pub fn spawn(&mut self, future: impl Future<Output = T> + 'static) -> AbortHandle {
        self.spawn_with(Priority::Normal, future)
    }

    /// As [`spawn`](JoinSet::spawn), with any priority.
    ///
    /// # Panics
    ///
    /// Outside of a runtime.
    #[track_caller]
    pub fn spawn_with(
        &mut self,
        priority: Priority,
        future: impl Future<Output = T> + 'static,
    ) -> AbortHandle {
        // The key comes first: on a core that ends, the future is dropped before `start` gives its handle.
        let key = self.handles.vacant_key();
        let note = Note { finished: Rc::downgrade(&self.finished), key };
        let handle = start(priority, None, Noted { future, note });
        let abort = handle.abort_handle();
        let kept = self.handles.insert(handle);
        debug_assert_eq!(kept, key, "the key that the note has");
        abort
    }
}

impl<T> Default for JoinSet<T> {
    fn default() -> Self {
        Self::new()
    }
}

impl<T> Drop for JoinSet<T> {
    fn drop(&mut self) {
        self.abort_all();
    }
}

impl<T> fmt::Debug for JoinSet<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("JoinSet").field("tasks", &self.len()).finish_non_exhaustive()
    }
}
