//! Sockets before they stream: making, binding, connecting, options and names.

use std::io;
use std::net::SocketAddr;
use std::os::fd::{AsFd, OwnedFd};

use uring_sys_shim::{Call, RawAddress, Reply, SocketOption};

use super::Fd;
use crate::core::Core;
use crate::op::Op;
use crate::op::connect::Connect;

/// An option of a socket.
#[derive(Clone, Copy, Debug)]
#[non_exhaustive]
pub enum Option {
    /// `SO_REUSEADDR`: bind although old connections linger.
    ReuseAddress(bool),
    /// `SO_REUSEPORT`: several sockets share one port.
    ReusePort(bool),
    /// `TCP_NODELAY`: send at once instead of collecting.
    NoDelay(bool),
    /// `SO_INCOMING_CPU`: of the sockets that share a port, this one takes the connections that this processor receives.
    IncomingCpu(usize),
}

/// A socket and the core that it belongs to.
#[derive(Clone, Debug)]
pub struct Socket(Fd);

impl Socket {
    /// A TCP socket for the family of `address`, on the current core.
    ///
    /// # Errors
    ///
    /// The errno of `socket(2)`, such as `EMFILE`.
    ///
    /// # Panics
    ///
    /// Outside of a runtime.
    pub fn tcp(address: SocketAddr) -> io::Result<Self> {
        let core = Core::current();
        let made = core.call(Call::TcpSocket(address)).or_else(|error| match error.raw_os_error() {
            // Descriptors that were dropped in this turn may still wait to be closed.
            Some(libc::EMFILE | libc::ENFILE) => {
                core.wind_up();
                core.call(Call::TcpSocket(address))
            }
            _ => Err(error),
        });
        match made? {
            Reply::Descriptor(fd) => Ok(Self(Fd::new(&core, fd))),
            other => Err(unexpected(&other)),
        }
    }

    /// A socket that somebody else has made, on the current core.
    ///
    /// # Panics
    ///
    /// Outside of a runtime.
    #[must_use]
    pub fn from_owned(fd: OwnedFd) -> Self {
        Self(Fd::new(&Core::current(), fd))
    }

    /// A socket of a descriptor that is on its core already.
    #[must_use]
    pub fn from_fd(fd: Fd) -> Self {
        Self(fd)
    }

    /// The descriptor.
    #[must_use]
    pub fn fd(&self) -> &Fd {
        &self.0
    }

    /// Waits until nothing uses the descriptor any more, and takes it off the core. `None` when it was closed.
    pub(super) async fn into_owned(self) -> std::option::Option<OwnedFd> {
        std::future::poll_fn(|cx| self.0.poll_take(cx)).await
    }

    /// `bind(2)`.
    ///
    /// # Errors
    ///
    /// The errno, such as `EADDRINUSE`.
    pub fn bind(&self, address: SocketAddr) -> io::Result<()> {
        let bind = || self.call(Call::Bind(self.0.as_fd(), address)).map(drop);
        bind().or_else(|error| match error.kind() {
            // A socket that was dropped in this turn may still wait to be closed.
            io::ErrorKind::AddrInUse => {
                self.0.core().wind_up();
                bind()
            }
            _ => Err(error),
        })
    }

    /// `listen(2)`.
    ///
    /// # Errors
    ///
    /// The errno, such as `EADDRINUSE`.
    pub fn listen(&self, backlog: i32) -> io::Result<()> {
        self.call(Call::Listen(self.0.as_fd(), backlog)).map(drop)
    }

    /// `shutdown(2)` of the sending side, now and not in the order of the writes.
    pub(super) fn shut_down(fd: &Fd) -> io::Result<()> {
        fd.core().call(Call::ShutDown(fd.as_fd())).map(drop)
    }

    /// `setsockopt(2)`.
    ///
    /// # Errors
    ///
    /// The errno.
    pub fn set(&self, option: Option) -> io::Result<()> {
        let option = match option {
            Option::ReuseAddress(on) => SocketOption::ReuseAddress(on),
            Option::ReusePort(on) => SocketOption::ReusePort(on),
            Option::NoDelay(on) => SocketOption::NoDelay(on),
            Option::IncomingCpu(cpu) => SocketOption::IncomingCpu(cpu),
        };
        self.call(Call::Set(self.0.as_fd(), option)).map(drop)
    }

    /// Whether `TCP_NODELAY` is on.
    ///
    /// # Errors
    ///
    /// The errno of `getsockopt(2)`.
    pub fn nodelay(&self) -> io::Result<bool> {
        match self.call(Call::NoDelay(self.0.as_fd()))? {
            Reply::Flag(on) => Ok(on),
            other => Err(unexpected(&other)),
        }
    }

    /// `getsockname(2)`.
    ///
    /// # Errors
    ///
    /// The errno.
    pub fn local_addr(&self) -> io::Result<SocketAddr> {
        address(self.call(Call::LocalAddress(self.0.as_fd()))?)
    }

    /// `getpeername(2)`.
    ///
    /// # Errors
    ///
    /// The errno, such as `ENOTCONN`.
    pub fn peer_addr(&self) -> io::Result<SocketAddr> {
        address(self.call(Call::PeerAddress(self.0.as_fd()))?)
    }

    /// `connect(2)`.
    ///
    /// # Errors
    ///
    /// The errno, such as `ECONNREFUSED`.
    ///
    /// # Cancel safety
    ///
    /// Dropping the future closes the socket, whether it is connected by then or not.
    pub async fn connect(self, to: SocketAddr) -> io::Result<Self> {
        let core = std::rc::Rc::clone(self.0.core());
        let address = Box::new(RawAddress::from(to));
        Op::new(&core, Connect { fd: self.0, address }).await.map(Self)
    }

    fn call(&self, request: Call<'_>) -> io::Result<Reply> {
        self.0.core().call(request)
    }
}

fn address(reply: Reply) -> io::Result<SocketAddr> {
    match reply {
        Reply::Address(address) => Ok(address),
        other => Err(unexpected(&other)),
    }
}

fn unexpected(reply: &Reply) -> io::Error {
    io::Error::other(format!("the ring answered a call with {reply:?}"))
}
