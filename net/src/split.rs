//! The two halves of a connection.

use std::io;
use std::net::SocketAddr;

use uring_runtime::buf::{BufResult, IoBuf, IoBufMut, RecvBuf};
use uring_runtime::io::{Receiver, Sender, Socket};

use crate::TcpStream;

/// The half of a connection that reads. Dropping it leaves the other half as it is.
pub struct OwnedReadHalf {
    socket: Socket,
    receiver: Receiver,
}

/// The half of a connection that writes. Dropping it ends the sending side, after the writes that have begun.
pub struct OwnedWriteHalf {
    socket: Socket,
    /// Gone when the halves were put together again.
    sender: Option<Sender>,
}

impl OwnedReadHalf {
    pub(crate) fn of(stream: TcpStream) -> (Self, OwnedWriteHalf) {
        let TcpStream { socket, receiver, sender } = stream;
        (Self { socket: socket.clone(), receiver }, OwnedWriteHalf { socket, sender: Some(sender) })
    }

    /// As [`TcpStream::recv`].
    ///
    /// # Errors
    ///
    /// As [`TcpStream::recv`].
    ///
    /// # Cancel safety
    ///
    /// As [`TcpStream::recv`].
    pub fn recv(&self) -> impl Future<Output = io::Result<RecvBuf>> + use<'_> {
        self.receiver.recv()
    }

    /// As [`TcpStream::read`].
    ///
    /// # Cancel safety
    ///
    /// As [`TcpStream::read`].
    pub fn read<B: IoBufMut>(&self, buf: B) -> impl Future<Output = BufResult<usize, B>> + use<'_, B> {
        self.receiver.read(buf)
    }

    /// As [`TcpStream::read_exact`].
    ///
    /// # Cancel safety
    ///
    /// As [`TcpStream::read_exact`].
    pub fn read_exact<B: IoBufMut>(&self, buf: B) -> impl Future<Output = BufResult<(), B>> + use<'_, B> {
        self.receiver.read_exact(buf)
    }

    /// The peer's address.
    ///
    /// # Errors
    ///
    /// The errno of `getpeername(2)`.
    pub fn peer_addr(&self) -> io::Result<SocketAddr> {
        self.socket.peer_addr()
    }

    /// The own address.
    ///
    /// # Errors
    ///
    /// The errno of `getsockname(2)`.
    pub fn local_addr(&self) -> io::Result<SocketAddr> {
        self.socket.local_addr()
    }

    /// Puts the two halves of one connection together again.
    ///
    /// # Errors
    ///
    /// Both halves, when they are of different connections.
    pub fn reunite(self, mut write: OwnedWriteHalf) -> Result<TcpStream, ReuniteError> {
        use std::os::fd::AsRawFd;
        if self.socket.fd().as_raw_fd() != write.socket.fd().as_raw_fd() {
            return Err(ReuniteError(self, write));
        }
        match write.sender.take() {
            Some(sender) => Ok(TcpStream { socket: self.socket, receiver: self.receiver, sender }),
            None => Err(ReuniteError(self, write)),
        }
    }
}

impl OwnedWriteHalf {
    fn sender(&self) -> &Sender {
        self.sender.as_ref().expect("invariant: a half has its sender until it is dropped or reunited")
    }

    /// As [`TcpStream::write`].
    ///
    /// # Cancel safety
    ///
    /// As [`TcpStream::write`].
    pub fn write<B: IoBuf>(&self, buf: B) -> impl Future<Output = BufResult<usize, B>> + use<'_, B> {
        self.sender().write(buf)
    }

    /// As [`TcpStream::write_all`].
    ///
    /// # Cancel safety
    ///
    /// As [`TcpStream::write_all`].
    pub fn write_all<B: IoBuf>(&self, buf: B) -> impl Future<Output = BufResult<(), B>> + use<'_, B> {
        self.sender().write_all(buf)
    }

    /// As [`TcpStream::write_all_zero_copy`].
    ///
    /// # Cancel safety
    ///
    /// As [`TcpStream::write_all_zero_copy`].
    pub fn write_all_zero_copy<B: IoBuf>(
        &self,
        buf: B,
    ) -> impl Future<Output = BufResult<(), B>> + use<'_, B> {
        self.sender().write_all_zero_copy(buf)
    }

    /// As [`TcpStream::shutdown`].
    ///
    /// # Errors
    ///
    /// As [`TcpStream::shutdown`].
    ///
    /// # Cancel safety
    ///
    /// As [`TcpStream::shutdown`].
    pub async fn shutdown(&self) -> io::Result<()> {
        self.sender().shutdown().await
    }

    /// The peer's address.
    ///
    /// # Errors
    ///
    /// The errno of `getpeername(2)`.
    pub fn peer_addr(&self) -> io::Result<SocketAddr> {
        self.socket.peer_addr()
    }

    /// The own address.
    ///
    /// # Errors
    ///
    /// The errno of `getsockname(2)`.
    pub fn local_addr(&self) -> io::Result<SocketAddr> {
        self.socket.local_addr()
    }
}

impl Drop for OwnedWriteHalf {
    fn drop(&mut self) {
        if let Some(sender) = self.sender.take() {
            sender.end();
        }
    }
}

/// The halves are of different connections. They are in here.
#[derive(Debug)]
pub struct ReuniteError(pub OwnedReadHalf, pub OwnedWriteHalf);

impl std::fmt::Display for ReuniteError {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("the two halves are not of the same connection")
    }
}

impl std::error::Error for ReuniteError {}

impl std::fmt::Debug for OwnedReadHalf {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("OwnedReadHalf").field("fd", self.socket.fd()).finish()
    }
}

impl std::fmt::Debug for OwnedWriteHalf {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("OwnedWriteHalf").field("fd", self.socket.fd()).finish()
    }
}
