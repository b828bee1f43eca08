//! A notification without a value.
//!
//! It owns the line of those who wait and at most one stored permit.

use std::cell::Cell;
use std::fmt;
use std::pin::Pin;
use std::task::{Context, Poll};

use super::line::{Left, Line, Place};

/// Wakes one task, or all that wait.
///
/// [`notify_one`](Self::notify_one) is never lost: when nobody waits, it is stored for the next who comes. So it fits a
/// loop that looks for work, finds none and waits to be told of more.
///
/// # Examples
///
/// ```
/// use std::cell::Cell;
/// use uring_runtime::local::Notify;
///
/// # uring_runtime::Builder::new().build()?.block_on(async {
/// let (work, more) = (Cell::new(0), Notify::new());
/// work.set(1);
/// more.notify_one();
/// while work.take() == 0 {
///     more.notified().await;
/// }
/// more.notified().await; // the permit was stored
/// # });
/// # Ok::<(), uring_runtime::BuildError>(())
/// ```
pub struct Notify {
    /// Set if a call for one came while nobody waited.
    permit: Cell<bool>,
    /// How often all were called: a future that is older than a call to all is over, also one that was never polled.
    calls: Cell<u64>,
    line: Line<(), Call>,
}

/// Who was called.
#[derive(Clone, Copy)]
enum Call {
    /// This one alone. Who does not come for it passes it on.
    One,
    All,
}

impl Notify {
    /// A notification that nobody waits for yet.
    #[must_use]
    pub const fn new() -> Self {
        Self { permit: Cell::new(false), calls: Cell::new(0), line: Line::new() }
    }

    /// Waits to be notified, or takes the permit that is stored.
    ///
    /// The future is called by [`notify_waiters`](Self::notify_waiters) from now on, and by
    /// [`notify_one`](Self::notify_one) from its first poll on, in the order of first polls.
    ///
    /// # Cancel safety
    ///
    /// Dropping the future gives up its place in the line. If it was the one that `notify_one` called, the next is
    /// called instead, or the permit is stored.
    pub fn notified(&self) -> Notified<'_> {
        Notified { notify: self, calls: self.calls.get(), place: Place::default(), is_done: false }
    }

    /// Calls the one who has waited longest. When nobody waits, one permit is stored for the next who comes; a second
    /// call stores no second one.
    pub fn notify_one(&self) {
        if !self.line.call_first(Call::One) {
            self.permit.set(true);
        }
    }

    /// Calls everybody who waits, and stores nothing.
    pub fn notify_waiters(&self) {
        self.calls.set(self.calls.get() + 1);
        self.line.call_all(Call::All);
    }
}

impl Default for Notify {
    fn default() -> Self {
        Self::new()
    }
}

impl fmt::Debug for Notify {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Notify").field("permit", &self.permit.get()).finish_non_exhaustive()
    }
}

/// The future of [`Notify::notified`].
#[must_use = "futures do nothing unless awaited"]
pub struct Notified<'a> {
    notify: &'a Notify,
    /// How often all had been called when this was made.
    calls: u64,
    place: Place,
    is_done: bool,
}

impl Notified<'_> {
    /// Takes a place in the line before the first poll. Gives `true` when it is notified already.
    ///
    /// # Examples
    ///
    /// ```
    /// use std::pin::pin;
    /// use uring_runtime::local::Notify;
    ///
    /// # uring_runtime::Builder::new().build()?.block_on(async {
    /// let notify = Notify::new();
    /// let mut told = pin!(notify.notified());
    /// assert!(!told.as_mut().enable());
    /// notify.notify_one(); // goes to `told`, not to who comes later
    /// told.await;
    /// # });
    /// # Ok::<(), uring_runtime::BuildError>(())
    /// ```
    pub fn enable(self: Pin<&mut Self>) -> bool {
        // Its first real poll brings the waker.
        self.poll(&mut Context::from_waker(std::task::Waker::noop())).is_ready()
    }
}

impl Future for Notified<'_> {
    type Output = ();

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<()> {
        let Self { notify, calls, ref mut place, ref mut is_done } = *self;
        if *is_done {
            return Poll::Ready(());
        }
        let look = || {
            if notify.calls.get() != calls {
                return Some(Call::All);
            }
            notify.permit.replace(false).then_some(Call::One)
        };
        if notify.line.poll(place, (), cx, look).is_pending() {
            return Poll::Pending;
        }
        *is_done = true;
        Poll::Ready(())
    }
}

impl Drop for Notified<'_> {
    fn drop(&mut self) {
        if let Left::Called(Call::One) = self.notify.line.leave(&mut self.place) {
            self.notify.notify_one();
        }
    }
}

impl fmt::Debug for Notified<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Notified").field("done", &self.is_done).finish_non_exhaustive()
    }
}
