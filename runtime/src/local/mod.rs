//! Channels and synchronisation between the tasks of one core, with the names and the meaning of `tokio::sync`.
//!
//! Nothing here is `Send`, and nothing needs an atomic. No runtime is needed either: everything works with any executor
//! that runs on one thread.
//!
//! # Which one when
//!
//! | you want to | take |
//! |---|---|
//! | hand one value over, once | [`oneshot`] |
//! | hand values over, and slow the senders down when they are too fast | [`mpsc::channel`] |
//! | the same where something else bounds what is sent | [`mpsc::unbounded_channel`] |
//! | show the latest value, such as a configuration | [`watch`] |
//! | give each value to each of many receivers, and let slow ones miss some | [`broadcast`] |
//! | say that something has happened, without a value | [`Notify`] |
//! | let at most so many do something at once | [`Semaphore`] |
//! | change a value over an await | [`Mutex`] |
//! | the same, where most only read | [`RwLock`] |
//! | change a value without an await in between | `std::cell::RefCell` or `Cell`: cheaper, and no wait |
//! | wait for a task's output | [`JoinHandle`](crate::task::JoinHandle) |
//! | initialise something once | `std::cell::OnceCell` |
//! | talk to another thread or core | a channel that is `Send`, such as those of `tokio::sync`: wakers may cross threads |
//!
//! # What holds for all
//!
//! * Who waits is served in the order of coming, and a newcomer does not overtake. (`watch` and `broadcast` call all at
//!   once, in that order.)
//! * A future that is dropped leaves the line at once. What it was handed goes to the next: nothing is lost.
//! * Closing wakes everybody who waits, on both sides.
//! * Wakers, drops and clones of values may use the same channel or lock: it is in order whenever they run. What they
//!   panic with while a receiver is dropped, or in a waker, goes no further.

mod line;
mod permits;
mod seat;
mod until;

mod mutex;
mod notify;
mod rwlock;
mod semaphore;

pub mod broadcast;
pub mod mpsc;
pub mod oneshot;
pub mod watch;

pub use mutex::{Mutex, MutexGuard, OwnedMutexGuard, TryLockError};
pub use notify::{Notified, Notify};
pub use rwlock::{OwnedRwLockReadGuard, OwnedRwLockWriteGuard, RwLock, RwLockReadGuard, RwLockWriteGuard};
pub use semaphore::{AcquireError, OwnedSemaphorePermit, Semaphore, SemaphorePermit, TryAcquireError};
