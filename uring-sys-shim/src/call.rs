//! The synchronous leftovers: system calls that have no submission entry on the supported kernels.
//!
//! They go through [`Ring::call`](crate::Ring::call), so that a ring that is not the kernel's answers them too.

use std::io;
use std::net::SocketAddr;
use std::os::fd::{AsRawFd, BorrowedFd, OwnedFd};

use nix::fcntl::OFlag;
use nix::sys::eventfd::{EfdFlags, EventFd};
use nix::sys::socket::sockopt;
use nix::sys::socket::{
    self, AddressFamily, Backlog, Shutdown, SockFlag, SockType, SockaddrLike, SockaddrStorage,
};
use nix::time::ClockId;

use crate::incoming;

/// A system call to make now.
#[derive(Debug)]
#[non_exhaustive]
pub enum Call<'a> {
    /// A TCP socket of the address's family, close-on-exec. Answered by [`Reply::Descriptor`].
    TcpSocket(SocketAddr),
    /// `bind(2)`.
    Bind(BorrowedFd<'a>, SocketAddr),
    /// `listen(2)` with a backlog, which the kernel clamps to `net.core.somaxconn`.
    Listen(BorrowedFd<'a>, i32),
    /// `setsockopt(2)`.
    Set(BorrowedFd<'a>, SocketOption),
    /// `shutdown(2)` of the sending side.
    ShutDown(BorrowedFd<'a>),
    /// `getsockname(2)`. Answered by [`Reply::Address`].
    LocalAddress(BorrowedFd<'a>),
    /// `getpeername(2)`. Answered by [`Reply::Address`].
    PeerAddress(BorrowedFd<'a>),
    /// `getsockopt(2)` of `TCP_NODELAY`. Answered by [`Reply::Flag`].
    NoDelay(BorrowedFd<'a>),
    /// `eventfd(2)`, close-on-exec. Answered by [`Reply::Descriptor`].
    EventFd,
    /// `pipe2(2)`, close-on-exec. Answered by [`Reply::Pipe`].
    Pipe,
    /// `PR_SET_TIMERSLACK` of `prctl(2)`: by how many nanoseconds the kernel may let this thread's timers be late.
    /// Answered by [`Reply::Nanos`], the slack before.
    TimerSlack(u64),
}

/// A socket option and its value.
#[derive(Clone, Copy, Debug)]
#[non_exhaustive]
pub enum SocketOption {
    /// `SO_REUSEADDR`.
    ReuseAddress(bool),
    /// `SO_REUSEPORT`.
    ReusePort(bool),
    /// `TCP_NODELAY`.
    NoDelay(bool),
    /// `SO_INCOMING_CPU`: the processor whose connections the socket is to take.
    IncomingCpu(usize),
}

/// What a [`Call`] brought.
#[derive(Debug)]
#[non_exhaustive]
pub enum Reply {
    /// It was done.
    Done,
    /// A new descriptor.
    Descriptor(OwnedFd),
    /// The ends of a pipe: to read from, and to write to.
    Pipe(OwnedFd, OwnedFd),
    /// An address.
    Address(SocketAddr),
    /// An option that is on or off.
    Flag(bool),
    /// A duration in nanoseconds.
    Nanos(u64),
}

/// Rings the bell of a core that sleeps: adds 1 to its eventfd. Callable from any thread, which is why it does not
/// go through a ring.
///
/// # Errors
///
/// The errno of `write(2)`; `EAGAIN` cannot happen, because a blocking eventfd at its maximum blocks.
pub fn notify(bell: BorrowedFd<'_>) -> io::Result<()> {
    let written = nix::unistd::write(bell, &1u64.to_ne_bytes())?;
    debug_assert_eq!(written, 8, "an eventfd takes 8 bytes at once");
    Ok(())
}

/// A socket address as the kernel reads it. It must live on the heap while an operation points to it.
#[derive(Debug)]
pub struct RawAddress(SockaddrStorage);

impl RawAddress {
    /// Where the address is.
    #[must_use]
    pub fn address(&self) -> u64 {
        self.0.as_ptr().expose_provenance() as u64
    }

    /// How many bytes it has.
    #[must_use]
    pub fn bytes(&self) -> u32 {
        self.0.len()
    }
}

impl From<SocketAddr> for RawAddress {
    fn from(address: SocketAddr) -> Self {
        Self(SockaddrStorage::from(address))
    }
}

pub(crate) fn make(call: Call<'_>) -> io::Result<Reply> {
    Ok(match call {
        Call::TcpSocket(address) => Reply::Descriptor(tcp_socket(&address)?),
        Call::Bind(fd, address) => {
            socket::bind(fd.as_raw_fd(), &SockaddrStorage::from(address))?;
            Reply::Done
        }
        Call::Listen(fd, backlog) => {
            socket::listen(&fd, Backlog::new(backlog)?)?;
            Reply::Done
        }
        Call::Set(fd, option) => {
            set(fd, option)?;
            Reply::Done
        }
        Call::ShutDown(fd) => {
            socket::shutdown(fd.as_raw_fd(), Shutdown::Write)?;
            Reply::Done
        }
        Call::LocalAddress(fd) => Reply::Address(inet(&socket::getsockname(fd.as_raw_fd())?)?),
        Call::PeerAddress(fd) => Reply::Address(inet(&socket::getpeername(fd.as_raw_fd())?)?),
        Call::NoDelay(fd) => Reply::Flag(socket::getsockopt(&fd, sockopt::TcpNoDelay)?),
        Call::TimerSlack(nanos) => {
            let before = nix::sys::prctl::get_timerslack()?;
            nix::sys::prctl::set_timerslack(nanos)?;
            Reply::Nanos(before as u64)
        }
        Call::Pipe => {
            let (reader, writer) = nix::unistd::pipe2(OFlag::O_CLOEXEC)?;
            Reply::Pipe(reader, writer)
        }
        Call::EventFd => Reply::Descriptor(EventFd::from_flags(EfdFlags::EFD_CLOEXEC)?.into()),
    })
}

fn tcp_socket(address: &SocketAddr) -> nix::Result<OwnedFd> {
    let family = if address.is_ipv4() { AddressFamily::Inet } else { AddressFamily::Inet6 };
    socket::socket(family, SockType::Stream, SockFlag::SOCK_CLOEXEC, None)
}

fn set(fd: BorrowedFd<'_>, option: SocketOption) -> nix::Result<()> {
    match option {
        SocketOption::ReuseAddress(on) => socket::setsockopt(&fd, sockopt::ReuseAddr, &on),
        SocketOption::ReusePort(on) => socket::setsockopt(&fd, sockopt::ReusePort, &on),
        SocketOption::NoDelay(on) => socket::setsockopt(&fd, sockopt::TcpNoDelay, &on),
        SocketOption::IncomingCpu(cpu) => incoming::set(fd, cpu),
    }
}

fn inet(address: &SockaddrStorage) -> io::Result<SocketAddr> {
    let v4 = address.as_sockaddr_in().map(|v4| SocketAddr::V4((*v4).into()));
    let v6 = || address.as_sockaddr_in6().map(|v6| SocketAddr::V6((*v6).into()));
    v4.or_else(v6)
        .ok_or_else(|| io::Error::new(io::ErrorKind::InvalidInput, "not an address of IPv4 or IPv6"))
}

/// `CLOCK_MONOTONIC`, the clock of the kernel's ring, in nanoseconds.
#[must_use]
#[allow(clippy::missing_panics_doc, reason = "cannot fail")]
pub fn monotonic_nanos() -> u64 {
    let now = ClockId::CLOCK_MONOTONIC.now().expect("invariant: every kernel has CLOCK_MONOTONIC");
    now.tv_sec() as u64 * 1_000_000_000 + now.tv_nsec() as u64
}
