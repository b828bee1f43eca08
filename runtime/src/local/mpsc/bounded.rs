//! The channel with room for so many values.

use std::fmt;
use std::rc::Rc;
use std::task::{Context, Poll};

use super::super::permits::{PERMITS_MAX, Refused};
use super::error::{SendError, TryRecvError, TrySendError};
use super::queue::{Queue, receiver_methods};

/// A channel with room for so many values. The memory for them grows as it is needed, and stays.
///
/// # Panics
///
/// When the room is 0: a channel hands values over by keeping them. And when it is more than 2^61 - 1.
///
/// # Examples
///
/// ```
/// use uring_runtime::local::mpsc;
///
/// # uring_runtime::Builder::new().build()?.block_on(async {
/// let (tx, mut rx) = mpsc::channel(8);
/// drop(uring_runtime::task::spawn(async move {
///     for number in 0..100 {
///         tx.send(number).await.expect("the receiver is there"); // waits while 8 are in there
///     }
/// }));
/// let mut sum = 0;
/// while let Some(number) = rx.recv().await {
///     sum += number;
/// }
/// assert_eq!(sum, 4950);
/// # });
/// # Ok::<(), uring_runtime::BuildError>(())
/// ```
#[track_caller]
pub fn channel<T>(buffer: usize) -> (Sender<T>, Receiver<T>) {
    assert!(buffer > 0, "a channel needs room for at least one value: its buffer cannot be 0");
    assert!(buffer <= PERMITS_MAX, "a channel cannot have room for so many values");
    let queue = Rc::new(Queue::new(buffer));
    (Sender { queue: Rc::clone(&queue) }, Receiver { queue })
}

/// Sends values. Clones send into the same channel.
pub struct Sender<T> {
    queue: Rc<Queue<T>>,
}

impl<T> Sender<T> {
    /// Waits for room and sends the value.
    ///
    /// # Cancel safety
    ///
    /// A future that is dropped has not sent the value, and the value is dropped with it. To keep it, wait for room
    /// with [`reserve`](Self::reserve). The place in the line is given up; room that it was handed goes to the next.
    ///
    /// # Errors
    ///
    /// The value comes back when the receiver was closed or dropped.
    pub async fn send(&self, value: T) -> Result<(), SendError<T>> {
        let value = match self.queue.try_push(value) {
            Ok(()) => return Ok(()),
            Err(TrySendError::Closed(value)) => return Err(SendError(value)),
            Err(TrySendError::Full(value)) => value,
        };
        match self.reserve().await {
            Ok(permit) => {
                permit.send(value);
                Ok(())
            }
            Err(_) => Err(SendError(value)),
        }
    }

    /// Sends the value if there is room.
    ///
    /// # Errors
    ///
    /// The value comes back when there is no room, when somebody waits for room, and when the receiver was closed or
    /// dropped.
    #[inline]
    pub fn try_send(&self, value: T) -> Result<(), TrySendError<T>> {
        self.queue.try_push(value)
    }

    /// Waits for room for one value.
    ///
    /// # Cancel safety
    ///
    /// Dropping the future gives up its place in the line; room that it was handed goes to the next.
    ///
    /// # Errors
    ///
    /// When the receiver was closed or dropped.
    pub async fn reserve(&self) -> Result<Permit<'_, T>, SendError<()>> {
        match self.queue.reserve().await {
            Ok(()) => Ok(Permit { queue: Some(&self.queue) }),
            Err(_) => Err(SendError(())),
        }
    }

    /// Takes room for one value if there is some.
    ///
    /// # Errors
    ///
    /// As [`try_send`](Self::try_send).
    pub fn try_reserve(&self) -> Result<Permit<'_, T>, TrySendError<()>> {
        match self.queue.try_reserve() {
            Ok(()) => Ok(Permit { queue: Some(&self.queue) }),
            Err(Refused::Closed) => Err(TrySendError::Closed(())),
            Err(Refused::TooFew) => Err(TrySendError::Full(())),
        }
    }

    /// Waits for room for one value, with a permit that has this sender.
    ///
    /// # Cancel safety
    ///
    /// As [`reserve`](Self::reserve), and the sender is dropped with the future: use a clone.
    ///
    /// # Errors
    ///
    /// When the receiver was closed or dropped.
    pub async fn reserve_owned(self) -> Result<OwnedPermit<T>, SendError<()>> {
        match self.queue.reserve().await {
            Ok(()) => Ok(OwnedPermit { sender: Some(self) }),
            Err(_) => Err(SendError(())),
        }
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

    /// For how many values there is room at once: none while somebody waits for it.
    #[must_use]
    pub fn capacity(&self) -> usize {
        self.queue.available()
    }

    /// For how many values there is room when the channel is empty.
    #[must_use]
    pub fn max_capacity(&self) -> usize {
        self.queue.capacity()
    }
}

