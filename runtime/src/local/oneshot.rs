//! A channel for one value.
//!
//! Both sides share an allocation with the value and a seat for each side.

use std::cell::Cell;
use std::error::Error;
use std::fmt;
use std::future::poll_fn;
use std::pin::Pin;
use std::rc::Rc;
use std::task::{Context, Poll};

use super::seat::Seat;

/// A channel for one value.
///
/// # Examples
///
/// ```
/// use uring_runtime::local::oneshot;
///
/// # uring_runtime::Builder::new().build()?.block_on(async {
/// let (answer, question) = oneshot::channel();
/// drop(uring_runtime::task::spawn(async move { answer.send(42) }));
/// assert_eq!(question.await, Ok(42));
/// # });
/// # Ok::<(), uring_runtime::BuildError>(())
/// ```
pub fn channel<T>() -> (Sender<T>, Receiver<T>) {
    let shared = Rc::new(Shared {
        value: Cell::new(None),
        sender_gone: Cell::new(false),
        receiver_closed: Cell::new(false),
        sender: Seat::default(),
        receiver: Seat::default(),
    });
    (Sender { shared: Rc::clone(&shared) }, Receiver { shared })
}

struct Shared<T> {
    value: Cell<Option<T>>,
    sender_gone: Cell<bool>,
    /// Set when the receiver wants no value any more. One that was sent before can still be taken.
    receiver_closed: Cell<bool>,
    sender: Seat,
    receiver: Seat,
}

impl<T> Shared<T> {
    fn take(&self) -> Result<T, TryRecvError> {
        match self.value.take() {
            Some(value) => Ok(value),
            None if self.sender_gone.get() || self.receiver_closed.get() => Err(TryRecvError::Closed),
            None => Err(TryRecvError::Empty),
        }
    }
}

/// Sends the value. Dropping it without tells the receiver that none will come.
pub struct Sender<T> {
    shared: Rc<Shared<T>>,
}

impl<T> Sender<T> {
    /// Sends the value. It waits for nobody.
    ///
    /// # Errors
    ///
    /// The value itself, when the receiver was closed or dropped.
    pub fn send(self, value: T) -> Result<(), T> {
        if self.is_closed() {
            return Err(value);
        }
        self.shared.value.set(Some(value));
        // Dropping the sender wakes the receiver.
        Ok(())
    }

    /// Waits until the receiver is closed or dropped.
    ///
    /// # Cancel safety
    ///
    /// Nothing is lost when the future is dropped.
    pub async fn closed(&mut self) {
        poll_fn(|cx| self.poll_closed(cx)).await;
    }

    /// As [`closed`](Self::closed), for futures written by hand.
    pub fn poll_closed(&mut self, cx: &mut Context<'_>) -> Poll<()> {
        self.shared.sender.poll(cx, || self.is_closed().then_some(()))
    }

    /// Whether the receiver was closed or dropped.
    #[must_use]
    pub fn is_closed(&self) -> bool {
        self.shared.receiver_closed.get()
    }
}

impl<T> Drop for Sender<T> {
    fn drop(&mut self) {
        self.shared.sender_gone.set(true);
        self.shared.receiver.wake();
    }
}

impl<T> fmt::Debug for Sender<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Sender").field("closed", &self.is_closed()).finish_non_exhaustive()
    }
}

/// Waits for the value. Awaiting it gives the value, or an error when the sender was dropped without sending one.
///
/// # Cancel safety
///
/// It can be awaited by reference and dropped later: the value stays until it is taken, or goes with the receiver.
#[must_use = "futures do nothing unless awaited"]
pub struct Receiver<T> {
    shared: Rc<Shared<T>>,
}

impl<T> Receiver<T> {
    /// Takes the value if it is there.
    ///
    /// # Errors
    ///
    /// When it is not there yet, or none will come.
    pub fn try_recv(&mut self) -> Result<T, TryRecvError> {
        self.shared.take()
    }

    /// Keeps the sender from sending. A value that was sent before can still be taken.
    pub fn close(&mut self) {
        self.shared.receiver_closed.set(true);
        self.shared.sender.wake();
    }
}

impl<T> Future for Receiver<T> {
    type Output = Result<T, RecvError>;

    /// Polled again after it gave the value, it gives an error.
    fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        self.shared.receiver.poll(cx, || match self.shared.take() {
            Ok(value) => Some(Ok(value)),
            Err(TryRecvError::Closed) => Some(Err(RecvError(()))),
            Err(TryRecvError::Empty) => None,
        })
    }
}

impl<T> Drop for Receiver<T> {
    fn drop(&mut self) {
        self.close();
        drop(self.shared.value.take());
    }
}

impl<T> fmt::Debug for Receiver<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Receiver")
            .field("sender_gone", &self.shared.sender_gone.get())
            .finish_non_exhaustive()
    }
}

/// The sender was dropped without sending a value.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct RecvError(());

impl fmt::Display for RecvError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("the channel is closed")
    }
}

impl Error for RecvError {}

/// Why [`Receiver::try_recv`] got nothing.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum TryRecvError {
    /// The value is not there yet.
    Empty,
    /// None will come, or it was taken.
    Closed,
}

impl fmt::Display for TryRecvError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Empty => "the channel is empty",
            Self::Closed => "the channel is closed",
        })
    }
}

impl Error for TryRecvError {}

/// The errors, by the path that they have in tokio.
pub mod error {
    pub use super::{RecvError, TryRecvError};
}
