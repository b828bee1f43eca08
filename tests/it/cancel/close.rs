//! Streams that are dropped are closed at once, once, and after what they had begun (hazard B10).

use std::fs::{File, read_link};
use std::os::fd::AsRawFd;
use std::time::{Duration, Instant};

use uring::time;

use crate::support::{
    alone, builder, check_pattern, descriptors, joined, on_ring, pair, pattern, peer, read_to_end, run,
    settles,
};

// A close of a socket with a receive in flight sends no FIN: the receive holds the socket. The break is a drop of the
// receiver without its cancel.
#[test]
fn the_peer_sees_the_end_when_a_stream_with_an_armed_receive_is_dropped() {
    on_ring(async |_| {
        for room in [0, 100, 64 << 10] {
            let (stream, client) = pair().await;
            let waited = match room {
                0 => time::timeout(Duration::from_millis(2), stream.recv()).await.is_ok(),
                _ => time::timeout(Duration::from_millis(2), stream.read(vec![0; room])).await.is_ok(),
            };
            assert!(!waited, "nothing was sent");
            let reading = peer(move || {
                assert!(read_to_end(&client).is_empty());
                Instant::now()
            });
            let begin = Instant::now();
            drop(stream);
            let latency = joined(reading).await.duration_since(begin);
            println!("room {room}: the end came after {latency:?}");
            assert!(latency < Duration::from_secs(1));
        }
    });
}

// The break is an operation that keeps its share of the descriptor (a clone of `Fd` that is forgotten).
#[test]
fn the_descriptor_is_closed_when_the_stream_and_its_operations_are_gone() {
    alone(|_| {
        run(builder(), async {
            let before = descriptors();
            for _ in 0..50 {
                let (stream, client) = pair().await;
                assert!(time::timeout(Duration::from_micros(100), stream.recv()).await.is_err());
                drop((stream, client));
            }
            settles(descriptors, before).await;
        });
    });
}

// The break is a close through the ring that leaves the descriptor to its owner as well (`as_raw_fd` in place of
// `into_raw_fd` in the driver's `close`): the number is free at once, is given to the file here, and is closed again.
#[test]
fn the_descriptor_is_closed_once() {
    alone(|_| {
        run(builder(), async {
            for _ in 0..100 {
                let (stream, _client) = pair().await;
                drop(stream);
                // Whatever number is free now is taken.
                let files: Vec<_> = (0..4).map(|_| File::open("/dev/null").unwrap()).collect();
                time::sleep(Duration::from_micros(100)).await;
                for file in &files {
                    let link = read_link(format!("/proc/self/fd/{}", file.as_raw_fd()));
                    assert_eq!(link.unwrap().to_str(), Some("/dev/null"), "a number was closed twice");
                }
            }
        });
    });
}

// The break is a drop of the receiver without its cancel: the bytes come, and the end does not.
#[test]
fn what_was_written_comes_before_the_end_when_a_stream_is_dropped_with_a_write_pending() {
    on_ring(async |_| {
        const BYTES: usize = 6 << 20;
        let (stream, client) = pair().await;
        let write = stream.write_all(pattern(9, 0, BYTES));
        assert!(time::timeout(Duration::from_millis(1), write).await.is_err(), "nobody reads");
        assert!(time::timeout(Duration::from_millis(1), stream.recv()).await.is_err(), "nobody writes");
        drop(stream);
        let received = joined(peer(move || read_to_end(&client))).await;
        assert_eq!(received.len(), BYTES);
        check_pattern(9, 0, &received);
    });
}
