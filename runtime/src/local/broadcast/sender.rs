//! Who gives the values.

use std::cell::{Cell, RefCell};
use std::fmt;
use std::rc::Rc;

use super::super::until::{Crowd, until};
use super::error::SendError;
use super::receiver::Receiver;
use super::ring::Ring;

/// What both sides share.
pub(super) struct Shared<T> {
    pub(super) ring: RefCell<Ring<T>>,
    pub(super) senders: Cell<usize>,
    pub(super) receivers: Cell<usize>,
    /// Receivers that wait for a value, or for the end of the senders.
    pub(super) arrived: Crowd,
    /// Senders that wait for the end of the receivers.
    pub(super) closed: Crowd,
}

/// Gives values to all receivers. Clones give to the same ones.
pub struct Sender<T> {
    shared: Rc<Shared<T>>,
}

impl<T> Sender<T> {
    /// A channel that keeps so many values, with no receiver yet.
    ///
    /// # Panics
    ///
    /// When the capacity is 0.
    #[must_use]
    #[track_caller]
    pub fn new(capacity: usize) -> Self {
        assert!(capacity > 0, "a channel needs room for at least one value: its capacity cannot be 0");
        Self {
            shared: Rc::new(Shared {
                ring: RefCell::new(Ring::new(capacity)),
                senders: Cell::new(1),
                receivers: Cell::new(0),
                arrived: Crowd::new(),
                closed: Crowd::new(),
            }),
        }
    }

    /// Gives a value to all receivers that there are now, and tells how many. It waits for nobody: when there is no room,
    /// the oldest value is dropped, and who has not seen it will be told.
    ///
    /// # Errors
    ///
    /// The value comes back when there is no receiver.
    pub fn send(&self, value: T) -> Result<usize, SendError<T>> {
        let receivers = self.receiver_count();
        if receivers == 0 {
            return Err(SendError(value));
        }
        let retired = self.shared.ring.borrow_mut().push(value, receivers);
        self.shared.arrived.call_all(());
        drop(retired);
        Ok(receivers)
    }

    /// A receiver of the values that are sent from now on.
    #[must_use]
    pub fn subscribe(&self) -> Receiver<T> {
        Receiver::new(&self.shared)
    }

    /// How many receivers there are.
    #[must_use]
    pub fn receiver_count(&self) -> usize {
        self.shared.receivers.get()
    }

    /// How many values are there that some receiver has still to see.
    #[must_use]
    pub fn len(&self) -> usize {
        self.shared.ring.borrow().len()
    }

    /// Whether every value was seen by every receiver.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// Waits until there is no receiver.
    ///
    /// # Cancel safety
    ///
    /// Nothing is lost when the future is dropped.
    pub async fn closed(&self) {
        until(&self.shared.closed, || (self.receiver_count() == 0).then_some(())).await;
    }

    /// Whether both give to the same receivers.
    #[must_use]
    pub fn same_channel(&self, other: &Self) -> bool {
        Rc::ptr_eq(&self.shared, &other.shared)
    }
}

impl<T> Clone for Sender<T> {
    fn clone(&self) -> Self {
        self.shared.senders.set(self.shared.senders.get() + 1);
        Self { shared: Rc::clone(&self.shared) }
    }
}

impl<T> Drop for Sender<T> {
    fn drop(&mut self) {
        self.shared.senders.set(self.shared.senders.get() - 1);
        if self.shared.senders.get() == 0 {
            self.shared.arrived.call_all(());
        }
    }
}

impl<T> fmt::Debug for Sender<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Sender").field("receivers", &self.receiver_count()).finish_non_exhaustive()
    }
}
