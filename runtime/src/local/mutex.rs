//! A lock that may be held across an await.
//!
//! One permit is the right to the value. The guard holds the value itself, by its box, and puts it back: so no guard
//! needs a pointer into the lock, and owned guards are as safe as borrowed ones.

use std::cell::Cell;
use std::error::Error;
use std::fmt;
use std::ops::{Deref, DerefMut};
use std::rc::Rc;

use super::permits::Permits;

/// Gives one task at a time the value, in the order in which they asked for it.
///
/// Where nothing is awaited while the value is in use, a `RefCell` does the same and costs less. There is no poison: a
/// panic with the guard in hand unlocks the value as it is.
///
/// # Examples
///
/// ```
/// use std::rc::Rc;
/// use uring_runtime::local::Mutex;
///
/// # uring_runtime::Builder::new().build()?.block_on(async {
/// let log = Rc::new(Mutex::new(Vec::new()));
/// log.lock().await.push("one");
/// let mut owned = Rc::clone(&log).lock_owned().await;
/// owned.push("two");
/// assert!(log.try_lock().is_err());
/// # });
/// # Ok::<(), uring_runtime::BuildError>(())
/// ```
pub struct Mutex<T> {
    permits: Permits,
    /// Away while a guard has it.
    value: Cell<Option<Box<T>>>,
}

const HOME: &str = "invariant: whoever has the permit has the value; a guard was forgotten";

impl<T> Mutex<T> {
    /// An unlocked value.
    pub fn new(value: T) -> Self {
        Self { permits: Permits::new(1), value: Cell::new(Some(Box::new(value))) }
    }

    /// Waits for the value.
    ///
    /// # Cancel safety
    ///
    /// Dropping the future gives up its place in the line; if it was its turn, it is the next one's.
    pub async fn lock(&self) -> MutexGuard<'_, T> {
        self.permits.take_open(1).await;
        MutexGuard { lock: self, value: self.value.take() }
    }

    /// Waits for the value, with a guard that keeps the lock alive.
    ///
    /// # Cancel safety
    ///
    /// As [`lock`](Self::lock).
    pub async fn lock_owned(self: Rc<Self>) -> OwnedMutexGuard<T> {
        self.permits.take_open(1).await;
        let value = self.value.take();
        OwnedMutexGuard { lock: self, value }
    }

    /// Takes the value if it can be had at once.
    ///
    /// # Errors
    ///
    /// When somebody has it, or waits for it.
    pub fn try_lock(&self) -> Result<MutexGuard<'_, T>, TryLockError> {
        self.permits.try_take(1).map_err(|_| TryLockError(()))?;
        Ok(MutexGuard { lock: self, value: self.value.take() })
    }

    /// As [`try_lock`](Self::try_lock), with a guard that keeps the lock alive.
    ///
    /// # Errors
    ///
    /// As [`try_lock`](Self::try_lock).
    pub fn try_lock_owned(self: Rc<Self>) -> Result<OwnedMutexGuard<T>, TryLockError> {
        self.permits.try_take(1).map_err(|_| TryLockError(()))?;
        let value = self.value.take();
        Ok(OwnedMutexGuard { lock: self, value })
    }

    /// The value, which nobody else can have now.
    ///
    /// # Panics
    ///
    /// When a guard was forgotten (`mem::forget`), and the value with it.
    pub fn get_mut(&mut self) -> &mut T {
        self.value.get_mut().as_mut().expect(HOME)
    }

    /// The value, without the lock.
    ///
    /// # Panics
    ///
    /// As [`get_mut`](Self::get_mut).
    pub fn into_inner(self) -> T {
        *self.value.into_inner().expect(HOME)
    }

    fn unlock(&self, value: Option<Box<T>>) {
        self.value.set(value);
        self.permits.give(1);
    }
}

impl<T: Default> Default for Mutex<T> {
    fn default() -> Self {
        Self::new(T::default())
    }
}

impl<T> From<T> for Mutex<T> {
    fn from(value: T) -> Self {
        Self::new(value)
    }
}

impl<T: fmt::Debug> fmt::Debug for Mutex<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut text = f.debug_struct("Mutex");
        match self.try_lock() {
            Ok(guard) => text.field("value", &*guard).finish(),
            Err(_) => text.field("value", &format_args!("<locked>")).finish(),
        }
    }
}

macro_rules! guard_of_a_mutex {
    ($guard:ty $(, $life:lifetime)?) => {
        impl<$($life,)? T> Deref for $guard {
            type Target = T;

            #[inline]
            fn deref(&self) -> &T {
                self.value.as_ref().expect(HOME)
            }
        }

        impl<$($life,)? T> DerefMut for $guard {
            #[inline]
            fn deref_mut(&mut self) -> &mut T {
                self.value.as_mut().expect(HOME)
            }
        }

        impl<$($life,)? T> Drop for $guard {
            fn drop(&mut self) {
                self.lock.unlock(self.value.take());
            }
        }

        impl<$($life,)? T: fmt::Debug> fmt::Debug for $guard {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                (**self).fmt(f)
            }
        }

        impl<$($life,)? T: fmt::Display> fmt::Display for $guard {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                (**self).fmt(f)
            }
        }
    };
}

/// The value of a [`Mutex`], until it is dropped.
#[must_use = "the lock is given up when this is dropped"]
pub struct MutexGuard<'a, T> {
    lock: &'a Mutex<T>,
    value: Option<Box<T>>,
}

impl<'a, T> MutexGuard<'a, T> {
    /// The lock.
    pub fn mutex(this: &Self) -> &'a Mutex<T> {
        this.lock
    }
}

guard_of_a_mutex!(MutexGuard<'a, T>, 'a);

/// The value of a [`Mutex`] that it keeps alive, until it is dropped.
#[must_use = "the lock is given up when this is dropped"]
pub struct OwnedMutexGuard<T> {
    lock: Rc<Mutex<T>>,
    value: Option<Box<T>>,
}

impl<T> OwnedMutexGuard<T> {
    /// The lock.
    pub fn mutex(this: &Self) -> &Rc<Mutex<T>> {
        &this.lock
    }
}

guard_of_a_mutex!(OwnedMutexGuard<T>);

/// The lock cannot be had at once: somebody has it, or waits for it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct TryLockError(pub(super) ());

impl fmt::Display for TryLockError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("the lock is taken")
    }
}

impl Error for TryLockError {}
