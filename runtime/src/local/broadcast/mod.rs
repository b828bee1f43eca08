//! A channel that gives each value to each receiver, once.
//!
//! It keeps so many values as it has room for. A receiver that is slower than that misses the oldest ones and is told
//! how many; the sender never waits. A value is cloned for each receiver but the last.

mod receiver;
mod ring;
mod sender;

pub mod error;

pub use receiver::Receiver;
pub use sender::Sender;

/// A channel that keeps so many values for its slowest receiver.
///
/// # Panics
///
/// When the capacity is 0: a channel hands values over by keeping them.
///
/// # Examples
///
/// ```
/// use uring_runtime::local::broadcast::{self, error::RecvError};
///
/// # uring_runtime::Builder::new().build()?.block_on(async {
/// let (tx, mut one) = broadcast::channel(2);
/// let mut two = tx.subscribe();
/// tx.send("a").expect("there are receivers");
/// tx.send("b").expect("there are receivers");
/// assert_eq!(one.recv().await, Ok("a"));
/// tx.send("c").expect("there are receivers");
/// assert_eq!(one.recv().await, Ok("b"));
/// assert_eq!(two.recv().await, Err(RecvError::Lagged(1)));
/// assert_eq!(two.recv().await, Ok("b"));
/// # });
/// # Ok::<(), uring_runtime::BuildError>(())
/// ```
#[track_caller]
pub fn channel<T: Clone>(capacity: usize) -> (Sender<T>, Receiver<T>) {
    let sender = Sender::new(capacity);
    let receiver = sender.subscribe();
    (sender, receiver)
}
