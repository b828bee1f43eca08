//! A channel for the latest value: receivers see what it is now, and learn that it has changed, not how often.
//!
//! # Borrows
//!
//! A borrow ([`Ref`]) holds the value that was current when it was made. While one is alive, [`Sender::send`] puts a new
//! value in place of the borrowed one; to change the value in place ([`Sender::send_modify`] and its like) needs it alone
//! and panics. So borrows are to be short, and are not to be held across an await. In tokio such a call waits, which on
//! one thread would be for ever.

mod receiver;
mod sender;
mod shared;

pub mod error;

pub use receiver::Receiver;
pub use sender::Sender;
pub use shared::Ref;

/// A channel with this value in it.
///
/// # Examples
///
/// ```
/// use uring_runtime::local::watch;
///
/// # uring_runtime::Builder::new().build()?.block_on(async {
/// let (limit, mut watching) = watch::channel(10);
/// drop(uring_runtime::task::spawn(async move { limit.send(20) }));
/// watching.changed().await.expect("it changes before its sender is dropped");
/// assert_eq!(*watching.borrow_and_update(), 20);
/// assert!(watching.changed().await.is_err());
/// # });
/// # Ok::<(), uring_runtime::BuildError>(())
/// ```
pub fn channel<T>(init: T) -> (Sender<T>, Receiver<T>) {
    let sender = Sender::new(init);
    let receiver = sender.subscribe();
    (sender, receiver)
}
