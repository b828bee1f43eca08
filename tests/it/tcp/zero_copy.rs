//! Writes without a copy. On loopback the kernel copies all the same, but only where the bytes arrive: until the peer takes
//! them it reads the buffers, which is what these tests need of it.

use std::io::{ErrorKind, Read};
use std::net::TcpStream as StdStream;
use std::os::fd::OwnedFd;
use std::os::unix::net::UnixStream;
use std::rc::Rc;
use std::sync::{Arc, Barrier};
use std::time::Duration;

use nix::sys::resource::{Resource, setrlimit};
use nix::sys::socket::{setsockopt, sockopt};
use nix::unistd::{Uid, setuid};
use uring::buf::{BufResult, IoBuf};
use uring::net::TcpStream;
use uring::{JoinHandle, macro_support, spawn, stats, time, yield_now};

use crate::alone::{alone, alone_and_leaking};
use crate::kit::{poll_once, until};
use crate::support::counted::Ledger;
use crate::support::{check_pattern, joined, narrow_pair, on_ring, pair, pattern, peer, read_to_end};

/// More than the peer's socket takes while nobody reads there.
const QUEUED: usize = 200_000;

/// A connection whose peer's socket is full, with room on this side: what is written here stays here until the peer reads.
/// The first `QUEUED` bytes of the pattern are written.
async fn full_pair() -> (TcpStream, StdStream) {
    let (stream, client) = narrow_pair().await;
    setsockopt(&stream, sockopt::SndBuf, &(4 << 20)).unwrap();
    stream.write_all(pattern(1, 0, QUEUED)).await.into_result().unwrap();
    (stream, client)
}

/// Writes of both kinds, all at once, in this order.
const WRITES: usize = 96;

// The break: a result is taken for the last completion (`cqe.more()` in `Records::deliver`), so that what is written into the
// buffer then may reach the peer.
#[test]
fn megabytes_come_whole_and_in_order_between_writes_with_a_copy() {
    on_ring(async |mut random| {
        let (stream, client) = pair().await;
        let stream = Rc::new(stream);
        let mut sending = Vec::new();
        let mut total = 0;
        for number in 0..WRITES {
            let bytes = random.below(1..400_000);
            let (stream, block) = (Rc::clone(&stream), pattern(1, total, bytes));
            total += bytes;
            sending.push(spawn(async move {
                if number % 3 == 0 {
                    return stream.write_all(block).await.into_result().map(drop);
                }
                let BufResult(result, mut block) = stream.write_all_zero_copy(block).await;
                // The kernel must not see this any more.
                block.fill(0xa5);
                result
            }));
        }
        // Nobody reads yet: what is queued waits for acknowledgements, and what is not for room.
        time::sleep(Duration::from_millis(1)).await;
        let reading = peer(move || read_to_end(&client));
        for sent in sending {
            sent.await.unwrap().unwrap();
        }
        let stats = stats();
        assert_eq!(stats.zero_copy_sends as usize, WRITES - WRITES / 3, "{stats:?}");
        println!("{} of {} were copied", stats.zero_copy_copied, stats.zero_copy_sends);
        drop(stream);
        let received = joined(reading).await;
        assert_eq!(received.len(), total);
        check_pattern(1, 0, &received);
    });
}

// The breaks: `SendZeroCopy::more` keeps its place in the line, so that a second write waits for the peer; the operation
// holds the descriptor of its own, so that the connection cannot be taken off its core.
#[test]
fn a_peer_that_does_not_read_holds_buffers_and_neither_the_line_nor_the_descriptor() {
    on_ring(async |_| {
        const BYTES: usize = 4000;
        let (stream, client) = full_pair().await;
        let (stream, ledger) = (Rc::new(stream), Ledger::default());
        let sending: Vec<_> = (0..8)
            .map(|number| {
                let stream = Rc::clone(&stream);
                let block = ledger.holding(pattern(1, QUEUED + number * BYTES, BYTES));
                spawn(async move { stream.write_all_zero_copy(block).await.into_result().map(drop) })
            })
            .collect();
        yield_now().await;
        stream.write_all(pattern(1, QUEUED + 8 * BYTES, 100)).await.into_result().unwrap();
        assert_eq!(ledger.dropped(), 0, "all are queued, and none is released");
        sending.iter().for_each(JoinHandle::abort);
        for task in sending {
            assert!(task.await.is_err());
        }
        let stream = Rc::into_inner(stream).expect("the tasks are gone").detach().await.unwrap().attach();
        stream.write_all(pattern(1, QUEUED + 8 * BYTES + 100, 100)).await.into_result().unwrap();
        assert_eq!(ledger.dropped(), 0, "a buffer stays until it is released, whoever has gone");
        drop(stream);
        let received = joined(peer(move || read_to_end(&client))).await;
        assert_eq!(received.len(), QUEUED + 8 * BYTES + 200);
        check_pattern(1, 0, &received);
        until("all are released", || ledger.dropped() == 8).await;
        ledger.check();
    });
}

