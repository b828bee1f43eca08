//! Who watches the value.

use std::fmt;
use std::rc::Rc;

use super::super::until::until;
use super::error::RecvError;
use super::shared::{Ref, Shared};

/// Watches the value. A clone has seen what this one has seen.
pub struct Receiver<T> {
    shared: Rc<Shared<T>>,
    /// The version that was seen last.
    seen: u64,
}

impl<T> Receiver<T> {
    pub(super) fn new(shared: &Rc<Shared<T>>, seen: u64) -> Self {
        shared.receivers.set(shared.receivers.get() + 1);
        Self { shared: Rc::clone(shared), seen }
    }

    /// The value as it is now. It does not count as seen.
    ///
    /// # Panics
    ///
    /// Inside of a function that changes the value.
    #[track_caller]
    pub fn borrow(&self) -> Ref<'_, T> {
        self.shared.borrow(self.seen)
    }

    /// The value as it is now, which counts as seen.
    ///
    /// # Panics
    ///
    /// As [`borrow`](Self::borrow).
    #[track_caller]
    pub fn borrow_and_update(&mut self) -> Ref<'_, T> {
        let seen = std::mem::replace(&mut self.seen, self.shared.version());
        self.shared.borrow(seen)
    }

    /// Whether there is a value that was not seen.
    ///
    /// # Errors
    ///
    /// When all senders are gone.
    pub fn has_changed(&self) -> Result<bool, RecvError> {
        if self.shared.senders.get() == 0 {
            return Err(RecvError(()));
        }
        Ok(self.is_behind())
    }

    fn is_behind(&self) -> bool {
        self.seen != self.shared.version()
    }

    /// Lets the value count as not seen.
    pub fn mark_changed(&mut self) {
        self.seen = self.shared.version().wrapping_sub(1);
    }

    /// Lets the value count as seen.
    pub fn mark_unchanged(&mut self) {
        self.seen = self.shared.version();
    }

    /// Waits for a value that was not seen, which counts as seen then.
    ///
    /// # Cancel safety
    ///
    /// A future that is dropped has seen nothing: the next one is ready at once if there was a change meanwhile.
    ///
    /// # Errors
    ///
    /// When all senders are gone, and the last value was seen.
    pub async fn changed(&mut self) -> Result<(), RecvError> {
        let look = || {
            if self.is_behind() {
                return Some(Ok(self.shared.version()));
            }
            (self.shared.senders.get() == 0).then_some(Err(RecvError(())))
        };
        self.seen = until(&self.shared.changed, look).await?;
        Ok(())
    }

    /// Waits until the value is as wanted; it may be so already. It counts as seen then.
    ///
    /// # Cancel safety
    ///
    /// As [`changed`](Self::changed); values that were not as wanted may count as seen.
    ///
    /// # Errors
    ///
    /// When all senders are gone, and the last value is not as wanted.
    ///
    /// # Panics
    ///
    /// When `is_wanted` does, which counts the value as seen.
    pub async fn wait_for(&mut self, mut is_wanted: impl FnMut(&T) -> bool) -> Result<Ref<'_, T>, RecvError> {
        loop {
            let seen = std::mem::replace(&mut self.seen, self.shared.version());
            let value = self.shared.borrow(seen);
            if is_wanted(&value) {
                return Ok(value);
            }
            drop(value);
            self.changed().await?;
        }
    }

    /// Whether both watch the same value.
    #[must_use]
    pub fn same_channel(&self, other: &Self) -> bool {
        Rc::ptr_eq(&self.shared, &other.shared)
    }
}

impl<T> Clone for Receiver<T> {
    fn clone(&self) -> Self {
        Self::new(&self.shared, self.seen)
    }
}

impl<T> Drop for Receiver<T> {
    fn drop(&mut self) {
        self.shared.receivers.set(self.shared.receivers.get() - 1);
        if self.shared.receivers.get() == 0 {
            self.shared.closed.call_all(());
        }
    }
}

impl<T> fmt::Debug for Receiver<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Receiver").field("changed", &self.is_behind()).finish_non_exhaustive()
    }
}
