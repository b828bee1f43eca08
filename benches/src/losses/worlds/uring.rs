//! The runtime under test.

use std::io;
use std::net::SocketAddr;
use std::path::Path;
use std::time::Duration;

use uring::fs::File;
use uring::net::{TcpListener, TcpStream};

use super::super::scenario::{self, Received, Runtime};
use super::{Found, Scenario};
use crate::Result;

struct Uring;

impl Runtime for Uring {
    type Listener = TcpListener;
    type Stream = TcpStream;

    async fn bind() -> io::Result<(TcpListener, SocketAddr)> {
        let listener = TcpListener::bind("127.0.0.1:0").await?;
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
        let uring::buf::BufResult(result, buffer) = stream.read(into).await;
        (result, buffer)
    }

    async fn write_all(stream: &mut TcpStream, bytes: Vec<u8>) -> io::Result<()> {
        stream.write_all(bytes).await.0
    }

    async fn open(path: &Path) -> io::Result<()> {
        File::open(path).await.map(drop)
    }

    async fn timeout<F: Future>(limit: Duration, future: F) -> Option<F::Output> {
        uring::time::timeout(limit, future).await.ok()
    }

    async fn sleep(time: Duration) {
        uring::time::sleep(time).await;
    }

    fn spawn(future: impl Future<Output = ()> + 'static) {
        drop(uring::spawn(future));
    }
}

pub(super) fn run(scenario: Scenario, count: u64, seed: u64) -> Result<Found> {
    uring::Runtime::new()?.block_on(scenario::run::<Uring>(scenario, count, seed))
}