impl<T> Clone for Sender<T> {
    fn clone(&self) -> Self {
        self.queue.add_sender();
        Self { queue: Rc::clone(&self.queue) }
    }
}

impl<T> Drop for Sender<T> {
    fn drop(&mut self) {
        self.queue.remove_sender();
    }
}

impl<T> fmt::Debug for Sender<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Sender").field("closed", &self.is_closed()).finish_non_exhaustive()
    }
}

/// Room for one value. Dropped without sending, it goes to the next who waits.
///
/// # Examples
///
/// ```
/// use uring_runtime::local::mpsc;
///
/// # uring_runtime::Builder::new().build()?.block_on(async {
/// let (tx, mut rx) = mpsc::channel(1);
/// let room = tx.reserve().await.expect("the receiver is there"); // the value is not made before there is room
/// room.send(String::from("made now"));
/// assert_eq!(rx.recv().await.as_deref(), Some("made now"));
/// # });
/// # Ok::<(), uring_runtime::BuildError>(())
/// ```
#[must_use = "the room goes back when this is dropped"]
pub struct Permit<'a, T> {
    /// None once a value was sent.
    queue: Option<&'a Queue<T>>,
}

impl<T> Permit<'_, T> {
    /// Sends the value into its room. If the receiver is gone by now, the value is dropped.
    pub fn send(mut self, value: T) {
        if let Some(queue) = self.queue.take() {
            queue.push(value);
        }
    }
}

impl<T> Drop for Permit<'_, T> {
    fn drop(&mut self) {
        if let Some(queue) = self.queue {
            queue.unreserve();
        }
    }
}

impl<T> fmt::Debug for Permit<'_, T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Permit").finish_non_exhaustive()
    }
}

/// Room for one value, and the sender that took it.
///
/// # Examples
///
/// ```
/// use uring_runtime::local::mpsc;
///
/// # uring_runtime::Builder::new().build()?.block_on(async {
/// let (tx, mut rx) = mpsc::channel(1);
/// let room = tx.reserve_owned().await.expect("the receiver is there");
/// let tx = room.send(1);
/// assert!(tx.try_reserve().is_err());
/// assert_eq!(rx.recv().await, Some(1));
/// # });
/// # Ok::<(), uring_runtime::BuildError>(())
/// ```
#[must_use = "the room goes back when this is dropped"]
pub struct OwnedPermit<T> {
    /// None once a value was sent, or the room was given back.
    sender: Option<Sender<T>>,
}

impl<T> OwnedPermit<T> {
    /// Sends the value into its room and gives the sender back. If the receiver is gone by now, the value is dropped.
    pub fn send(self, value: T) -> Sender<T> {
        let sender = self.into_sender();
        sender.queue.push(value);
        sender
    }

    /// Gives the room back, and the sender.
    #[must_use]
    pub fn release(self) -> Sender<T> {
        let sender = self.into_sender();
        sender.queue.unreserve();
        sender
    }

    fn into_sender(mut self) -> Sender<T> {
        self.sender.take().expect("invariant: a permit is used once, by value")
    }
}

impl<T> Drop for OwnedPermit<T> {
    fn drop(&mut self) {
        if let Some(sender) = self.sender.take() {
            sender.queue.unreserve();
        }
    }
}

impl<T> fmt::Debug for OwnedPermit<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("OwnedPermit").finish_non_exhaustive()
    }
}

/// Receives the values. Dropping it closes the channel and drops what is in there.
pub struct Receiver<T> {
    queue: Rc<Queue<T>>,
}

impl<T> Receiver<T> {
    receiver_methods!();

    /// For how many values there is room at once: none while a sender waits for it.
    #[must_use]
    pub fn capacity(&self) -> usize {
        self.queue.available()
    }

    /// For how many values there is room when the channel is empty.
    #[must_use]
    pub fn max_capacity(&self) -> usize {
        self.queue.capacity()
    }
}

impl<T> Drop for Receiver<T> {
    fn drop(&mut self) {
        self.queue.abandon();
    }
}

impl<T> fmt::Debug for Receiver<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Receiver").field("len", &self.len()).finish_non_exhaustive()
    }
}
