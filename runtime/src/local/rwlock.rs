//! A lock with many readers or one writer, which may be held across an await.
//!
//! Each reader has one permit, a writer has all of them. The value lies in an `Rc`: a reader's guard holds a reference, a
//! writer's the only one. So no guard needs a pointer into the lock.

use std::cell::Cell;
use std::fmt;
use std::ops::{Deref, DerefMut};
use std::rc::Rc;

use super::mutex::TryLockError;
use super::permits::Permits;

/// So many readers there can be at once.
const READERS_MAX: usize = (u32::MAX >> 3) as usize;

/// Gives the value to many readers, or to one writer, in the order in which they asked for it.
///
/// A reader that comes after a waiting writer waits behind it, so writers are not starved. For that reason who reads
/// must not ask to read a second time while it holds a guard: a writer in between would wait for the one, and the other
/// for the writer. There is no poison: a panic with a guard in hand unlocks the value as it is.
///
/// # Examples
///
/// ```
/// use uring_runtime::local::RwLock;
///
/// # uring_runtime::Builder::new().build()?.block_on(async {
/// let routes = RwLock::new(vec!["/"]);
/// {
///     let (one, two) = (routes.read().await, routes.read().await);
///     assert_eq!(*one, *two);
///     assert!(routes.try_write().is_err());
/// }
/// routes.write().await.push("/about");
/// # });
/// # Ok::<(), uring_runtime::BuildError>(())
/// ```
pub struct RwLock<T> {
    permits: Permits,
    /// Away while a writer has it, and for the moment in which a reader takes its reference.
    value: Cell<Option<Rc<T>>>,
}

const HOME: &str = "invariant: whoever has the permits has the value; a guard was forgotten";
const ALONE: &str = "invariant: a writer has the only reference; a guard was forgotten";

impl<T> RwLock<T> {
    /// An unlocked value.
    pub fn new(value: T) -> Self {
        Self { permits: Permits::new(READERS_MAX), value: Cell::new(Some(Rc::new(value))) }
    }

    /// Waits to read the value.
    ///
    /// # Cancel safety
    ///
    /// Dropping the future gives up its place in the line; if it was its turn, it is the next one's.
    pub async fn read(&self) -> RwLockReadGuard<'_, T> {
        self.permits.take_open(1).await;
        RwLockReadGuard { value: self.share(), lock: self }
    }

    /// Waits to read the value, with a guard that keeps the lock alive.
    ///
    /// # Cancel safety
    ///
    /// As [`read`](Self::read).
    pub async fn read_owned(self: Rc<Self>) -> OwnedRwLockReadGuard<T> {
        self.permits.take_open(1).await;
        OwnedRwLockReadGuard { value: self.share(), lock: self }
    }

    /// Reads the value if that can be done at once.
    ///
    /// # Errors
    ///
    /// When a writer has it, or somebody waits for it.
    pub fn try_read(&self) -> Result<RwLockReadGuard<'_, T>, TryLockError> {
        self.permits.try_take(1).map_err(|_| TryLockError(()))?;
        Ok(RwLockReadGuard { value: self.share(), lock: self })
    }

    /// As [`try_read`](Self::try_read), with a guard that keeps the lock alive.
    ///
    /// # Errors
    ///
    /// As [`try_read`](Self::try_read).
    pub fn try_read_owned(self: Rc<Self>) -> Result<OwnedRwLockReadGuard<T>, TryLockError> {
        self.permits.try_take(1).map_err(|_| TryLockError(()))?;
        Ok(OwnedRwLockReadGuard { value: self.share(), lock: self })
    }

    /// Waits to write the value.
    ///
    /// # Cancel safety
    ///
    /// As [`read`](Self::read): those who waited behind it go on when it is dropped.
    pub async fn write(&self) -> RwLockWriteGuard<'_, T> {
        self.permits.take_open(READERS_MAX).await;
        RwLockWriteGuard { lock: self, value: self.value.take() }
    }

    /// Waits to write the value, with a guard that keeps the lock alive.
    ///
    /// # Cancel safety
    ///
    /// As [`write`](Self::write).
    pub async fn write_owned(self: Rc<Self>) -> OwnedRwLockWriteGuard<T> {
        self.permits.take_open(READERS_MAX).await;
        let value = self.value.take();
        OwnedRwLockWriteGuard { lock: self, value }
    }

    /// Writes the value if that can be done at once.
    ///
    /// # Errors
    ///
    /// When somebody has it, or waits for it.
    pub fn try_write(&self) -> Result<RwLockWriteGuard<'_, T>, TryLockError> {
        self.permits.try_take(READERS_MAX).map_err(|_| TryLockError(()))?;
        Ok(RwLockWriteGuard { lock: self, value: self.value.take() })
    }

    /// As [`try_write`](Self::try_write), with a guard that keeps the lock alive.
    ///
    /// # Errors
    ///
    /// As [`try_write`](Self::try_write).
    pub fn try_write_owned(self: Rc<Self>) -> Result<OwnedRwLockWriteGuard<T>, TryLockError> {
        self.permits.try_take(READERS_MAX).map_err(|_| TryLockError(()))?;
        let value = self.value.take();
        Ok(OwnedRwLockWriteGuard { lock: self, value })
    }

    /// The value, which nobody else can have now.
    ///
    /// # Panics
    ///
    /// When a guard was forgotten (`mem::forget`).
    pub fn get_mut(&mut self) -> &mut T {
        Rc::get_mut(self.value.get_mut().as_mut().expect(HOME)).expect(ALONE)
    }

    /// The value, without the lock.
    ///
    /// # Panics
    ///
    /// As [`get_mut`](Self::get_mut).
    pub fn into_inner(self) -> T {
        Rc::into_inner(self.value.into_inner().expect(HOME)).expect(ALONE)
    }

    /// A reference to the value, for who has a permit.
    fn share(&self) -> Option<Rc<T>> {
        let value = self.value.take();
        self.value.set(value.clone());
        value
    }
}

