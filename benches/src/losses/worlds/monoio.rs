//! monoio 0.2.

use std::io;
use std::net::SocketAddr;
use std::path::Path;
use std::time::Duration;

use monoio::fs::File;
use monoio::io::{AsyncReadRent, AsyncWriteRentExt};
use monoio::net::{TcpListener, TcpStream};

use super::super::scenario::{self, Received, Runtime};
use super::{Found, Scenario};
use crate::Result;

struct Monoio;

impl Runtime for Monoio {
    type Listener = TcpListener;
    type Stream = TcpStream;

    async fn bind() -> io::Result<(TcpListener, SocketAddr)> {
        let listener = TcpListener::bind("127.0.0.1:0")?;
        let address = listener.local_addr()?;
        Ok((listener, address))
    }

    async fn accept(listener: &TcpListener) -> io::Result<TcpStream> {
        Ok(listener.accept().await?.0)
    }

    async fn connect(to: SocketAddr) -> io::Result<TcpStream> {
        TcpStream::connect(to).await
    }

    async fn read(stream: &mut TcpStream, into: Vec<u8>) -> Received {
        let (result, buffer) = stream.read(into).await;
        (result, buffer)
    }

    async fn write_all(stream: &mut TcpStream, bytes: Vec<u8>) -> io::Result<()> {
        stream.write_all(bytes).await.0.map(drop)
    }

    async fn open(path: &Path) -> io::Result<()> {
        File::open(path).await.map(drop)
    }

    async fn timeout<F: Future>(limit: Duration, future: F) -> Option<F::Output> {
        monoio::time::timeout(limit, future).await.ok()
    }

    async fn sleep(time: Duration) {
        monoio::time::sleep(time).await;
    }

    fn spawn(future: impl Future<Output = ()> + 'static) {
        drop(monoio::spawn(future));
    }
}

pub(super) fn run(scenario: Scenario, count: u64, seed: u64) -> Result<Found> {
    let mut runtime = monoio::RuntimeBuilder::<monoio::IoUringDriver>::new().enable_timer().build()?;
    runtime.block_on(scenario::run::<Monoio>(scenario, count, seed))
}
