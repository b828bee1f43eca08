//! A TCP connection.

use std::io;
use std::net::SocketAddr;
use std::os::fd::{AsFd, AsRawFd, BorrowedFd, RawFd};

use uring_runtime::buf::{BufResult, IoBuf, IoBufMut, RecvBuf};
use uring_runtime::io::{Option, Parcel, Receiver, Sender, Socket};
use uring_runtime::{Handle, RemoteJoinHandle};

use crate::ToSocketAddrs;
use crate::address::first;
use crate::split::{OwnedReadHalf, OwnedWriteHalf};

/// A TCP connection.
///
/// Reading and writing take `&self`, so one task can read while another writes; several readers, or several
/// writers, are served in their order. Dropping it closes the connection at the end of the turn (when the task waits for
/// something), after the writes that have begun.
///
/// ```no_run
/// # async fn echo(stream: uring_net::TcpStream) -> std::io::Result<()> {
/// loop {
///     let received = stream.recv().await?;
///     if received.is_empty() {
///         return Ok(());
///     }
///     stream.write_all(received).await.into_result()?;
/// }
/// # }
/// ```
pub struct TcpStream {
    pub(crate) socket: Socket,
    pub(crate) receiver: Receiver,
    pub(crate) sender: Sender,
}

impl TcpStream {
    pub(crate) fn of(socket: Socket) -> Self {
        let fd = socket.fd();
        Self { receiver: Receiver::new(fd.clone()), sender: Sender::new(fd.clone()), socket }
    }

    /// Connects to an address, or to the first of several that answers.
    ///
    /// # Errors
    ///
    /// The errno of the last address that was tried, such as `ECONNREFUSED`; `InvalidInput` when the text is no
    /// address.
    ///
    /// # Panics
    ///
    /// Outside of a runtime.
    ///
    /// # Cancel safety
    ///
    /// Dropping the future closes the socket: no connection is left half open.
    ///
    /// # Kernel
    ///
    /// `IORING_OP_CONNECT`.
    pub async fn connect(address: impl ToSocketAddrs) -> io::Result<Self> {
        first(address, async |address| {
            let socket = Socket::tcp(address)?.connect(address).await?;
            Ok(Self::of(socket))
        })
        .await
    }

    /// Takes over a connection that was made elsewhere. Whether it is non-blocking does not matter.
    ///
    /// # Errors
    ///
    /// The errno of `fcntl(2)`.
    ///
    /// # Panics
    ///
    /// Outside of a runtime.
    pub fn from_std(stream: std::net::TcpStream) -> io::Result<Self> {
        // A non-blocking descriptor would make older kernels answer EAGAIN instead of waiting.
        stream.set_nonblocking(false)?;
        Ok(Self::of(Socket::from_owned(stream.into())))
    }

