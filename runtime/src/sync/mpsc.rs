//! A bounded channel of many senders and one receiver, between any threads.

use std::fmt;
use std::future::poll_fn;
use std::task::{Context, Poll};

use super::channel::{self, Consumer, Producer};
use super::error::{SendError, TryRecvError, TrySendError};
use super::prims::Arc;
use super::sleeper::Sleeper;

/// Makes a channel with room for so many values.
///
/// Its ends can be used on any cores and threads, in `uring` or another executor. It allocates its room now, and never
/// again.
///
/// # Panics
///
/// When there is no room at all.
///
/// # Examples
///
/// ```
/// # fn main() -> Result<(), uring_runtime::BuildError> {
/// let (sender, mut receiver) = uring_runtime::sync::mpsc::channel(16);
/// let thread = std::thread::spawn(move || {
///     let core = uring_runtime::Runtime::new().expect("a ring");
///     core.block_on(async move { sender.send("hello").await })
/// });
/// let core = uring_runtime::Runtime::new()?;
/// assert_eq!(core.block_on(receiver.recv()), Some("hello"));
/// # drop(thread.join());
/// # Ok(())
/// # }
/// ```
#[must_use]
pub fn channel<T>(capacity: usize) -> (Sender<T>, Receiver<T>) {
    let (producer, consumer) = channel::channel(capacity, Arc::new(Sleeper::new()));
    (Sender(producer), Receiver(consumer))
}

/// The sending end. Clones send into the same channel.
pub struct Sender<T>(Producer<T>);

impl<T> Sender<T> {
    /// Sends a value, and waits for room in the order in which others wait.
    ///
    /// # Errors
    ///
    /// [`SendError`] gives the value back when the receiver is gone or has closed the channel.
    ///
    /// # Cancel safety
    ///
    /// A future that is dropped has sent nothing: the value is dropped with it, and its place in the line is the next
    /// one's.
    pub fn send(&self, value: T) -> impl Future<Output = Result<(), SendError<T>>> + use<'_, T> {
        self.0.send(value)
    }

    /// Sends a value if there is room now and nobody waits for it.
    ///
    /// # Errors
    ///
    /// [`TrySendError`] gives the value back.
    pub fn try_send(&self, value: T) -> Result<(), TrySendError<T>> {
        self.0.try_send(value)
    }

    /// Whether nothing can be sent any more.
    #[must_use]
    pub fn is_closed(&self) -> bool {
        self.0.is_closed()
    }

    /// How many values there is room for in all.
    #[must_use]
    pub fn max_capacity(&self) -> usize {
        self.0.capacity()
    }

    /// How many values are in the channel, which may be another number already.
    #[must_use]
    pub fn len(&self) -> usize {
        self.0.len()
    }

    /// Whether the channel is empty, which may not be so any more.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// Whether both send into the same channel.
    #[must_use]
    pub fn same_channel(&self, other: &Self) -> bool {
        self.0.is_of(&other.0)
    }
}

impl<T> Clone for Sender<T> {
    fn clone(&self) -> Self {
        Self(self.0.clone())
    }
}

impl<T> fmt::Debug for Sender<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Sender").field("len", &self.len()).field("closed", &self.is_closed()).finish()
    }
}

/// The receiving end. Dropping it closes the channel and drops what is in it.
pub struct Receiver<T>(Consumer<T>);

impl<T> Receiver<T> {
    /// Waits for a value. `None` when none will come: all senders are gone, or [`close`](Receiver::close) was called, and
    /// everything that was sent was received. One sender's values come in their order.
    ///
    /// # Cancel safety
    ///
    /// Nothing is lost when the future is dropped.
    pub fn recv(&mut self) -> impl Future<Output = Option<T>> + use<'_, T> {
        poll_fn(|cx| self.poll_recv(cx))
    }

    /// As [`recv`](Receiver::recv), for futures that are written by hand.
    pub fn poll_recv(&mut self, cx: &mut Context<'_>) -> Poll<Option<T>> {
        self.0.poll(cx)
    }

    /// Waits for a value, and takes up to `limit` that are there into `values`. Gives how many: 0 when none will come, or
    /// when the limit is 0.
    ///
    /// # Cancel safety
    ///
    /// Nothing is lost when the future is dropped.
    pub async fn recv_many(&mut self, values: &mut Vec<T>, limit: usize) -> usize {
        if limit == 0 {
            return 0;
        }
        let Some(first) = self.recv().await else { return 0 };
        values.push(first);
        let mut taken = 1;
        while taken < limit
            && let Some(value) = self.0.pop()
        {
            values.push(value);
            taken += 1;
        }
        taken
    }

    /// Takes a value that is there now.
    ///
    /// # Errors
    ///
    /// [`TryRecvError`] says whether one may come.
    pub fn try_recv(&mut self) -> Result<T, TryRecvError> {
        self.0.try_recv()
    }

    /// From here on nothing can be sent, and who waits to send learns it. What was sent before can still be received.
    pub fn close(&mut self) {
        self.0.close();
    }

    /// Whether nothing can be sent any more.
    #[must_use]
    pub fn is_closed(&self) -> bool {
        self.0.is_closed()
    }

    /// How many values there is room for in all.
    #[must_use]
    pub fn max_capacity(&self) -> usize {
        self.0.capacity()
    }

    /// How many values are in the channel.
    #[must_use]
    pub fn len(&self) -> usize {
        self.0.len()
    }

    /// Whether the channel is empty now.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }
}

impl<T> fmt::Debug for Receiver<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Receiver").field("len", &self.len()).field("closed", &self.is_closed()).finish()
    }
}
