//! TCP for `uring`: listeners and streams that own their operations.
//!
//! An armed receive or accept, and what it brought, belongs to the stream or listener and not to the future that
//! waits. So dropping a waiting `read`, `recv` or `accept`, by a timeout or a `select!`, loses no byte, no
//! connection and no descriptor.
#![forbid(unsafe_code)]

mod address;
mod listener;
mod split;
mod stream;

pub use address::ToSocketAddrs;
pub use listener::{TcpListener, TcpListenerOptions};
pub use split::{OwnedReadHalf, OwnedWriteHalf, ReuniteError};
pub use stream::{DetachedTcpStream, TcpStream};

/// What is in the error of an `accept` when the runtime shuts down.
pub use uring_runtime::io::ShutDown;
