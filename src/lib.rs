//! An async runtime for Linux servers, built on io_uring and nothing else.
//!
//! One thread is one core: a ring, its tasks, its timers. Operations are submitted to the kernel as they are and
//! complete by themselves, so their buffers are *owned*: an operation takes a buffer and gives it back.
//!
//! ```no_run
//! use uring::net::TcpListener;
//!
//! #[uring::main]
//! async fn main() -> std::io::Result<()> {
//!     let listener = TcpListener::bind("127.0.0.1:7000").await?;
//!     loop {
//!         let (stream, _peer) = listener.accept().await?;
//!         drop(uring::spawn(async move {
//!             loop {
//!                 let received = stream.recv().await?;
//!                 if received.is_empty() {
//!                     return std::io::Result::Ok(());
//!                 }
//!                 stream.write_all(received).await.into_result()?;
//!             }
//!         }));
//!     }
//! }
//! ```
//!
//! # Owned buffers in a minute
//!
//! ```no_run
//! # async fn demo(stream: uring::net::TcpStream, file: uring::fs::File) -> std::io::Result<()> {
//! use uring::buf::{BufResult, IoBuf};
//!
//! // The kernel's own buffer: nothing is allocated, and an idle connection holds none.
//! let received = stream.recv().await?;
//! println!("{} bytes", received.len());
//!
//! // A buffer of yours: it goes in, and comes back with the result.
//! let BufResult(result, buf) = file.read_at(Vec::with_capacity(4096), 0).await;
//! let bytes = result?;
//!
//! // A part of a buffer, and `?` in one step.
//! let (sent, slice) = stream.write(buf.slice(..bytes)).await.into_result()?;
//! let buf: Vec<u8> = slice.into_inner();
//! # drop((sent, buf));
//! # Ok(())
//! # }
//! ```
//!
//! # What is promised
//!
//! * No safe program can make the kernel touch freed memory, whatever is dropped, aborted, forgotten or forked.
//! * Dropping a waiting `accept`, `read` or `recv` loses no byte, no connection and no descriptor: the socket owns
//!   the operation and keeps what it brought. So timeouts and `select!` are safe by construction.
//! * A write that began is finished, and later writes queue behind it.
//! * An error names its cause; where a ring cannot be had, also the cure.
//!
//! # From tokio
//!
//! | tokio | uring |
//! |---|---|
//! | `#[tokio::main]` on many threads | [`#[uring::main(cores = "all")]`](main), [`Builder::cores`] |
//! | `#[tokio::main]`, `#[tokio::test]` | [`#[uring::main]`](main), [`#[uring::test]`](test) |
//! | `tokio::spawn` of a `Send` future | [`spawn`] of any `'static` future: tasks stay on their core |
//! | `tokio::task::spawn_local` | [`task::spawn_local`], another name of [`spawn`] |
//! | no priorities | [`task::spawn_urgent`], [`task::spawn_with`] a [`task::Priority`] |
//! | `JoinHandle`: await, `abort`, `is_finished`; drop detaches | [`JoinHandle`], the same |
//! | `AbortHandle`, `tokio::task::JoinSet` | [`task::AbortHandle`], [`task::JoinSet`], the same |
//! | `tokio::task::spawn_blocking`, `max_blocking_threads`, `thread_keep_alive` | [`task::spawn_blocking`], [`Builder::blocking_threads_max`], [`Builder::blocking_keep_alive`]; its queue has a bound, and a full one rejects |
//! | `tokio::task::coop::{consume_budget, unconstrained}` | [`task::consume_budget`], [`task::unconstrained`], the same |
//! | `tokio::task::Builder` | [`task::Builder`], with a priority, too |
//! | `tokio::task::yield_now` | [`task::yield_now`] |
//! | `tokio::{select!, join!, try_join!}` | [`select!`], [`join!`], [`try_join!`], the same; [`Builder::seed`] repeats their chance |
//! | `tokio::time::{sleep, timeout, interval, …}` | [`time`], the same, to the nanosecond |
//! | `tokio::sync`: channels, locks, `Semaphore`, `Notify` | [`local`], the same within a core, with `Rc` for `Arc` |
//! | `stream.read(&mut buf).await?` | `let (n, buf) = stream.read(buf).await.into_result()?`, or [`recv`](net::TcpStream::recv) |
//! | `stream.write_all(&buf).await?` | `stream.write_all(buf).await.into_result()?` |
//! | `tokio::fs::File` with a cursor | [`fs::File`] with offsets |
//!
//! # Features
//!
//! Both are off by default, and cost nothing then.
//!
//! * `metrics`: `metrics::record` gives the figures of a core to the crate `metrics`.
//! * `console`: tasks, their polls and their wakes are told through `tracing` as
//!   [tokio-console](https://docs.rs/console-subscriber) takes them. The program calls `console_subscriber::init()` before its
//!   runtime starts and is built with `RUSTFLAGS="--cfg console_without_tokio_unstable"`; then `tokio-console` shows it. A
//!   [`task::Builder`] names tasks. Wakers are not counted, because those of a core are names that nobody owns; calls on
//!   threads (`task::spawn_blocking`) are not shown. It costs a span a task and an event a wake, so it is for looking, not
//!   for measuring.
#![forbid(unsafe_code)]

/// Buffers that an operation owns while the kernel uses them.
pub use uring_runtime::buf;
/// Files.
pub use uring_runtime::fs;
/// Channels and synchronisation between the tasks of one core.
pub use uring_runtime::local;
/// The figures of a core for the crate `metrics`.
#[cfg(feature = "metrics")]
pub use uring_runtime::metrics;
/// What debug builds look for.
pub use uring_runtime::oracle;
/// Signals of the process.
pub use uring_runtime::signal;
/// Channels between cores and threads.
pub use uring_runtime::sync;
/// Tasks.
pub use uring_runtime::task;
/// Sleeping, intervals and deadlines.
pub use uring_runtime::time;

/// TCP.
pub mod net {
    pub use uring_net::{
        DetachedTcpStream, OwnedReadHalf, OwnedWriteHalf, ReuniteError, ShutDown, TcpListener,
        TcpListenerOptions, TcpStream, ToSocketAddrs,
    };
}

pub use uring_macros::{main, test};
pub use uring_runtime::task::{JoinError, JoinHandle, spawn, yield_now};
pub use uring_runtime::{
    Audit, BuildError, Builder, Cause, CoreId, Cores, Features, Figure, FigureKind, FigureValue, Handle,
    LaunchError, Launcher, ParseCoresError, RemoteJoinHandle, Ring, Runtime, SetupError, Stats, Step, core,
    join, kernel_threads, select, shutdown, shutdown_token, spawn_on, stats, try_join,
};

#[doc(hidden)]
pub mod macro_support;

/// The README's examples compile as they stand.
#[cfg(doctest)]
#[doc = include_str!("../README.md")]
struct Readme;