impl<T: Default> Default for RwLock<T> {
    fn default() -> Self {
        Self::new(T::default())
    }
}

impl<T> From<T> for RwLock<T> {
    fn from(value: T) -> Self {
        Self::new(value)
    }
}

impl<T: fmt::Debug> fmt::Debug for RwLock<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut text = f.debug_struct("RwLock");
        match self.try_read() {
            Ok(guard) => text.field("value", &*guard).finish(),
            Err(_) => text.field("value", &format_args!("<locked>")).finish(),
        }
    }
}

/// What all four guards have.
macro_rules! guard {
    ($guard:ty $(, $life:lifetime)?) => {
        impl<$($life,)? T> Deref for $guard {
            type Target = T;

            #[inline]
            fn deref(&self) -> &T {
                self.value.as_ref().expect(HOME)
            }
        }

        impl<$($life,)? T: fmt::Debug> fmt::Debug for $guard {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                (**self).fmt(f)
            }
        }
    };
}

macro_rules! guard_of_a_reader {
    ($guard:ty $(, $life:lifetime)?) => {
        guard!($guard $(, $life)?);

        impl<$($life,)? T> Drop for $guard {
            fn drop(&mut self) {
                // First the reference, then the permit: a writer must be alone. The lock has another reference.
                drop(self.value.take());
                self.lock.permits.give(1);
            }
        }
    };
}

macro_rules! guard_of_a_writer {
    ($guard:ty $(, $life:lifetime)?) => {
        guard!($guard $(, $life)?);

        impl<$($life,)? T> DerefMut for $guard {
            #[inline]
            fn deref_mut(&mut self) -> &mut T {
                Rc::get_mut(self.value.as_mut().expect(HOME)).expect(ALONE)
            }
        }

        impl<$($life,)? T> Drop for $guard {
            fn drop(&mut self) {
                // A guard without the value was downgraded.
                if let Some(value) = self.value.take() {
                    self.lock.value.set(Some(value));
                    self.lock.permits.give(READERS_MAX);
                }
            }
        }
    };
}

/// The value of an [`RwLock`] to read, until it is dropped.
#[must_use = "the lock is given up when this is dropped"]
pub struct RwLockReadGuard<'a, T> {
    lock: &'a RwLock<T>,
    value: Option<Rc<T>>,
}

guard_of_a_reader!(RwLockReadGuard<'a, T>, 'a);

/// The value of an [`RwLock`] that it keeps alive, to read, until it is dropped.
#[must_use = "the lock is given up when this is dropped"]
pub struct OwnedRwLockReadGuard<T> {
    lock: Rc<RwLock<T>>,
    value: Option<Rc<T>>,
}

guard_of_a_reader!(OwnedRwLockReadGuard<T>);

/// The value of an [`RwLock`] to write, until it is dropped.
#[must_use = "the lock is given up when this is dropped"]
pub struct RwLockWriteGuard<'a, T> {
    lock: &'a RwLock<T>,
    value: Option<Rc<T>>,
}

impl<'a, T> RwLockWriteGuard<'a, T> {
    /// Goes on as a reader, with no writer in between. Readers that are first in the line may then read, too.
    ///
    /// # Examples
    ///
    /// ```
    /// use uring_runtime::local::RwLock;
    ///
    /// # uring_runtime::Builder::new().build()?.block_on(async {
    /// let number = RwLock::new(1);
    /// let mut writer = number.write().await;
    /// *writer += 1;
    /// let reader = writer.downgrade();
    /// assert_eq!((*reader, *number.read().await), (2, 2));
    /// # });
    /// # Ok::<(), uring_runtime::BuildError>(())
    /// ```
    pub fn downgrade(mut self) -> RwLockReadGuard<'a, T> {
        let lock = self.lock;
        lock.value.set(self.value.take());
        let reader = RwLockReadGuard { lock, value: lock.share() };
        lock.permits.give(READERS_MAX - 1);
        reader
    }
}

guard_of_a_writer!(RwLockWriteGuard<'a, T>, 'a);

/// The value of an [`RwLock`] that it keeps alive, to write, until it is dropped.
#[must_use = "the lock is given up when this is dropped"]
pub struct OwnedRwLockWriteGuard<T> {
    lock: Rc<RwLock<T>>,
    value: Option<Rc<T>>,
}

impl<T> OwnedRwLockWriteGuard<T> {
    /// As [`RwLockWriteGuard::downgrade`].
    pub fn downgrade(mut self) -> OwnedRwLockReadGuard<T> {
        let lock = Rc::clone(&self.lock);
        lock.value.set(self.value.take());
        let value = lock.share();
        lock.permits.give(READERS_MAX - 1);
        OwnedRwLockReadGuard { lock, value }
    }
}

guard_of_a_writer!(OwnedRwLockWriteGuard<T>);
