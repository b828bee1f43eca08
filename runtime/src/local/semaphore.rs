//! The semaphore: so many may do something at once.
//!
//! It puts guards around [`Permits`], which does the work.

use std::error::Error;
use std::fmt;
use std::rc::Rc;

use super::permits::{Closed, PERMITS_MAX, Permits, Refused};

/// Hands out permits in the order in which they were asked for.
///
/// Who asks for many permits is not overtaken by those who ask for few: what becomes free is saved up for the first in
/// the line. Permits come back when their guards are dropped.
///
/// # Examples
///
/// ```
/// use uring_runtime::local::Semaphore;
///
/// # uring_runtime::Builder::new().build()?.block_on(async {
/// let uploads = Semaphore::new(2);
/// let first = uploads.acquire().await.expect("it is never closed");
/// let _second = uploads.acquire().await.expect("it is never closed");
/// assert!(uploads.try_acquire().is_err());
/// drop(first);
/// assert_eq!(uploads.available_permits(), 1);
/// # });
/// # Ok::<(), uring_runtime::BuildError>(())
/// ```
pub struct Semaphore {
    permits: Permits,
}

impl Semaphore {
    /// As many permits a semaphore can have: 2^61 - 1.
    pub const MAX_PERMITS: usize = PERMITS_MAX;

    /// A semaphore with so many permits.
    ///
    /// # Panics
    ///
    /// When there are more than [`MAX_PERMITS`](Self::MAX_PERMITS).
    #[must_use]
    pub const fn new(permits: usize) -> Self {
        assert!(permits <= PERMITS_MAX, "a semaphore cannot have so many permits");
        Self { permits: Permits::new(permits) }
    }

    /// How many permits could be had at once. What is saved up for somebody who waits is not among them.
    #[must_use]
    pub fn available_permits(&self) -> usize {
        self.permits.available()
    }

    /// Puts new permits in.
    ///
    /// # Panics
    ///
    /// When more than [`MAX_PERMITS`](Self::MAX_PERMITS) are free then.
    pub fn add_permits(&self, permits: usize) {
        let room = PERMITS_MAX - self.permits.free();
        assert!(permits <= room, "a semaphore cannot have so many permits");
        self.permits.give(permits);
    }

    /// Takes free permits away for good, at most so many, and tells how many there were.
    pub fn forget_permits(&self, permits: usize) -> usize {
        self.permits.forget(permits)
    }

    /// Waits for a permit.
    ///
    /// # Cancel safety
    ///
    /// Dropping the future gives up its place in the line, and a permit that it was handed goes to the next.
    ///
    /// # Errors
    ///
    /// When the semaphore is closed.
    pub async fn acquire(&self) -> Result<SemaphorePermit<'_>, AcquireError> {
        self.acquire_many(1).await
    }

    /// Waits until there are so many permits at once.
    ///
    /// # Cancel safety
    ///
    /// As [`acquire`](Self::acquire).
    ///
    /// # Errors
    ///
    /// When the semaphore is closed.
    pub async fn acquire_many(&self, permits: u32) -> Result<SemaphorePermit<'_>, AcquireError> {
        self.permits.take(permits as usize).await?;
        Ok(SemaphorePermit { semaphore: self, permits })
    }

    /// Takes a permit if one can be had at once.
    ///
    /// # Errors
    ///
    /// When none is free, somebody waits who came before, or the semaphore is closed.
    pub fn try_acquire(&self) -> Result<SemaphorePermit<'_>, TryAcquireError> {
        self.try_acquire_many(1)
    }

    /// Takes so many permits if they can be had at once.
    ///
    /// # Errors
    ///
    /// As [`try_acquire`](Self::try_acquire).
    pub fn try_acquire_many(&self, permits: u32) -> Result<SemaphorePermit<'_>, TryAcquireError> {
        self.permits.try_take(permits as usize)?;
        Ok(SemaphorePermit { semaphore: self, permits })
    }

    /// Waits for a permit that keeps the semaphore alive.
    ///
    /// # Cancel safety
    ///
    /// As [`acquire`](Self::acquire).
    ///
    /// # Errors
    ///
    /// When the semaphore is closed.
    pub async fn acquire_owned(self: Rc<Self>) -> Result<OwnedSemaphorePermit, AcquireError> {
        self.acquire_many_owned(1).await
    }

    /// Waits until there are so many permits at once, which keep the semaphore alive.
    ///
    /// # Cancel safety
    ///
    /// As [`acquire`](Self::acquire).
    ///
    /// # Errors
    ///
    /// When the semaphore is closed.
    pub async fn acquire_many_owned(
        self: Rc<Self>,
        permits: u32,
    ) -> Result<OwnedSemaphorePermit, AcquireError> {
        self.permits.take(permits as usize).await?;
        Ok(OwnedSemaphorePermit { semaphore: self, permits })
    }

    /// As [`try_acquire`](Self::try_acquire), with a permit that keeps the semaphore alive.
    ///
    /// # Errors
    ///
    /// As [`try_acquire`](Self::try_acquire).
    pub fn try_acquire_owned(self: Rc<Self>) -> Result<OwnedSemaphorePermit, TryAcquireError> {
        self.try_acquire_many_owned(1)
    }

    /// As [`try_acquire_many`](Self::try_acquire_many), with permits that keep the semaphore alive.
    ///
    /// # Errors
    ///
    /// As [`try_acquire`](Self::try_acquire).
    pub fn try_acquire_many_owned(
        self: Rc<Self>,
        permits: u32,
    ) -> Result<OwnedSemaphorePermit, TryAcquireError> {
        self.permits.try_take(permits as usize)?;
        Ok(OwnedSemaphorePermit { semaphore: self, permits })
    }

    /// Hands out no permits any more: all who wait, and who come later, get an error. Permits that were handed out stay
    /// valid.
    pub fn close(&self) {
        self.permits.close();
    }

    /// Whether it was closed.
    #[must_use]
    pub fn is_closed(&self) -> bool {
        self.permits.is_closed()
    }
}

