//! Operations that write into memory of ours, dropped in the middle: reads past the page cache and through it, and
//! receives with bytes on their way; and zero-copy sends, which read it.

use std::fs;
use std::io::Write;
use std::net::{SocketAddr, TcpListener, TcpStream as StdStream};
use std::os::fd::AsFd;
use std::path::{Path, PathBuf};
use std::pin::Pin;
use std::rc::Rc;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::thread;
use std::time::Duration;

use nix::fcntl::{PosixFadviseAdvice, posix_fadvise};
use nix::libc;
use uring::buf::{IoBufMut, Slice};
use uring::fs::{File, OpenOptions};
use uring::macro_support::test_builder;
use uring::net::TcpStream;
use uring::{spawn, time};

use crate::late::LateReader;

/// Bytes of a read of a file.
const BYTES: usize = 32 << 20;

/// What a runtime does about operations in flight when it ends.
#[derive(Clone, Copy)]
pub(crate) enum End {
    Drain,
    /// It may not wait, so it leaks them.
    Leak,
}

/// A large file, a peer that always sends, and one that reads late.
pub(crate) struct Matrix {
    directory: PathBuf,
    address: SocketAddr,
    late: Arc<LateReader>,
}

type Flight = Pin<Box<dyn Future<Output = ()>>>;

impl Matrix {
    pub(crate) fn new() -> Self {
        static COUNT: AtomicU64 = AtomicU64::new(0);
        let name =
            format!("uring-quarantine-{}-{}", std::process::id(), COUNT.fetch_add(1, Ordering::Relaxed));
        let directory = Path::new(env!("CARGO_TARGET_TMPDIR")).join(name);
        fs::create_dir_all(&directory).unwrap();
        let mut file = fs::File::create(directory.join("large")).unwrap();
        file.write_all(&vec![1; BYTES]).unwrap();
        file.sync_all().unwrap();
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let address = listener.local_addr().unwrap();
        thread::spawn(move || {
            listener.incoming().for_each(|stream| drop(thread::spawn(|| flood(stream.unwrap()))))
        });
        Self { directory, address, late: LateReader::new() }
    }

    /// How many bytes of freed memory reached the peer that reads late.
    pub(crate) fn stale(&self) -> usize {
        self.late.stale()
    }

    fn path(&self) -> PathBuf {
        self.directory.join("large")
    }

    /// Futures that read, each with memory of its own; the file is not in the page cache.
    async fn flights(&self) -> Vec<Flight> {
        let mut flights: Vec<Flight> = Vec::new();
        if let Ok(file) = OpenOptions::new().read(true).custom_flags(libc::O_DIRECT).open(self.path()).await {
            flights.push(Box::pin(async move { drop(file.read_at(aligned(BYTES), 0).await) }));
        }
        let file = File::open(self.path()).await.unwrap();
        posix_fadvise(file.as_fd(), 0, 0, PosixFadviseAdvice::POSIX_FADV_DONTNEED).unwrap();
        flights.push(Box::pin(async move { drop(file.read_at(Vec::with_capacity(BYTES), 0).await) }));
        let stream = TcpStream::connect(self.address).await.unwrap();
        flights.push(Box::pin(async move { drop(stream.read_exact(Vec::with_capacity(BYTES)).await) }));
        let stream = TcpStream::connect(self.address).await.unwrap();
        flights.push(Box::pin(async move { while !stream.recv().await.unwrap().is_empty() {} }));
        self.small_flights(&mut flights).await;
        flights
    }

    /// Futures whose operations write to small structures, or only read memory of ours.
    async fn small_flights(&self, flights: &mut Vec<Flight>) {
        let path = self.path();
        flights.push(Box::pin(async move {
            while let Ok(file) = File::open(&path).await {
                drop(file.metadata().await);
            }
        }));
        let listener = uring::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        flights.push(Box::pin(async move { while listener.accept().await.is_ok() {} }));
        flights.push(Box::pin(async move { while TcpStream::connect(address).await.is_ok() {} }));
        let stream = TcpStream::connect(self.address).await.unwrap();
        flights.push(Box::pin(async move { drop(stream.write_all(vec![7; BYTES]).await) }));
        self.zero_copy_flights(flights).await;
    }

