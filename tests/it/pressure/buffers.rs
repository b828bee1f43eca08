//! Futures that are dropped at each poll: their buffers live until the kernel is done with them, and no longer (A1).

use std::io::{Read, Write};
use std::pin::pin;
use std::task::Poll;

use uring::fs::File;
use uring::net::TcpStream;

use crate::support::counted::Ledger;
use crate::support::{joined, listener, narrow_pair, on_ring, pair, pattern, peer, settles};

/// How often futures are polled before they are dropped.
const POLLS: [usize; 4] = [0, 1, 2, 3];

/// Polls a future so many times, with a turn of the core after each, and drops it. Gives whether it was done by then.
async fn poll_times<F: Future>(polls: usize, future: F) -> bool {
    let mut future = pin!(future);
    let mut polled = 0;
    std::future::poll_fn(|cx| {
        if polled == polls {
            return Poll::Ready(false);
        }
        polled += 1;
        if future.as_mut().poll(cx).is_ready() {
            return Poll::Ready(true);
        }
        cx.waker().wake_by_ref();
        Poll::Pending
    })
    .await
}

/// Waits until nothing is in flight but the core's own bell.
async fn quiet() {
    settles(|| uring::stats().in_flight, 1).await;
}

// The break is a record that goes with its future (`abandon` that takes it out of the table): the kernel then writes to
// memory that was freed, which the ledger's quarantine sees, or the record is forgotten with its buffer.
#[test]
fn a_read_that_is_dropped_keeps_its_buffer_until_the_kernel_is_done_with_it() {
    on_ring(async |mut random| {
        let ledger = Ledger::default();
        for round in 0..60 {
            for polls in POLLS {
                let (stream, mut client) = pair().await;
                let room = if round % 2 == 0 { 500 } else { 20_000 };
                let early = random.once_in(2);
                if early {
                    client.write_all(&pattern(1, 0, 3000)).unwrap();
                }
                if random.once_in(2) {
                    poll_times(polls, stream.read(ledger.room(room))).await;
                } else {
                    poll_times(polls, stream.read_exact(ledger.room(room))).await;
                }
                client.write_all(&pattern(1, 0, 3000)).unwrap();
                uring::yield_now().await;
                drop(stream);
            }
        }
        quiet().await;
        ledger.check();
    });
}

#[test]
fn a_read_of_a_file_that_is_dropped_keeps_its_buffer_until_the_kernel_is_done_with_it() {
    on_ring(async |_| {
        let ledger = Ledger::default();
        for _ in 0..60 {
            for polls in POLLS {
                let (reader, mut writer) = std::io::pipe().unwrap();
                let file = File::from_std(std::fs::File::from(std::os::fd::OwnedFd::from(reader)));
                let done = poll_times(polls, file.read_at(ledger.room(100), 0)).await;
                assert!(!done, "nothing was written");
                // Before the cancel has reached the read, it may still take this.
                writer.write_all(&pattern(1, 0, 100)).unwrap();
                uring::yield_now().await;
            }
        }
        quiet().await;
        ledger.check();
    });
}

// The break is as above: the peer then gets what the quarantine has written into the buffer.
#[test]
fn a_write_that_is_dropped_keeps_its_buffer_until_the_kernel_is_done_with_it() {
    on_ring(async |_| {
        const BYTES: usize = 300_000;
        let ledger = Ledger::default();
        for polls in POLLS {
            let (stream, mut client) = narrow_pair().await;
            let before = ledger.dropped();
            let done = poll_times(polls, stream.write_all(ledger.holding(pattern(2, 0, BYTES)))).await;
            assert!(!done, "nobody reads");
            let expected = if polls == 0 { 0 } else { BYTES };
            assert_eq!(
                ledger.dropped() - before,
                usize::from(polls == 0),
                "the buffer is let go of after {polls}"
            );
            let reading = peer(move || {
                let mut received = Vec::new();
                client.read_to_end(&mut received).map(|_| received)
            });
            drop(stream);
            let received = joined(reading).await.unwrap();
            assert_eq!(received.len(), expected);
            crate::support::check_pattern(2, 0, &received);
        }
        quiet().await;
        ledger.check();
    });
}

#[test]
fn accepts_connects_and_receives_can_be_dropped_at_each_poll() {
    on_ring(async |_| {
        for _ in 0..50 {
            for polls in POLLS {
                let (listener, address) = listener().await;
                poll_times(polls, listener.accept()).await;
                poll_times(polls, TcpStream::connect(address)).await;
                poll_times(polls, listener.accept()).await;
                let (stream, mut client) = pair().await;
                poll_times(polls, stream.recv()).await;
                client.write_all(b"after").unwrap();
                assert_eq!(&stream.recv().await.unwrap()[..], b"after");
                poll_times(polls, stream.shutdown()).await;
            }
        }
        quiet().await;
        settles(|| uring::stats().buffers_free, uring::stats().buffers).await;
    });
}