// The break: `SendZeroCopy::outcome` tells no error.
#[test]
fn a_peer_that_goes_away_without_reading_releases_the_buffers() {
    on_ring(async |_| {
        let (stream, client) = full_pair().await;
        let ledger = Ledger::default();
        let (queued, stuck) = (ledger.holding(vec![1; 4000]), ledger.holding(vec![2; 64 << 20]));
        {
            let mut queued = Box::pin(stream.write_all_zero_copy(queued));
            let mut stuck = Box::pin(stream.write_all_zero_copy(stuck));
            assert!(poll_once(&mut queued).await.is_pending() && poll_once(&mut stuck).await.is_pending());
            time::sleep(Duration::from_millis(2)).await;
            assert!(poll_once(&mut queued).await.is_pending() && poll_once(&mut stuck).await.is_pending());
            // With bytes that were not read: a reset.
            drop(client);
            assert!(queued.await.is_ok(), "it was queued before");
            let BufResult(result, buf) = stuck.await;
            let kind = result.unwrap_err().kind();
            assert!(matches!(kind, ErrorKind::ConnectionReset | ErrorKind::BrokenPipe), "{kind:?}");
            assert_eq!(buf.bytes_init(), 64 << 20, "the buffer comes back with the error");
        }
        assert!(stream.write_all_zero_copy(vec![3; 10]).await.into_result().is_err());
        ledger.check();
    });
}

// A2. The break: `Core::drain` says at its deadline that nothing is left.
#[test]
fn a_runtime_that_ends_waits_for_its_peer_to_read_and_leaks_the_buffer_when_it_does_not() {
    alone_and_leaking(|| {
        for reads in [true, false] {
            let drain = if reads { Duration::from_secs(20) } else { Duration::from_millis(100) };
            let runtime = macro_support::test_builder().drain_timeout(drain).build().unwrap();
            let ledger = Ledger::default();
            let client = runtime.block_on(async {
                let (stream, client) = full_pair().await;
                let bytes = ledger.holding(pattern(1, QUEUED, 4000));
                let mut write = Box::pin(stream.write_all_zero_copy(bytes));
                assert!(poll_once(&mut write).await.is_pending());
                time::sleep(Duration::from_millis(2)).await;
                assert!(poll_once(&mut write).await.is_pending());
                client
            });
            assert_eq!(runtime.audit().operations, 1);
            let ready = Arc::new(Barrier::new(2));
            let reading = reads.then(|| {
                let (client, ready) = (client.try_clone().unwrap(), Arc::clone(&ready));
                peer(move || {
                    ready.wait();
                    read_to_end(&client)
                })
            });
            if reads {
                ready.wait();
            }
            assert_eq!(runtime.shutdown(), usize::from(!reads));
            assert_eq!(ledger.dropped(), usize::from(reads));
            if let Some(reading) = reading {
                let received = reading.join().unwrap();
                assert_eq!(received.len(), QUEUED + 4000);
                check_pattern(1, 0, &received);
            }
        }
    });
}

// The break: an errno of `Next::Copy` left out of `SendZeroCopy::told`.
#[test]
fn a_socket_that_cannot_do_without_a_copy_sends_with_one_and_says_so() {
    on_ring(async |_| {
        // A stream socket of another family, which a descriptor does not tell.
        let (ours, mut client) = UnixStream::pair().unwrap();
        let stream = TcpStream::from_std(StdStream::from(OwnedFd::from(ours))).unwrap();
        let reading = peer(move || {
            let mut bytes = Vec::new();
            client.read_to_end(&mut bytes).unwrap();
            bytes
        });
        for part in 0..4 {
            let block = pattern(1, part * 1_000_000, 1_000_000);
            stream.write_all_zero_copy(block).await.into_result().unwrap();
        }
        let stats = stats();
        assert_eq!((stats.zero_copy_sends, stats.zero_copy_refused), (0, 4), "{stats:?}");
        drop(stream);
        let received = joined(reading).await;
        assert_eq!(received.len(), 4_000_000);
        check_pattern(1, 0, &received);
    });
}

// The break: as above.
#[test]
fn more_than_may_be_locked_is_sent_with_a_copy() {
    alone(|| {
        const BYTES: usize = 16 << 20;
        setrlimit(Resource::RLIMIT_MEMLOCK, BYTES as u64 / 2, BYTES as u64 / 2).unwrap();
        if Uid::effective().is_root() {
            // What root has locked is accounted to nobody.
            setuid(Uid::from_raw(65534)).unwrap();
        }
        let runtime = macro_support::test_builder().build().unwrap();
        runtime.block_on(async {
            let (stream, client) = pair().await;
            let reading = peer(move || read_to_end(&client));
            for (part, bytes) in [(0, BYTES), (BYTES, 100)] {
                stream.write_all_zero_copy(pattern(1, part, bytes)).await.into_result().unwrap();
            }
            drop(stream);
            let received = joined(reading).await;
            assert_eq!(received.len(), BYTES + 100);
            check_pattern(1, 0, &received);
        });
        let stats = runtime.stats();
        assert_eq!((stats.zero_copy_sends, stats.zero_copy_refused), (1, 1), "{stats:?}");
    });
}
