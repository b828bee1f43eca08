//! Echo with a task per connection: a pooled buffer comes in and the same buffer goes out.

use std::net::SocketAddr;

use uring::Builder;
use uring::net::{TcpListener, TcpStream};

use crate::Result;
use crate::arms::Announce;
use crate::serve::Counters;

/// Echoes between two looks at the runtime's own statistics, so that looking costs nothing.
const ECHOES_PER_LOOK: u64 = 64;

pub(crate) fn serve_echo(
    builder: Builder,
    addr: SocketAddr,
    counters: &'static Counters,
    announce: Announce,
) -> Result<()> {
    builder.build()?.block_on(async {
        let listener = TcpListener::bind(addr).await?;
        announce(listener.local_addr()?)?;
        loop {
            let (stream, _) = listener.accept().await?;
            stream.set_nodelay(true)?;
            // A connection that breaks ends its own task and nothing else.
            drop(uring::spawn(async move { drop(echo(stream, counters).await) }));
        }
    })
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
