//! Who sets the value.

use std::fmt;
use std::rc::Rc;

use super::super::until::until;
use super::error::SendError;
use super::receiver::Receiver;
use super::shared::{Ref, Shared};

/// Sets the value. Clones set the same one.
pub struct Sender<T> {
    shared: Rc<Shared<T>>,
}

impl<T> Sender<T> {
    /// A channel with this value in it, and no receiver yet.
    #[must_use]
    pub fn new(init: T) -> Self {
        Self { shared: Rc::new(Shared::new(init)) }
    }

    /// Sets the value, and wakes the receivers that wait.
    ///
    /// # Errors
    ///
    /// The value comes back when there is no receiver; [`send_replace`](Self::send_replace) sets it also then.
    ///
    /// # Panics
    ///
    /// Inside of a function that changes the value.
    #[track_caller]
    pub fn send(&self, value: T) -> Result<(), SendError<T>> {
        if self.is_closed() {
            return Err(SendError(value));
        }
        let before = self.shared.replace(value);
        self.shared.tell();
        drop(before);
        Ok(())
    }

    /// Changes the value in place, and wakes the receivers that wait.
    ///
    /// # Panics
    ///
    /// While the value is borrowed, and inside of a function that changes it. When `modify` panics, the value stays as
    /// that has left it, and nobody is woken.
    #[track_caller]
    pub fn send_modify(&self, modify: impl FnOnce(&mut T)) {
        self.shared.modify(modify);
        self.shared.tell();
    }

    /// As [`send_modify`](Self::send_modify), and wakes only when `modify` says that it has changed the value. Gives what
    /// that said.
    ///
    /// # Panics
    ///
    /// As [`send_modify`](Self::send_modify).
    #[track_caller]
    pub fn send_if_modified(&self, modify: impl FnOnce(&mut T) -> bool) -> bool {
        let is_modified = self.shared.modify(modify);
        if is_modified {
            self.shared.tell();
        }
        is_modified
    }

    /// Sets the value, also when nobody receives, and gives the one before.
    ///
    /// # Panics
    ///
    /// As [`send_modify`](Self::send_modify).
    #[track_caller]
    pub fn send_replace(&self, mut value: T) -> T {
        self.send_modify(|place| std::mem::swap(place, &mut value));
        value
    }

    /// The value as it is now.
    ///
    /// # Panics
    ///
    /// Inside of a function that changes the value.
    #[track_caller]
    pub fn borrow(&self) -> Ref<'_, T> {
        self.shared.borrow(self.shared.version())
    }

    /// Whether there is no receiver.
    #[must_use]
    pub fn is_closed(&self) -> bool {
        self.receiver_count() == 0
    }

    /// Waits until there is no receiver.
    ///
    /// # Cancel safety
    ///
    /// Nothing is lost when the future is dropped.
    pub async fn closed(&self) {
        until(&self.shared.closed, || self.is_closed().then_some(())).await;
    }

    /// A receiver that has seen the value that is there now.
    #[must_use]
    pub fn subscribe(&self) -> Receiver<T> {
        Receiver::new(&self.shared, self.shared.version())
    }

    /// How many receivers there are.
    #[must_use]
    pub fn receiver_count(&self) -> usize {
        self.shared.receivers.get()
    }

    /// Whether both set the same value.
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
            self.shared.changed.call_all(());
        }
    }
}

impl<T> fmt::Debug for Sender<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Sender").field("receivers", &self.receiver_count()).finish_non_exhaustive()
    }
}