    /// Waits for bytes and gives them in a buffer of the core's pool; an empty one is the end of the stream.
    ///
    /// A connection that waits here holds no buffer. When all buffers are in use it waits in line for the next one.
    ///
    /// # Errors
    ///
    /// The errno of `recv(2)`, such as `ECONNRESET`.
    ///
    /// # Cancel safety
    ///
    /// Dropping the future loses no byte: the next read of the stream gets what arrived.
    ///
    /// # Kernel
    ///
    /// `IORING_OP_RECV`, one submission for many receives (6.0), with a ring of provided buffers (5.19).
    pub fn recv(&self) -> impl Future<Output = io::Result<RecvBuf>> + use<'_> {
        self.receiver.recv()
    }

    /// Reads into a buffer, from its beginning, and gives how many bytes that was. 0 is the end of the stream, or a
    /// buffer without room.
    ///
    /// A `Vec<u8>` is filled up to its capacity and then holds exactly what was read.
    ///
    /// # Errors
    ///
    /// As [`recv`](TcpStream::recv).
    ///
    /// # Cancel safety
    ///
    /// Dropping the future loses no byte: the next read of the stream gets what arrived. The buffer is lost.
    ///
    /// # Kernel
    ///
    /// `IORING_OP_RECV`. A buffer of more than [`recv_buffer_bytes`](uring_runtime::Builder::recv_buffer_bytes) is
    /// given to the kernel itself; a smaller one is filled by a copy, and holds no memory of the kernel's meanwhile.
    pub fn read<B: IoBufMut>(&self, buf: B) -> impl Future<Output = BufResult<usize, B>> + use<'_, B> {
        self.receiver.read(buf)
    }

    /// Fills the whole buffer: up to its capacity, for a `Vec<u8>`.
    ///
    /// # Errors
    ///
    /// As [`recv`](TcpStream::recv), and `UnexpectedEof` when the stream ends before. The buffer holds what was read.
    ///
    /// # Cancel safety
    ///
    /// Dropping the future loses no byte: what it had read goes back to the stream. The buffer is lost.
    pub fn read_exact<B: IoBufMut>(&self, buf: B) -> impl Future<Output = BufResult<(), B>> + use<'_, B> {
        self.receiver.read_exact(buf)
    }

    /// Sends what the socket takes of a buffer, and gives how many bytes that was.
    ///
    /// # Errors
    ///
    /// The errno of `send(2)`, such as `EPIPE` when the peer has closed. No signal is raised.
    ///
    /// # Cancel safety
    ///
    /// Before its turn, dropping the future sends nothing. A write that has begun is finished, unless the runtime ends,
    /// and later ones wait for it.
    ///
    /// # Kernel
    ///
    /// `IORING_OP_SEND`.
    pub fn write<B: IoBuf>(&self, buf: B) -> impl Future<Output = BufResult<usize, B>> + use<'_, B> {
        self.sender.write(buf)
    }

    /// Sends the whole buffer.
    ///
    /// # Errors
    ///
    /// As [`write`](TcpStream::write).
    ///
    /// # Cancel safety
    ///
    /// Before its turn, dropping the future sends nothing. A write that has begun is finished, whole, unless the runtime
    /// ends, and later ones wait for it: the peer sees no torn message but before the end of the stream.
    ///
    /// # Kernel
    ///
    /// `IORING_OP_SEND` with `MSG_WAITALL`.
    pub fn write_all<B: IoBuf>(&self, buf: B) -> impl Future<Output = BufResult<(), B>> + use<'_, B> {
        self.sender.write_all(buf)
    }

    /// Sends the whole buffer without copying it: the kernel sends its very pages, and gives them back when the peer has
    /// acknowledged them (on loopback, when it has read them).
    ///
    /// The future waits for that, a round trip or longer, so await it beside what comes next and not before. The stream
    /// does not wait: as soon as the bytes are queued, later writes (of either kind), a shutdown and a close go on, in
    /// order. So many buffers can be on their way at once.
    ///
    /// It pays for large buffers on a real network, from about 10 KiB on (`Documentation/networking/msg_zerocopy.rst`): below,
    /// pinning the pages and the second completion cost more than the copy. It never pays on loopback, where the kernel
    /// copies all the same, nor where the driver of the network card cannot gather. [`Stats`] counts the sends
    /// (`zero_copy_sends`), and those that the kernel copied (`zero_copy_copied`): if these are most, use
    /// [`write_all`](TcpStream::write_all).
    ///
    /// What the kernel refuses to send without a copy is sent with one, and counted (`zero_copy_refused`): where the socket
    /// cannot do it, or the process would pin more than `RLIMIT_MEMLOCK` allows, which is 8 MiB of bytes on their way unless
    /// somebody has raised it.
    ///
    /// [`Stats`]: uring_runtime::Stats
    ///
    /// # Errors
    ///
    /// As [`write`](TcpStream::write). The buffer comes back as always, when the kernel has released it.
    ///
    /// # Cancel safety
    ///
    /// As [`write_all`](TcpStream::write_all); the buffer is dropped when the kernel has released it. That it was not yet is
    /// nothing that a runtime can end: one that is dropped meanwhile waits for it as long as
    /// [`drain_timeout`](uring_runtime::Builder::drain_timeout) says, and then leaks the buffer. A peer that never reads
    /// can bring this about.
    ///
    /// # Kernel
    ///
    /// `IORING_OP_SEND_ZC` (6.0) with `MSG_WAITALL`. Whether the kernel has copied is known from Linux 6.7 on.
    ///
    /// # Examples
    ///
    /// ```no_run
    /// # async fn demo(stream: std::rc::Rc<uring_net::TcpStream>, blocks: Vec<Vec<u8>>) -> std::io::Result<()> {
    /// // All are on their way at once, and each buffer can be used again when its task has ended.
    /// let mut sending = uring_runtime::task::JoinSet::new();
    /// for block in blocks {
    ///     let stream = std::rc::Rc::clone(&stream);
    ///     sending.spawn(async move { stream.write_all_zero_copy(block).await });
    /// }
    /// while let Some(sent) = sending.join_next().await {
    ///     let (_, block) = sent.expect("no task panics").into_result()?;
    ///     drop(block);
    /// }
    /// # Ok(())
    /// # }
    /// ```
    pub fn write_all_zero_copy<B: IoBuf>(
        &self,
        buf: B,
    ) -> impl Future<Output = BufResult<(), B>> + use<'_, B> {
        self.sender.write_all_zero_copy(buf)
    }

    /// Ends the sending side, after the writes that have begun: the peer reads the end of the stream.
    ///
    /// # Errors
    ///
    /// The errno of `shutdown(2)`, such as `ENOTCONN`.
    ///
    /// # Cancel safety
    ///
    /// A shutdown that has begun is finished.
    pub async fn shutdown(&self) -> io::Result<()> {
        self.sender.shutdown().await
    }

    /// Whether small writes are sent at once instead of being collected (`TCP_NODELAY`).
    ///
    /// # Errors
    ///
    /// The errno of `setsockopt(2)`.
    pub fn set_nodelay(&self, on: bool) -> io::Result<()> {
        self.socket.set(Option::NoDelay(on))
    }

    /// Whether `TCP_NODELAY` is on.
    ///
    /// # Errors
    ///
    /// The errno of `getsockopt(2)`.
    pub fn nodelay(&self) -> io::Result<bool> {
        self.socket.nodelay()
    }

    /// The own address.
    ///
    /// # Errors
    ///
    /// The errno of `getsockname(2)`.
    pub fn local_addr(&self) -> io::Result<SocketAddr> {
        self.socket.local_addr()
    }

    /// The peer's address.
    ///
    /// # Errors
    ///
    /// The errno of `getpeername(2)`, such as `ENOTCONN`.
    pub fn peer_addr(&self) -> io::Result<SocketAddr> {
        self.socket.peer_addr()
    }

    /// Takes the connection off its core, to be put on another one: after the writes that have begun, and with every byte
    /// that has arrived.
    ///
    /// # Errors
    ///
    /// None is known.
    ///
    /// # Cancel safety
    ///
    /// Dropping the future closes the connection.
    pub async fn detach(self) -> io::Result<DetachedTcpStream> {
        Parcel::pack(self.socket, self.receiver, self.sender).await.map(DetachedTcpStream)
    }

    /// Moves the connection to another core, and serves it there. Nothing that arrived is lost, and nothing is reordered.
    ///
    /// # Errors
    ///
    /// As [`detach`](TcpStream::detach). When the other core has ended, the connection is closed, and the handle tells that
    /// the task was cancelled.
    ///
    /// # Cancel safety
    ///
    /// Dropping the future closes the connection.
    ///
    /// # Examples
    ///
    /// ```no_run
    /// # async fn demo(stream: uring_net::TcpStream, other: uring_runtime::Handle) -> std::io::Result<()> {
    /// let served = stream.move_to(other, |stream| async move { stream.recv().await.map(|bytes| bytes.len()) }).await?;
    /// println!("{:?}", served.await);
    /// # Ok(())
    /// # }
    /// ```
    pub async fn move_to<M, F>(self, core: Handle, serve: M) -> io::Result<RemoteJoinHandle<F::Output>>
    where
        M: FnOnce(TcpStream) -> F + Send + 'static,
        F: Future + 'static,
        F::Output: Send + 'static,
    {
        let detached = self.detach().await?;
        Ok(core.spawn(move || serve(detached.attach())))
    }

    /// Splits the connection into a half that reads and a half that writes, which can go to different tasks of the
    /// core.
    #[must_use]
    pub fn into_split(self) -> (OwnedReadHalf, OwnedWriteHalf) {
        OwnedReadHalf::of(self)
    }
}

/// A connection without a core, on its way to one: see [`TcpStream::detach`]. Dropping it closes the connection.
#[derive(Debug)]
pub struct DetachedTcpStream(Parcel);

impl DetachedTcpStream {
    /// Puts the connection on the current core.
    ///
    /// # Panics
    ///
    /// Outside of a runtime.
    #[must_use]
    pub fn attach(self) -> TcpStream {
        let (socket, receiver, sender) = self.0.unpack();
        TcpStream { socket, receiver, sender }
    }
}

impl AsFd for TcpStream {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.socket.fd().as_fd()
    }
}

impl AsRawFd for TcpStream {
    fn as_raw_fd(&self) -> RawFd {
        self.socket.fd().as_raw_fd()
    }
}

impl std::fmt::Debug for TcpStream {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("TcpStream").field("fd", &self.as_raw_fd()).finish()
    }
}
