//! A bounded channel of one sender and one receiver, between any threads.
//!
//! It is [`mpsc`](super::mpsc) with a sender that cannot be cloned: who holds it knows that nobody else sends.

use std::fmt;
use std::future::poll_fn;
use std::task::{Context, Poll};

use super::channel::{self, Consumer, Producer};
use super::error::{SendError, TryRecvError, TrySendError};
use super::prims::Arc;
use super::sleeper::Sleeper;

/// Makes a channel with room for so many values.
///
/// # Panics
///
/// When there is no room at all.
///
/// # Examples
///
/// ```
/// # fn main() -> Result<(), Box<dyn std::error::Error>> {
/// let (mut sender, mut receiver) = uring_runtime::sync::spsc::channel(2);
/// sender.try_send(1)?;
/// sender.try_send(2)?;
/// assert!(sender.try_send(3).is_err(), "there is room for two");
/// assert_eq!(receiver.try_recv(), Ok(1));
/// # Ok(())
/// # }
/// ```
#[must_use]
pub fn channel<T>(capacity: usize) -> (Sender<T>, Receiver<T>) {
    let (producer, consumer) = channel::channel(capacity, Arc::new(Sleeper::new()));
    (Sender(producer), Receiver(consumer))
}

/// The sending end.
pub struct Sender<T>(Producer<T>);

impl<T> Sender<T> {
    /// Sends a value, and waits for room.
    ///
    /// # Errors
    ///
    /// [`SendError`] gives the value back when the receiver is gone.
    ///
    /// # Cancel safety
    ///
    /// A future that is dropped has sent nothing: the value is dropped with it.
    pub fn send(&mut self, value: T) -> impl Future<Output = Result<(), SendError<T>>> + use<'_, T> {
        self.0.send(value)
    }

    /// Sends a value if there is room now.
    ///
    /// # Errors
    ///
    /// [`TrySendError`] gives the value back.
    pub fn try_send(&mut self, value: T) -> Result<(), TrySendError<T>> {
        self.0.try_send(value)
    }

    /// Whether nothing can be sent any more.
    #[must_use]
    pub fn is_closed(&self) -> bool {
        self.0.is_closed()
    }
}

impl<T> fmt::Debug for Sender<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Sender").field("len", &self.0.len()).field("closed", &self.is_closed()).finish()
    }
}

/// The receiving end. Dropping it closes the channel and drops what is in it.
pub struct Receiver<T>(Consumer<T>);

impl<T> Receiver<T> {
    /// Waits for a value. `None` when the sender is gone and everything that it sent was received.
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

    /// Takes a value that is there now.
    ///
    /// # Errors
    ///
    /// [`TryRecvError`] says whether one may come.
    pub fn try_recv(&mut self) -> Result<T, TryRecvError> {
        self.0.try_recv()
    }
}

impl<T> fmt::Debug for Receiver<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Receiver").field("len", &self.0.len()).field("closed", &self.0.is_closed()).finish()
    }
}
