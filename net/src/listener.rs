//! A TCP socket that listens.

use std::io;
use std::net::SocketAddr;
use std::os::fd::{AsFd, AsRawFd, BorrowedFd, RawFd};

use uring_runtime::io::{Acceptor, Option, Socket};

use crate::address::first;
use crate::{TcpStream, ToSocketAddrs};

/// How many connections the kernel keeps that nobody has accepted, unless said. The kernel clamps it to
/// `net.core.somaxconn`.
const BACKLOG: i32 = 4096;

/// A TCP socket that listens for connections.
///
/// ```no_run
/// # async fn demo() -> std::io::Result<()> {
/// use uring_net::TcpListener;
///
/// let listener = TcpListener::bind("127.0.0.1:7000").await?;
/// let (stream, peer) = listener.accept().await?;
/// # Ok(())
/// # }
/// ```
pub struct TcpListener {
    socket: Socket,
    acceptor: Acceptor,
}

/// How a listener is bound.
#[derive(Clone, Copy, Debug)]
pub struct TcpListenerOptions {
    backlog: i32,
    reuse_port: bool,
    incoming_cpu: bool,
}

impl Default for TcpListenerOptions {
    fn default() -> Self {
        Self { backlog: BACKLOG, reuse_port: false, incoming_cpu: false }
    }
}

impl TcpListenerOptions {
    /// The defaults: a backlog of 4,096 connections, and a port of its own.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// How many connections the kernel keeps that nobody has accepted.
    #[must_use]
    pub fn backlog(mut self, connections: i32) -> Self {
        self.backlog = connections;
        self
    }

    /// Whether other sockets of this user may listen on the same port (`SO_REUSEPORT`): the kernel spreads
    /// connections over them.
    #[must_use]
    pub fn reuse_port(mut self, on: bool) -> Self {
        self.reuse_port = on;
        self
    }

    /// As [`reuse_port`](TcpListenerOptions::reuse_port), and among the cores of one service each takes the connections that
    /// its own processor receives, where there are any (`SO_INCOMING_CPU`). It pays where the network card spreads
    /// connections over the processors; where one processor receives all, its core gets all.
    #[must_use]
    pub fn incoming_cpu(mut self, on: bool) -> Self {
        self.incoming_cpu = on;
        self
    }

    /// Binds and listens.
    ///
    /// # Errors
    ///
    /// As [`TcpListener::bind`].
    ///
    /// # Cancel safety
    ///
    /// Nothing is left behind when the future is dropped.
    pub async fn bind(self, address: impl ToSocketAddrs) -> io::Result<TcpListener> {
        first(address, async |address| {
            let socket = Socket::tcp(address)?;
            socket.set(Option::ReuseAddress(true))?;
            if self.reuse_port || self.incoming_cpu {
                socket.set(Option::ReusePort(true))?;
            }
            if let Some(cpu) = uring_runtime::core().cpu.filter(|_| self.incoming_cpu) {
                socket.set(Option::IncomingCpu(cpu))?;
            }
            socket.bind(address)?;
            socket.listen(self.backlog)?;
            Ok(TcpListener::of(socket))
        })
        .await
    }

    /// Binds and listens on each core of a service, at one and the same address, and the kernel spreads connections over the
    /// cores: for the main future of each core. Port 0 takes a port that is free, the same for all.
    ///
    /// The first core to come binds to the address, and the others to where that was, with `SO_REUSEPORT`. Several listeners
    /// are made in the same order on each core. On one core alone, launched or not, it is [`bind`](TcpListenerOptions::bind),
    /// which has the port to itself; on several, other programs of this user that set `SO_REUSEPORT`, too, can take part of the
    /// connections.
    ///
    /// ```no_run
    /// # fn main() -> Result<(), Box<dyn std::error::Error>> {
    /// use uring_net::TcpListenerOptions;
    /// use uring_runtime::{Builder, Cores};
    ///
    /// Builder::new().cores(Cores::All).run(|| async {
    ///     let listener = TcpListenerOptions::new().bind_per_core("127.0.0.1:0").await?;
    ///     let accepted = listener.accept().await?;
    ///     # drop(accepted);
    ///     std::io::Result::Ok(())
    /// })?;
    /// # Ok(())
    /// # }
    /// ```
    ///
    /// # Errors
    ///
    /// As [`TcpListener::bind`]. When the first core cannot bind, the others get an error of the same kind, whose source is
    /// that core's error; when the service shuts down while they wait for it, [`ShutDown`](crate::ShutDown).
    ///
    /// # Panics
    ///
    /// Outside of a runtime.
    ///
    /// # Cancel safety
    ///
    /// Nothing is left behind when the future is dropped. When it was the first, the others get an error.
    pub async fn bind_per_core(self, address: impl ToSocketAddrs) -> io::Result<TcpListener> {
        let options = if uring_runtime::core().count > 1 { self.reuse_port(true) } else { self };
        let bind = async |addresses: &[SocketAddr]| {
            let listener = options.bind(addresses).await?;
            let bound = listener.local_addr()?;
            Ok((listener, bound))
        };
        uring_runtime::bind_together(&address.to_addrs()?, bind).await
    }
}

