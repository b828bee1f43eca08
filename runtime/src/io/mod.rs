//! Sockets' operations, owned by the socket.
//!
//! An armed receive or accept, and what it brought that nobody has taken yet, lives here and not in the future that
//! waits: a future is only a place in the line. So a dropped `recv`, `read` or `accept` loses nothing.

mod acceptor;
mod fd;
mod line;
mod parcel;
mod read;
mod receiver;
mod sender;
mod shortage;
mod socket;
mod zero_copy;

pub use acceptor::{Acceptor, ShutDown};
pub use fd::Fd;
pub use parcel::Parcel;
pub use read::{Read, ReadExact};
pub use receiver::{Receiver, Recv};
pub use sender::{Sender, Write, WriteAll};
pub use socket::{Option, Socket};
pub use zero_copy::WriteAllZeroCopy;

pub(crate) use acceptor::Backlog;
pub(crate) use receiver::Inlet;
pub(crate) use sender::Outlet;
