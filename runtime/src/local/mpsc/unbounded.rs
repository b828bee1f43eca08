//! The channel that takes whatever comes.

use std::fmt;
use std::rc::Rc;
use std::task::{Context, Poll};

use super::super::permits::PERMITS_MAX;
use super::error::{SendError, TryRecvError};
use super::queue::{Queue, receiver_methods};

/// A channel without a bound: sending never waits, and memory grows with what nobody has received. It stays when that
/// was received.
///
/// # Examples
///
/// ```
/// use uring_runtime::local::mpsc;
///
/// # uring_runtime::Builder::new().build()?.block_on(async {
/// let (tx, mut rx) = mpsc::unbounded_channel();
/// tx.send("one").expect("the receiver is there");
/// drop(tx);
/// assert_eq!(rx.recv().await, Some("one"));
/// assert_eq!(rx.recv().await, None);
/// # });
/// # Ok::<(), uring_runtime::BuildError>(())
/// ```
pub fn unbounded_channel<T>() -> (UnboundedSender<T>, UnboundedReceiver<T>) {
    let queue = Rc::new(Queue::new(PERMITS_MAX));
    (UnboundedSender { queue: Rc::clone(&queue) }, UnboundedReceiver { queue })
}

/// Sends values. Clones send into the same channel.
pub struct UnboundedSender<T> {
    queue: Rc<Queue<T>>,
}

impl<T> UnboundedSender<T> {
    /// Sends the value. It waits for nobody.
    ///
    /// # Errors
    ///
    /// The value comes back when the receiver was closed or dropped.
    #[inline]
    pub fn send(&self, value: T) -> Result<(), SendError<T>> {
        self.queue.try_push(value).map_err(|error| SendError(error.into_inner()))
    }

    /// Waits until the receiver is closed or dropped.
    ///
    /// # Cancel safety
    ///
    /// Nothing is lost when the future is dropped.
    pub async fn closed(&self) {
        self.queue.closed().await;
    }

    /// Whether the receiver was closed or dropped.
    #[must_use]
    pub fn is_closed(&self) -> bool {
        self.queue.is_closed()
    }

    /// Whether both send into the same channel.
    #[must_use]
    pub fn same_channel(&self, other: &Self) -> bool {
        Rc::ptr_eq(&self.queue, &other.queue)
    }
}

impl<T> Clone for UnboundedSender<T> {
    fn clone(&self) -> Self {
        self.queue.add_sender();
        Self { queue: Rc::clone(&self.queue) }
    }
}

impl<T> Drop for UnboundedSender<T> {
    fn drop(&mut self) {
        self.queue.remove_sender();
    }
}

impl<T> fmt::Debug for UnboundedSender<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("UnboundedSender").field("closed", &self.is_closed()).finish_non_exhaustive()
    }
}

/// Receives the values. Dropping it closes the channel and drops what is in there.
pub struct UnboundedReceiver<T> {
    queue: Rc<Queue<T>>,
}

impl<T> UnboundedReceiver<T> {
    receiver_methods!();
}

impl<T> Drop for UnboundedReceiver<T> {
    fn drop(&mut self) {
        self.queue.abandon();
    }
}

impl<T> fmt::Debug for UnboundedReceiver<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("UnboundedReceiver").field("len", &self.len()).finish_non_exhaustive()
    }
}