impl TcpListener {
    fn of(socket: Socket) -> Self {
        Self { acceptor: Acceptor::new(socket.fd().clone()), socket }
    }

    /// Binds to an address and listens. Port 0 takes a free one: see [`local_addr`](TcpListener::local_addr).
    ///
    /// `SO_REUSEADDR` is set, so that a server can be started again at once.
    ///
    /// # Errors
    ///
    /// The errno of the last address that was tried, such as `EADDRINUSE` or `EACCES`; `InvalidInput` when the text
    /// is no address.
    ///
    /// # Panics
    ///
    /// Outside of a runtime.
    ///
    /// # Cancel safety
    ///
    /// Nothing is left behind when the future is dropped.
    pub async fn bind(address: impl ToSocketAddrs) -> io::Result<Self> {
        TcpListenerOptions::new().bind(address).await
    }

    /// Takes over a listener that was made elsewhere, such as one that systemd has passed. Whether it is
    /// non-blocking does not matter.
    ///
    /// # Errors
    ///
    /// The errno of `fcntl(2)`.
    ///
    /// # Panics
    ///
    /// Outside of a runtime.
    pub fn from_std(listener: std::net::TcpListener) -> io::Result<Self> {
        // A non-blocking descriptor would make older kernels answer EAGAIN instead of waiting.
        listener.set_nonblocking(false)?;
        Ok(Self::of(Socket::from_owned(listener.into())))
    }

    /// Waits for a connection, and gives it with its peer's address.
    ///
    /// # Errors
    ///
    /// The errno of `accept4(2)`. Peers that have given up while they waited are passed over.
    ///
    /// When descriptors or memory are short (`EMFILE`, `ENFILE`, `ENOBUFS`, `ENOMEM`), the error is given at most once a
    /// second, to be logged: go on accepting, in a loop as it stands. It tries again by itself, 1 ms later at first and
    /// 100 ms at most, and connections wait in the kernel's backlog until then; none is closed to make room.
    ///
    /// When the runtime shuts down, the error is [`ShutDown`](crate::ShutDown), after the connections that were accepted
    /// before.
    ///
    /// # Cancel safety
    ///
    /// Dropping the future loses no connection: the next `accept` gets it.
    ///
    /// # Kernel
    ///
    /// `IORING_OP_ACCEPT`, one submission for many connections (5.19). With 128 connections waiting in the listener the
    /// kernel is told to stop: those that it hands over until then still come, the others wait in its backlog. The limit of
    /// descriptors (`RLIMIT_NOFILE`) counts as it was when the operation was submitted.
    pub async fn accept(&self) -> io::Result<(TcpStream, SocketAddr)> {
        loop {
            let socket = Socket::from_fd(self.acceptor.accept().await?);
            match socket.peer_addr() {
                Ok(peer) => return Ok((TcpStream::of(socket), peer)),
                // The peer has reset the connection already.
                Err(error) if error.kind() == io::ErrorKind::NotConnected => {}
                Err(error) => return Err(error),
            }
        }
    }

    /// The address that it listens on.
    ///
    /// # Errors
    ///
    /// The errno of `getsockname(2)`.
    pub fn local_addr(&self) -> io::Result<SocketAddr> {
        self.socket.local_addr()
    }
}

impl AsFd for TcpListener {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.socket.fd().as_fd()
    }
}

impl AsRawFd for TcpListener {
    fn as_raw_fd(&self) -> RawFd {
        self.socket.fd().as_raw_fd()
    }
}

impl std::fmt::Debug for TcpListener {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("TcpListener").field("fd", &self.as_raw_fd()).finish()
    }
}
