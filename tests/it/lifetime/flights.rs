//! Operations of every kind that are in flight for long enough to end a runtime under them.

use std::fs;
use std::io;
use std::net::{SocketAddr, TcpListener as StdListener};
use std::os::fd::{AsFd, OwnedFd};
use std::path::PathBuf;
use std::sync::Mutex;

use nix::fcntl::{PosixFadviseAdvice, posix_fadvise};
use nix::libc;
use nix::sys::socket::{Backlog, listen};
use uring::fs::{File, OpenOptions};
use uring::net::{TcpListener, TcpStream};
use uring::{JoinHandle, spawn};

use crate::buffers::aligned;
use crate::kit::{Scratch, pattern};

/// A large file, and a peer that takes connections and says and hears nothing.
pub(super) struct Flights {
    scratch: Scratch,
    address: SocketAddr,
    _listener: StdListener,
    /// A pipe that nobody writes to.
    silent: (io::PipeReader, io::PipeWriter),
    /// One fork of the disk's cache at a time.
    cold: Mutex<()>,
}

impl Flights {
    pub(super) fn new() -> Self {
        let scratch = Scratch::new();
        let path = scratch.file("large", pattern(1, 1 << 16).repeat(512));
        fs::File::open(path).unwrap().sync_all().unwrap();
        let listener = StdListener::bind("127.0.0.1:0").unwrap();
        // Room for all connections that the tests make: nobody accepts them.
        listen(&listener, Backlog::new(4096).unwrap()).unwrap();
        let address = listener.local_addr().unwrap();
        Self { scratch, address, _listener: listener, silent: io::pipe().unwrap(), cold: Mutex::new(()) }
    }

    fn large(&self) -> PathBuf {
        self.scratch.path("large")
    }

    /// Begins one operation of each kind, with so many bytes for those on files, and gives the tasks that wait.
    pub(super) async fn begin(&self, bytes: usize) -> Vec<JoinHandle<()>> {
        let mut tasks = Vec::new();
        let direct = OpenOptions::new().read(true).custom_flags(libc::O_DIRECT).open(self.large()).await;
        if let Ok(file) = direct {
            tasks.push(spawn(async move { drop(file.read_at(aligned(bytes), 0).await) }));
        }
        let file = File::open(self.large()).await.unwrap();
        {
            let _one = self.cold.lock().unwrap();
            posix_fadvise(file.as_fd(), 0, 0, PosixFadviseAdvice::POSIX_FADV_DONTNEED).unwrap();
        }
        tasks.push(spawn(async move { drop(file.read_at(Vec::with_capacity(bytes), 0).await) }));
        self.begin_opens(&mut tasks);
        self.begin_sockets(&mut tasks).await;
        let pipe = File::from_std(fs::File::from(OwnedFd::from(self.silent.0.try_clone().unwrap())));
        tasks.push(spawn(async move { drop(pipe.read_at(vec![0; 4096], 0).await) }));
        let new = OpenOptions::new().write(true).create(true).open(self.scratch.path("new")).await.unwrap();
        tasks.push(spawn(async move {
            drop(new.write_at(vec![7; 1 << 20], 0).await);
            drop(new.sync_all().await);
        }));
        tasks
    }

    fn begin_opens(&self, tasks: &mut Vec<JoinHandle<()>>) {
        for _ in 0..8 {
            let path = self.large();
            tasks.push(spawn(async move {
                let file = File::open(path).await;
                if let Ok(file) = file {
                    drop(file.metadata().await);
                    drop(file.close().await);
                }
            }));
        }
    }

    async fn begin_sockets(&self, tasks: &mut Vec<JoinHandle<()>>) {
        let connect = async || TcpStream::connect(self.address).await.unwrap();
        let [pooled, own, exact] = [connect().await, connect().await, connect().await];
        tasks.push(spawn(async move { drop(pooled.recv().await) }));
        tasks.push(spawn(async move { drop(own.read(Vec::with_capacity(1 << 20)).await) }));
        tasks.push(spawn(async move { drop(exact.read_exact(Vec::with_capacity(64)).await) }));
        let address = self.address;
        tasks.push(spawn(async move { drop(TcpStream::connect(address).await) }));
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        tasks.push(spawn(async move { drop(listener.accept().await) }));
    }

    /// Begins to write more than a peer takes. A write that began is finished, so it ends only with the runtime.
    pub(super) async fn begin_write(&self) {
        let blocked = TcpStream::connect(self.address).await.unwrap();
        drop(spawn(async move { drop(blocked.write_all(vec![7; 16 << 20]).await) }));
    }
}
