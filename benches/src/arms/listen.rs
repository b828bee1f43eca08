//! How servers listen: alone, or several of them on one port. It knows no arm.

use std::net::{SocketAddr, TcpListener};
use std::os::fd::{AsRawFd, OwnedFd};

use nix::sys::socket::{
    AddressFamily, Backlog, SockFlag, SockType, SockaddrStorage, bind, getsockname, listen, setsockopt,
    socket, sockopt::ReusePort,
};

use crate::Result;

/// As many as the runtime's listeners take at once; the standard library's is 128.
const BACKLOG: i32 = 4096;

/// A listener with a port of its own.
pub(super) fn listen_on(addr: SocketAddr) -> Result<TcpListener> {
    let listener = TcpListener::bind(addr)?;
    listen(&listener, Backlog::new(BACKLOG)?)?;
    Ok(listener)
}

/// One of several listeners on one port, over which the kernel spreads connections.
pub(super) fn listen_beside_others(addr: SocketAddr) -> Result<TcpListener> {
    let socket = bound(addr)?;
    listen(&socket, Backlog::new(BACKLOG)?)?;
    Ok(TcpListener::from(socket))
}

/// A port that is kept for several listeners. It takes no connection itself.
pub(super) struct Port {
    addr: SocketAddr,
    _kept: OwnedFd,
}

impl Port {
    /// The address's port, or one of the kernel's choice for 0.
    pub(super) fn keep(mut addr: SocketAddr) -> Result<Self> {
        let kept = bound(addr)?;
        let bound: SockaddrStorage = getsockname(kept.as_raw_fd())?;
        let port = bound.as_sockaddr_in().map(nix::sys::socket::SockaddrIn::port);
        let port = port.or_else(|| Some(bound.as_sockaddr_in6()?.port()));
        addr.set_port(port.ok_or("a socket is bound to no port")?);
        Ok(Self { addr, _kept: kept })
    }

    pub(super) fn addr(&self) -> SocketAddr {
        self.addr
    }
}

fn bound(addr: SocketAddr) -> Result<OwnedFd> {
    let family = if addr.is_ipv4() { AddressFamily::Inet } else { AddressFamily::Inet6 };
    let socket = socket(family, SockType::Stream, SockFlag::SOCK_CLOEXEC, None)?;
    setsockopt(&socket, ReusePort, &true)?;
    bind(socket.as_raw_fd(), &SockaddrStorage::from(addr))?;
    Ok(socket)
}

#[cfg(test)]
mod tests {
    use std::net::TcpStream;

    use super::{Port, listen_beside_others};

    #[test]
    fn a_port_that_is_kept_takes_listeners_and_no_connection() {
        let port = Port::keep("127.0.0.1:0".parse().expect("an address")).expect("a free port");
        assert_ne!(port.addr().port(), 0);
        TcpStream::connect(port.addr()).expect_err("nobody listens");
        let listeners = [(); 2].map(|()| listen_beside_others(port.addr()).expect("beside the others"));
        let client = TcpStream::connect(port.addr()).expect("somebody listens");
        assert_eq!(listeners[0].local_addr().ok(), client.peer_addr().ok());
    }
}
