//! Who sees the values, each by its own position.

use std::fmt;
use std::rc::Rc;

use super::super::until::until;
use super::error::{RecvError, TryRecvError};
use super::ring::{Found, Holder};
use super::sender::Shared;
use crate::panics::contain;

/// Sees each value once, from the moment on in which it was made.
pub struct Receiver<T> {
    shared: Rc<Shared<T>>,
    /// The position of the value that it sees next.
    next: u64,
}

/// A value that was found: it counts as seen.
enum Seen<T> {
    Alone(T),
    Shared(Holder<T>),
}

impl<T> Receiver<T> {
    pub(super) fn new(shared: &Rc<Shared<T>>) -> Self {
        shared.receivers.set(shared.receivers.get() + 1);
        Self { shared: Rc::clone(shared), next: shared.ring.borrow().end() }
    }

    /// Another receiver of the values that are sent from now on.
    #[must_use]
    pub fn resubscribe(&self) -> Self {
        Self::new(&self.shared)
    }

    /// How many values it has still to see, with those that it has missed.
    #[must_use]
    pub fn len(&self) -> usize {
        (self.shared.ring.borrow().end() - self.next) as usize
    }

    /// Whether it has seen every value.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// Whether all senders are gone. There may still be values to be seen.
    #[must_use]
    pub fn is_closed(&self) -> bool {
        self.shared.senders.get() == 0
    }

    /// Whether both see the values of the same senders.
    #[must_use]
    pub fn same_channel(&self, other: &Self) -> bool {
        Rc::ptr_eq(&self.shared, &other.shared)
    }

    fn look(shared: &Shared<T>, next: &mut u64) -> Result<Seen<T>, TryRecvError> {
        let found = shared.ring.borrow_mut().take(next);
        match found {
            Found::Alone(value) => Ok(Seen::Alone(value)),
            Found::Shared(holder) => Ok(Seen::Shared(holder)),
            Found::Missed(values) => Err(TryRecvError::Lagged(values)),
            Found::Empty if shared.senders.get() == 0 => Err(TryRecvError::Closed),
            Found::Empty => Err(TryRecvError::Empty),
        }
    }
}

impl<T: Clone> Receiver<T> {
    /// Waits for the next value.
    ///
    /// # Cancel safety
    ///
    /// A future that is dropped has seen nothing: the value is there for the next one.
    ///
    /// # Errors
    ///
    /// When values were missed, and when all senders are gone and every value was seen.
    pub async fn recv(&mut self) -> Result<T, RecvError> {
        let Self { shared, next } = self;
        let look = || match Self::look(shared, next) {
            Ok(seen) => Some(Ok(seen)),
            Err(TryRecvError::Lagged(values)) => Some(Err(RecvError::Lagged(values))),
            Err(TryRecvError::Closed) => Some(Err(RecvError::Closed)),
            Err(TryRecvError::Empty) => None,
        };
        Ok(cloned(until(&shared.arrived, look).await?))
    }

    /// Takes the next value if there is one.
    ///
    /// # Errors
    ///
    /// When there is none yet, when values were missed, and when all senders are gone and every value was seen.
    pub fn try_recv(&mut self) -> Result<T, TryRecvError> {
        Self::look(&self.shared, &mut self.next).map(cloned)
    }
}

/// The value itself. Cloning is code of users; nothing is borrowed here.
fn cloned<T: Clone>(seen: Seen<T>) -> T {
    match seen {
        Seen::Alone(value) => value,
        Seen::Shared(holder) => holder.as_ref().clone().expect("invariant: a holder in the ring has a value"),
    }
}

impl<T> Drop for Receiver<T> {
    fn drop(&mut self) {
        self.shared.receivers.set(self.shared.receivers.get() - 1);
        self.shared.ring.borrow_mut().leave(self.next);
        if self.shared.receivers.get() == 0 {
            self.shared.closed.call_all(());
        }
        loop {
            let retired = self.shared.ring.borrow_mut().retire_seen();
            let Some(retired) = retired else { return };
            contain(|| drop(retired));
        }
    }
}

impl<T> fmt::Debug for Receiver<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Receiver").field("len", &self.len()).finish_non_exhaustive()
    }
}
