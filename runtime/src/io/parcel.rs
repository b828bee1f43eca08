//! A connection on its way from one core to another.
//!
//! It holds the descriptor, and what the kernel has handed over that nobody has read: everything else stays in the kernel
//! and comes to whoever receives next. It belongs to no core, so it is `Send`.

use std::io;
use std::os::fd::OwnedFd;

use super::receiver::Received;
use super::{Receiver, Sender, Socket};

/// A connection without a core. Dropping it closes the connection.
#[derive(Debug)]
pub struct Parcel {
    fd: OwnedFd,
    received: Received,
}

impl Parcel {
    /// Takes a connection off its core: after the writes that have begun, and with every byte that has arrived.
    ///
    /// # Errors
    ///
    /// When the descriptor was taken already.
    ///
    /// # Cancel safety
    ///
    /// Dropping the future closes the connection.
    pub async fn pack(socket: Socket, receiver: Receiver, sender: Sender) -> io::Result<Self> {
        let received = receiver.part().await;
        sender.drained().await;
        let fd = socket.into_owned().await;
        let fd = fd.ok_or_else(|| io::Error::other("the socket was closed meanwhile"))?;
        Ok(Self { fd, received })
    }

    /// Puts the connection on the current core.
    ///
    /// # Panics
    ///
    /// Outside of a runtime.
    #[must_use]
    pub fn unpack(self) -> (Socket, Receiver, Sender) {
        let socket = Socket::from_owned(self.fd);
        let receiver = Receiver::resume(socket.fd().clone(), &self.received);
        let sender = Sender::new(socket.fd().clone());
        (socket, receiver, sender)
    }
}
