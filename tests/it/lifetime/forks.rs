//! Forked children: they may not touch the ring, and whatever they do, their parent's operations are its own (A15).
#![allow(unsafe_code, reason = "forks, and leaves the child without running destructors")]

use std::fs;
use std::io::Write;
use std::pin::pin;
use std::time::{Duration, Instant};

use nix::libc;
use nix::sys::wait::{WaitStatus, waitpid};
use nix::unistd::{ForkResult, Pid};
use uring::fs::File;
use uring::macro_support::test_builder;
use uring::net::TcpListener;
use uring::task::spawn_blocking;
use uring::time::sleep;
use uring::{Runtime, spawn, stats, yield_now};

use crate::alone::alone;
use crate::kit::{Scratch, panic_text, pattern, poll_idly, poll_once, without_panic_messages};
use crate::storm::uninterrupted;

const FORKED: &str = "uring: this process is a fork of the one that runs the runtime, and its ring belongs to the \
                      parent; start a runtime of its own in the child, before any other call";

/// Runs `body` in a forked child, whose exit code is 0 when the body comes to its end and 101 when it panics.
pub(crate) fn fork(body: impl FnOnce()) -> Pid {
    // SAFETY: the child runs on the one thread that is left: the tests that fork have no other thread that could hold
    // a lock, and the child's memory is its own.
    match unsafe { nix::unistd::fork() }.unwrap() {
        ForkResult::Parent { child } => child,
        ForkResult::Child => {
            let result = std::panic::catch_unwind(std::panic::AssertUnwindSafe(body));
            // SAFETY: ends the process at once. No destructor runs, in particular none of the parent's tests.
            unsafe { libc::_exit(if result.is_ok() { 0 } else { 101 }) }
        }
    }
}

pub(crate) fn exit_code(child: Pid) -> i32 {
    match uninterrupted(|| waitpid(child, None).map_err(std::io::Error::from)).unwrap() {
        WaitStatus::Exited(_, code) => code,
        other => panic!("the child came to another end: {other:?}"),
    }
}

/// What a child may not do: each is refused by name, or does nothing.
async fn touch(file: &File) {
    assert_eq!(panic_text(|| drop(poll_idly(pin!(File::open("/dev/null"))))), FORKED);
    assert_eq!(panic_text(|| drop(poll_idly(pin!(file.read_at(vec![0; 8], 0))))), FORKED);
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    assert_eq!(panic_text(|| drop(poll_idly(pin!(listener.accept())))), FORKED);
    drop(listener);
    drop(File::from_std(fs::File::open("/dev/null").unwrap()));
    drop(spawn(async { panic!("no task runs in the child") }));
    // Threads of the pool are the parent's, and one may have held their lock.
    assert_eq!(panic_text(|| drop(spawn_blocking(|| ()))), FORKED);
    drop(sleep(Duration::from_secs(1)));
    // A runtime of the child's own can be made.
    assert_eq!(Runtime::new().unwrap().shutdown(), 0);
}

#[test]
fn a_child_that_touches_the_runtime_is_refused_and_its_parent_is_unharmed() {
    // The breaks: no look at `forked` in `Driver::push`; none in `Core::blocking`.
    alone(|| {
        without_panic_messages();
        let scratch = Scratch::new();
        let content = pattern(1, 64 << 10);
        let path = scratch.file("a", &content);
        let runtime = test_builder().build().unwrap();
        runtime.block_on(async {
            let file = File::open(&path).await.unwrap();
            let mut children = Vec::new();
            for round in 0..10_000 {
                let offset = round * 61 % (63 << 10);
                let mut read = Box::pin(file.read_at(vec![0; 100], offset as u64));
                assert!(poll_once(&mut read).await.is_pending());
                if round % 100 == 0 {
                    // With an entry in the queue that no enter has taken yet.
                    children.push(fork(|| match poll_idly(pin!(touch(&file))) {
                        std::task::Poll::Ready(()) => {}
                        std::task::Poll::Pending => panic!("nothing is waited for"),
                    }));
                }
                assert!(read.await.1 == content[offset..offset + 100], "round {round}");
            }
            for child in children {
                assert_eq!(exit_code(child), 0);
            }
            assert_eq!(stats().unknown, 0);
        });
        assert_eq!(runtime.shutdown(), 0);
    });
}

#[test]
fn a_child_in_which_the_runtime_goes_on_panics_out_of_it() {
    // The break: no look at `forked` in `Driver::enter`.
    alone(|| {
        without_panic_messages();
        let runtime = test_builder().build().unwrap();
        let child = fork(|| {
            let text = panic_text(|| runtime.block_on(async { sleep(Duration::from_millis(1)).await }));
            assert_eq!(text, FORKED);
        });
        assert_eq!(exit_code(child), 0);
        runtime.block_on(async { sleep(Duration::from_millis(1)).await });
    });
}

#[test]
fn a_child_that_drops_the_runtime_is_done_at_once_and_cancels_nothing_of_its_parent() {
    // The break: no look at `forked` in `Core::end`.
    alone(|| {
        let scratch = Scratch::new();
        let path = scratch.file("a", "content");
        let runtime = test_builder().build().unwrap();
        let listener = runtime.block_on(TcpListener::bind("127.0.0.1:0")).unwrap();
        let address = listener.local_addr().unwrap();
        let mut accepted = None;
        runtime.block_on(async {
            accepted = Some(spawn(async move {
                let (stream, _) = listener.accept().await.unwrap();
                stream.recv().await.unwrap().to_vec()
            }));
            sleep(Duration::from_millis(1)).await;
        });
        let mut runtime = Some(runtime);
        let child = fork(|| {
            let start = Instant::now();
            drop(runtime.take());
            assert!(start.elapsed() < Duration::from_secs(1));
            let own = Runtime::new().unwrap();
            own.block_on(async {
                let file = File::open(&path).await.unwrap();
                assert_eq!(file.read_at(Vec::with_capacity(16), 0).await.1, b"content");
            });
        });
        assert_eq!(exit_code(child), 0);
        let runtime = runtime.expect("only the child has dropped its own");
        runtime.block_on(async {
            std::net::TcpStream::connect(address).unwrap().write_all(b"to the parent").unwrap();
            assert_eq!(accepted.unwrap().await.unwrap(), b"to the parent");
            yield_now().await;
            assert_eq!(stats().unknown, 0);
        });
        assert_eq!(runtime.shutdown(), 0);
    });
}

#[test]
fn a_child_gives_no_buffer_back_that_its_parent_received() {
    // The break: no look at `forked` in `Pool::is_open`: the shared ring is not mapped in the child.
    alone(|| {
        let runtime = test_builder().build().unwrap();
        runtime.block_on(async {
            let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
            let mut peer = std::net::TcpStream::connect(listener.local_addr().unwrap()).unwrap();
            let (stream, _) = listener.accept().await.unwrap();
            peer.write_all(b"first").unwrap();
            let received = stream.recv().await.unwrap();
            let mut received = Some(received);
            let child = fork(|| drop(received.take()));
            assert_eq!(exit_code(child), 0);
            assert_eq!(&**received.as_ref().unwrap(), b"first");
            drop(received);
            peer.write_all(b"second").unwrap();
            assert_eq!(&*stream.recv().await.unwrap(), b"second");
        });
        assert_eq!(runtime.shutdown(), 0);
    });
}
