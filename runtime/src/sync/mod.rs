//! Channels between cores, threads and executors.
//!
//! | to | take |
//! |---|---|
//! | send many values from many threads to one | [`mpsc`] |
//! | send many values from one thread to one | [`spsc`] |
//! | let each core of a service send to each other | [`mesh`] |
//! | send one value, such as an answer | [`oneshot`] |
//! | tell tasks to stop | [`CancellationToken`] |
//! | start something on another core | [`Handle::spawn`](crate::Handle::spawn) |
//! | broadcast, watch, notify, limit between cores | `tokio::sync` with default features off: it needs no tokio runtime |
//!
//! Within one core [`local`](crate::local) costs less. Everything here wakes through wakers: a core that is awake takes the
//! wake in its next turn without a system call, and one that sleeps is woken by its ring. So both ends may be on cores that
//! were launched together, on runtimes that know nothing of each other, or in another executor.

mod channel;
mod error;
mod line;
mod patience;
mod prims;
mod sleeper;
mod slots;
mod token;

pub mod mesh;
pub mod mpsc;
pub mod oneshot;
pub mod spsc;

pub use error::{RecvError, SendError, TryRecvError, TrySendError};
pub use token::{CancellationToken, Cancelled, DropGuard};
