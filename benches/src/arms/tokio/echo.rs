//! Echo with a task per connection: read into its buffer, write all of it back.

use std::cell::Cell;
use std::sync::atomic::{AtomicUsize, Ordering::Relaxed};

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use tokio::runtime::Builder;

use super::runtime;
use crate::arms::listen::listen_on;
use crate::arms::{Announce, Site};
use crate::serve::{Counters, counters};
use crate::{Result, affinity};

/// As large as a buffer of the other arms; a message of the comparison fits.
const BUFFER_BYTES: usize = 2048;

pub(crate) fn serve_echo(
    listener: std::net::TcpListener,
    counters: &'static Counters,
    announce: Announce<'_>,
) -> Result<()> {
    listener.set_nonblocking(true)?;
    runtime()?.block_on(async {
        let listener = TcpListener::from_std(listener)?;
        announce(listener.local_addr()?)?;
        accept(listener, move || counters).await
    })
}

thread_local! {
    /// Which worker the thread is.
    static WORKER: Cell<usize> = const { Cell::new(0) };
}

/// One multi-thread runtime with a worker on each processor of the site. Tasks go where there is room.
pub(crate) fn serve_echo_on_workers(site: &Site<'_>) -> Result<()> {
    let listener = listen_on(site.addr)?;
    listener.set_nonblocking(true)?;
    let (cpus, started) = (site.cpus.to_vec(), AtomicUsize::new(0));
    let runtime = Builder::new_multi_thread()
        .worker_threads(cpus.len().max(1))
        .on_thread_start(move || {
            let worker = started.fetch_add(1, Relaxed);
            WORKER.set(worker);
            // A worker that cannot be pinned runs where the process may.
            drop(affinity::pin(cpus.get(worker).copied()));
        })
        .enable_io()
        .build()?;
    runtime.block_on(async {
        let listener = TcpListener::from_std(listener)?;
        (site.announce)(listener.local_addr()?)?;
        // Not on the thread that waits here, which is no worker.
        tokio::spawn(accept(listener, || counters(WORKER.get()))).await?
    })
}

async fn accept(
    listener: TcpListener,
    counters: impl Fn() -> &'static Counters + Copy + Send + 'static,
) -> Result<()> {
    loop {
        let (stream, _) = listener.accept().await?;
        stream.set_nodelay(true)?;
        // A connection that breaks ends its own task and nothing else.
        tokio::spawn(async move { drop(echo(stream, counters).await) });
    }
}

async fn echo(mut stream: TcpStream, counters: impl Fn() -> &'static Counters) -> std::io::Result<()> {
    let mut buffer = vec![0; BUFFER_BYTES];
    loop {
        let received = stream.read(&mut buffer).await?;
        if received == 0 {
            return Ok(());
        }
        counters().echoing(received);
        stream.write_all(&buffer[..received]).await?;
    }
}
