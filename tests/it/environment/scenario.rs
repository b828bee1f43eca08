//! A little of everything: an echo in several sizes, a file, timers and a wake from another thread.

use std::cell::Cell;
use std::io;
use std::rc::Rc;
use std::thread;

use uring::fs::OpenOptions;
use uring::net::{TcpListener, TcpStream};
use uring::time::{Duration, Instant, interval, sleep, timeout};
use uring::{spawn, yield_now};

use crate::kit::{Scratch, pattern};

/// Runs all of it at once, in so many rounds each.
pub(super) async fn run(rounds: u64) {
    let parts = [spawn(echoes(rounds)), spawn(files(rounds)), spawn(timers(rounds)), spawn(wakes(rounds))];
    for part in parts {
        part.await.unwrap();
    }
}

async fn serve(stream: TcpStream) -> io::Result<()> {
    stream.set_nodelay(true)?;
    loop {
        let received = stream.recv().await?;
        if received.is_empty() {
            return Ok(());
        }
        stream.write_all(received).await.into_result()?;
    }
}

pub(super) async fn echoes(rounds: u64) {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    let clients: Vec<_> = (0..3).map(|client| spawn(echo(address, client, rounds))).collect();
    for _ in &clients {
        let (stream, _) = listener.accept().await.unwrap();
        drop(spawn(async move { serve(stream).await.unwrap() }));
    }
    for client in clients {
        client.await.unwrap();
    }
    // A read that waits is dropped with the listener and the stream under it.
    let quiet = TcpStream::connect(address).await.unwrap();
    assert!(timeout(Duration::from_millis(1), quiet.recv()).await.is_err());
}

async fn echo(address: std::net::SocketAddr, client: u64, rounds: u64) {
    let stream = TcpStream::connect(address).await.unwrap();
    stream.set_nodelay(true).unwrap();
    for round in 0..rounds {
        for bytes in [1, 2048, 20_000] {
            let message = pattern(client * 1000 + round, bytes);
            stream.write_all(message.clone()).await.0.unwrap();
            let ((), back) = stream.read_exact(Vec::with_capacity(bytes)).await.into_result().unwrap();
            assert!(back[..bytes] == message, "client {client}, round {round}");
        }
    }
}

async fn files(rounds: u64) {
    let scratch = Scratch::new();
    let mut options = OpenOptions::new();
    options.read(true).write(true).create(true);
    let file = options.open(scratch.path("a")).await.unwrap();
    for round in 0..rounds {
        let content = pattern(round, 10_000);
        file.write_all_at(content.clone(), round * 10_000).await.0.unwrap();
        let ((), back) = file.read_exact_at(vec![0; 10_000], round * 10_000).await.into_result().unwrap();
        assert!(back == content, "round {round}");
    }
    file.sync_all().await.unwrap();
    assert_eq!(file.metadata().await.unwrap().len(), rounds * 10_000);
    file.close().await.unwrap();
}

async fn timers(rounds: u64) {
    let start = Instant::now();
    let mut ticks = interval(Duration::from_millis(1));
    for _ in 0..rounds {
        ticks.tick().await;
        sleep(Duration::from_micros(100)).await;
    }
    assert!(start.elapsed() >= Duration::from_millis(rounds - 1));
    assert!(start.elapsed() < Duration::from_millis(rounds) + Duration::from_secs(5));
}

async fn wakes(rounds: u64) {
    for round in 0..rounds {
        let woken = Rc::new(Cell::new(None));
        let waiting = Rc::clone(&woken);
        std::future::poll_fn(move |cx| {
            if waiting.get().is_some() {
                return std::task::Poll::Ready(());
            }
            waiting.set(Some(round));
            let waker = cx.waker().clone();
            drop(thread::spawn(move || waker.wake()));
            std::task::Poll::Pending
        })
        .await;
        yield_now().await;
    }
}
