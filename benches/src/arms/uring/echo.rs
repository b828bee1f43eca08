//! Echo with a task per connection: a pooled buffer comes in and the same buffer goes out.

use std::net::SocketAddr;

use uring::net::{TcpListener, TcpListenerOptions, TcpStream};
use uring::{Builder, Cores};

use crate::Result;
use crate::arms::Announce;
use crate::arms::many::Muster;
use crate::serve::{Counters, counters};

/// Echoes between two looks at the runtime's own statistics, so that looking costs nothing.
const ECHOES_PER_LOOK: u64 = 64;

pub(crate) fn serve_echo(
    builder: Builder,
    addr: SocketAddr,
    counters: &'static Counters,
    announce: Announce<'_>,
) -> Result<()> {
    builder.build()?.block_on(async {
        let listener = TcpListener::bind(addr).await?;
        announce(listener.local_addr()?)?;
        accept(listener, counters).await
    })
}

/// One service: a core on each of these processors, each with a listener of its own on the port.
pub(crate) fn serve_echo_on_cores(
    builder: Builder,
    cpus: &[usize],
    addr: SocketAddr,
    muster: &Muster<'_>,
) -> Result<()> {
    // Signals are for the thread that watches.
    let service = builder.cores(Cores::On(cpus.to_vec())).leave_signals();
    let served = service.run(|| async {
        let listener = TcpListenerOptions::new().reuse_port(true).bind(addr).await?;
        muster.arrive(addr)?;
        accept(listener, counters(uring::core().index)).await
    });
    served.map(drop).map_err(|error| error.to_string().into())
}

async fn accept(listener: TcpListener, counters: &'static Counters) -> Result<()> {
    loop {
        let (stream, _) = listener.accept().await?;
        stream.set_nodelay(true)?;
        // A connection that breaks ends its own task and nothing else.
        drop(uring::spawn(async move { drop(echo(stream, counters).await) }));
    }
}

async fn echo(stream: TcpStream, counters: &'static Counters) -> std::io::Result<()> {
    loop {
        let buffer = stream.recv().await?;
        if buffer.is_empty() {
            return Ok(());
        }
        if counters.echoing(buffer.len()).is_multiple_of(ECHOES_PER_LOOK) {
            counters.set_syscalls(uring::stats().enters);
        }
        stream.write_all(buffer).await.0?;
    }
}
