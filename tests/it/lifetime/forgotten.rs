//! Futures that are forgotten in the middle: that leaks, and it harms nobody (hazard A5).

use std::net::TcpListener as StdListener;
use std::time::{Duration, Instant};

use uring::fs::{File, OpenOptions};
use uring::macro_support::test_builder;
use uring::net::{TcpListener, TcpStream};
use uring::time::{interval, sleep, timeout};
use uring::{spawn, stats, yield_now};

use crate::alone::{alone, alone_and_leaking};
use crate::kit::{Scratch, pattern, poll_once};

/// Polls a future once and forgets it.
async fn forget<F: Future>(future: F) {
    let mut future = Box::pin(future);
    drop(poll_once(&mut future).await);
    std::mem::forget(future);
}

async fn forget_files(scratch: &Scratch) {
    let path = scratch.file("a", pattern(1, 1 << 20));
    let mut options = OpenOptions::new();
    let file = options.read(true).write(true).open(&path).await.unwrap();
    forget(File::open(&path)).await;
    forget(File::create(scratch.path("b"))).await;
    forget(file.read_at(Vec::with_capacity(1 << 20), 0)).await;
    forget(file.read_exact_at(vec![0; 4096], 0)).await;
    forget(file.write_at(vec![7; 4096], 0)).await;
    forget(file.write_all_at(vec![7; 4096], 4096)).await;
    forget(file.metadata()).await;
    forget(file.sync_all()).await;
    forget(file.sync_data()).await;
    forget(File::open(&path).await.unwrap().close()).await;
    // The file is dropped with its forgotten futures in flight.
}

async fn forget_sockets() {
    let silent = StdListener::bind("127.0.0.1:0").unwrap();
    let address = silent.local_addr().unwrap();
    let connect = async || TcpStream::connect(address).await.unwrap();
    forget(TcpStream::connect(address)).await;
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    forget(listener.accept()).await;
    forget(listener.accept()).await;
    forget(connect().await.recv()).await;
    forget(connect().await.read(Vec::with_capacity(16))).await;
    forget(connect().await.read(Vec::with_capacity(1 << 20))).await;
    forget(connect().await.read_exact(Vec::with_capacity(1 << 20))).await;
    forget(connect().await.write(vec![7; 100])).await;
    forget(connect().await.write_all(vec![7; 16 << 20])).await;
    forget(connect().await.shutdown()).await;
    let (read, write) = connect().await.into_split();
    forget(read.recv()).await;
    forget(write.write_all(vec![7; 16 << 20])).await;
    forget(write.write_all(vec![7; 100])).await;
    // The sockets were dropped, each with a forgotten future that had borrowed it.
}

async fn forget_the_rest() {
    forget(sleep(Duration::from_millis(1))).await;
    forget(sleep(Duration::from_secs(60))).await;
    forget(timeout(Duration::from_millis(1), sleep(Duration::from_secs(1)))).await;
    let mut ticks = interval(Duration::from_millis(1));
    forget(ticks.tick()).await;
    forget(spawn(sleep(Duration::from_millis(1)))).await;
    forget(spawn(std::future::pending::<()>())).await;
    forget(yield_now()).await;
}

#[test]
fn forgotten_futures_of_every_kind_harm_neither_the_core_nor_its_end() {
    // The break: completed operations that nobody takes count as in flight in `Core::drain`, which then waits for
    // them until its deadline and calls them leaked.
    alone_and_leaking(|| {
        let scratch = Scratch::new();
        let runtime = test_builder().build().unwrap();
        runtime.block_on(async {
            for _ in 0..3 {
                forget_files(&scratch).await;
                forget_sockets().await;
                forget_the_rest().await;
            }
            let file = File::open(scratch.file("c", "content")).await.unwrap();
            for _ in 0..100 {
                assert_eq!(file.read_at(Vec::with_capacity(16), 0).await.1, b"content");
                sleep(Duration::from_micros(100)).await;
            }
            assert_eq!(stats().unknown, 0);
        });
        let start = Instant::now();
        assert_eq!(runtime.shutdown(), 0, "everything was cancelled or has completed");
        assert!(start.elapsed() < Duration::from_secs(2), "it took {:?}", start.elapsed());
    });
}

#[test]
fn a_future_that_outlives_its_runtime_holds_up_no_end_and_has_its_result() {
    // The break: as above.
    alone(|| {
        let scratch = Scratch::new();
        let path = scratch.file("a", "content");
        let runtime = test_builder().build().unwrap();
        let file = runtime.block_on(File::open(&path)).unwrap();
        let mut read = Box::pin(file.read_at(Vec::with_capacity(16), 0));
        runtime.block_on(async {
            assert!(poll_once(&mut read).await.is_pending());
        });
        let start = Instant::now();
        assert_eq!(runtime.shutdown(), 0);
        assert!(start.elapsed() < Duration::from_secs(1), "it took {:?}", start.elapsed());
        let std::task::Poll::Ready(result) = crate::kit::poll_idly(read.as_mut()) else {
            panic!("the runtime has ended, so nothing is in flight")
        };
        // Either it has read or it was cancelled: in each case the buffer is back.
        match result.0 {
            Ok(bytes) => assert_eq!((bytes, &result.1[..]), (7, &b"content"[..])),
            Err(error) => assert_eq!(error.raw_os_error(), Some(nix::libc::ECANCELED)),
        }
    });
}