impl fmt::Debug for Semaphore {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Semaphore")
            .field("permits", &self.available_permits())
            .field("closed", &self.is_closed())
            .finish()
    }
}

/// The methods that both kinds of permits have.
macro_rules! permit_methods {
    () => {
        /// Never gives these permits back.
        pub fn forget(mut self) {
            self.permits = 0;
        }

        /// Takes in the permits of another guard.
        ///
        /// # Panics
        ///
        /// When they are another semaphore's.
        pub fn merge(&mut self, mut other: Self) {
            let (ours, theirs): (&Semaphore, &Semaphore) = (&self.semaphore, &other.semaphore);
            assert!(std::ptr::eq(ours, theirs), "these permits are of another semaphore");
            self.permits += other.permits;
            other.permits = 0;
        }

        /// How many permits it holds.
        #[must_use]
        pub fn num_permits(&self) -> usize {
            self.permits as usize
        }
    };
}

/// Permits of a [`Semaphore`], which go back when it is dropped.
#[must_use = "the permits go back when this is dropped"]
#[derive(Debug)]
pub struct SemaphorePermit<'a> {
    semaphore: &'a Semaphore,
    permits: u32,
}

impl SemaphorePermit<'_> {
    permit_methods!();

    /// Takes so many permits out into a guard of their own, if there are so many.
    pub fn split(&mut self, permits: usize) -> Option<Self> {
        let taken = u32::try_from(permits).ok()?;
        self.permits = self.permits.checked_sub(taken)?;
        Some(Self { semaphore: self.semaphore, permits: taken })
    }
}

impl Drop for SemaphorePermit<'_> {
    fn drop(&mut self) {
        self.semaphore.permits.give(self.permits as usize);
    }
}

/// Permits of a [`Semaphore`] that keep it alive, and go back when this is dropped.
///
/// # Examples
///
/// ```
/// use std::rc::Rc;
/// use uring_runtime::local::Semaphore;
///
/// # uring_runtime::Builder::new().build()?.block_on(async {
/// let uploads = Rc::new(Semaphore::new(1));
/// let permit = Rc::clone(&uploads).acquire_owned().await.expect("it is never closed");
/// let task = uring_runtime::task::spawn(async move { drop(permit) }); // it goes with the task
/// assert!(uploads.acquire().await.is_ok());
/// # drop(task);
/// # });
/// # Ok::<(), uring_runtime::BuildError>(())
/// ```
#[must_use = "the permits go back when this is dropped"]
#[derive(Debug)]
pub struct OwnedSemaphorePermit {
    semaphore: Rc<Semaphore>,
    permits: u32,
}

impl OwnedSemaphorePermit {
    permit_methods!();

    /// Takes so many permits out into a guard of their own, if there are so many.
    pub fn split(&mut self, permits: usize) -> Option<Self> {
        let taken = u32::try_from(permits).ok()?;
        self.permits = self.permits.checked_sub(taken)?;
        Some(Self { semaphore: Rc::clone(&self.semaphore), permits: taken })
    }

    /// The semaphore.
    #[must_use]
    pub fn semaphore(&self) -> &Rc<Semaphore> {
        &self.semaphore
    }
}

impl Drop for OwnedSemaphorePermit {
    fn drop(&mut self) {
        self.semaphore.permits.give(self.permits as usize);
    }
}

/// The semaphore is closed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct AcquireError(());

impl fmt::Display for AcquireError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("the semaphore is closed")
    }
}

impl Error for AcquireError {}

impl From<Closed> for AcquireError {
    fn from(_: Closed) -> Self {
        Self(())
    }
}

/// Why [`Semaphore::try_acquire`] got nothing.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum TryAcquireError {
    /// The semaphore is closed.
    Closed,
    /// There are too few permits, or somebody waits who came before.
    NoPermits,
}

impl fmt::Display for TryAcquireError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Closed => "the semaphore is closed",
            Self::NoPermits => "no permits are free",
        })
    }
}

impl Error for TryAcquireError {}

impl From<Refused> for TryAcquireError {
    fn from(refused: Refused) -> Self {
        match refused {
            Refused::Closed => Self::Closed,
            Refused::TooFew => Self::NoPermits,
        }
    }
}
