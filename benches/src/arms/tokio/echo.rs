//! Echo with a task per connection: read into its buffer, write all of it back.

use std::net::SocketAddr;

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};

use super::runtime;
use crate::Result;
use crate::arms::{Announce, listen_on};
use crate::serve::Counters;

/// As large as a buffer of the other arms; a message of the comparison fits.
const BUFFER_BYTES: usize = 2048;

pub(crate) fn serve_echo(addr: SocketAddr, counters: &'static Counters, announce: Announce) -> Result<()> {
    let listener = listen_on(addr)?;
    listener.set_nonblocking(true)?;
    runtime()?.block_on(async {
        let listener = TcpListener::from_std(listener)?;
        announce(listener.local_addr()?)?;
        loop {
            let (stream, _) = listener.accept().await?;
            stream.set_nodelay(true)?;
            // A connection that breaks ends its own task and nothing else.
            tokio::spawn(async move { drop(echo(stream, counters).await) });
        }
    })
}

async fn echo(mut stream: TcpStream, counters: &'static Counters) -> std::io::Result<()> {
    let mut buffer = vec![0; BUFFER_BYTES];
    loop {
        let received = stream.read(&mut buffer).await?;
        if received == 0 {
            return Ok(());
        }
        counters.echoing(received);
        stream.write_all(&buffer[..received]).await?;
    }
}