    /// Futures that send without a copy, more than the sockets take, to a peer that does not read yet: the kernel reads their
    /// memory when they are gone.
    async fn zero_copy_flights(&self, flights: &mut Vec<Flight>) {
        let stream = Rc::new(TcpStream::connect(self.late.address).await.unwrap());
        for _ in 0..4 {
            let stream = Rc::clone(&stream);
            flights.push(Box::pin(async move {
                drop(stream.write_all_zero_copy(vec![7; 4 << 20]).await);
            }));
        }
    }

    /// Polls futures and drops them after a moment, with the runtime going on.
    pub(crate) async fn drop_futures(&self, after: Duration) {
        for flight in self.flights().await {
            let _ = time::timeout(after, flight).await;
        }
        let all: Vec<_> = self.flights().await.into_iter().map(spawn).collect();
        time::sleep(after).await;
        all.iter().for_each(uring::JoinHandle::abort);
        for task in all {
            drop(task.await);
        }
    }

    /// Drops a runtime in whose tasks the futures are.
    pub(crate) fn drop_runtime(&self, after: Duration, end: End) {
        let drain = match end {
            End::Drain => Duration::from_secs(10),
            End::Leak => Duration::ZERO,
        };
        let runtime = test_builder().drain_timeout(drain).build().unwrap();
        runtime.block_on(async {
            self.flights().await.into_iter().for_each(|flight| drop(spawn(flight)));
            time::sleep(after).await;
        });
        let leaked = runtime.shutdown();
        assert_eq!(leaked > 0, matches!(end, End::Leak), "{leaked} operations were leaked");
    }

    /// Polls each future once and forgets it, and drops the runtime under them.
    pub(crate) fn forget(&self, after: Duration) {
        let runtime = test_builder().build().unwrap();
        runtime.block_on(async {
            for mut flight in self.flights().await {
                let poll = std::future::poll_fn(|cx| std::task::Poll::Ready(flight.as_mut().poll(cx)));
                let _ = poll.await;
                std::mem::forget(flight);
            }
            time::sleep(after).await;
        });
        assert_eq!(runtime.shutdown(), 0);
    }

    /// Leaves the runtime to a thread-local, whose destructor runs when the thread is all but gone.
    pub(crate) fn leave_to_the_thread(&self) {
        thread_local! {
            static KEPT: std::cell::RefCell<Option<uring::Runtime>> = const { std::cell::RefCell::new(None) };
        }
        let runtime = test_builder().build().unwrap();
        runtime.block_on(async {
            self.flights().await.into_iter().for_each(|flight| drop(spawn(flight)));
            time::sleep(Duration::from_micros(100)).await;
        });
        KEPT.set(Some(runtime));
    }

    /// A panic of the main future, with the futures in flight.
    pub(crate) fn panic_inside(&self) {
        test_builder().build().unwrap().block_on(async {
            self.flights().await.into_iter().for_each(|flight| drop(spawn(flight)));
            time::sleep(Duration::from_micros(100)).await;
            panic!("in the middle");
        });
    }
}

impl Drop for Matrix {
    fn drop(&mut self) {
        let _ = fs::remove_dir_all(&self.directory);
    }
}

/// Sends until the peer is gone.
fn flood(mut stream: StdStream) {
    while stream.write_all(&[1; 1 << 16]).is_ok() {}
}

/// A part of a vector that begins and ends where a disk wants it.
fn aligned(bytes: usize) -> Slice<Vec<u8>> {
    let whole = vec![0; bytes + 4096];
    let start = whole.as_ptr().align_offset(4096);
    whole.slice_mut(start..start + bytes)
}
