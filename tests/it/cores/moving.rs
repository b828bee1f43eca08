//! A connection that moves to another core: every byte arrives there, in order.

use std::io::{Read, Write};
use std::thread;
use std::time::Duration;

use uring::net::TcpStream;
use uring::time;

use super::spawn::{Core, Left};
use crate::support::{builder, check_pattern, nothing_is_left, pair, pattern, watched};

/// Reads so many bytes and checks them.
async fn read_pattern(stream: &TcpStream, from: usize, bytes: usize) {
    let mut at = from;
    while at < from + bytes {
        let received = stream.recv().await.unwrap();
        assert!(!received.is_empty(), "the stream ended at {at}");
        check_pattern(1, at, &received);
        at += received.len();
    }
}

#[test]
fn a_connection_moves_to_and_fro_while_bytes_arrive_and_loses_none() {
    watched(|mut random| {
        const BYTES: usize = 4 << 20;
        let core = Core::start();
        let runtime = builder().build().unwrap();
        let (here, there) = (runtime.handle(), core.handle);
        let (stream, mut peer) = runtime.block_on(pair());
        let writer = thread::spawn(move || {
            let bytes = pattern(1, 0, BYTES);
            for chunk in bytes.chunks(1777) {
                peer.write_all(chunk).unwrap();
            }
            peer
        });
        let rounds: Vec<usize> = (0..60).map(|_| random.below(0..15_000)).collect();
        let mut peer = runtime.block_on(async move {
            let (mut stream, mut at) = (stream, 0);
            for (round, wanted) in rounds.into_iter().enumerate() {
                // A receive that is armed, and perhaps has brought something, when the connection leaves.
                if let Ok(received) = time::timeout(Duration::from_micros(50), stream.recv()).await {
                    let received = received.unwrap();
                    check_pattern(1, at, &received);
                    at += received.len();
                }
                let to = if round % 2 == 0 { there } else { here };
                let wanted = wanted.min(BYTES - at);
                let moved = stream.move_to(to, move |stream| async move {
                    // The break: in `Receiver::part`, the stash is left where it is.
                    let mut read = 0;
                    while read < wanted {
                        let received = stream.recv().await.unwrap();
                        check_pattern(1, at + read, &received);
                        read += received.len();
                    }
                    (stream.detach().await.unwrap(), read)
                });
                let (detached, read) = moved.await.unwrap().await.unwrap();
                at += read;
                stream = detached.attach();
            }
            read_pattern(&stream, at, BYTES - at).await;
            stream.write_all(b"all".to_vec()).await.into_result().unwrap();
            writer.join().unwrap()
        });
        let mut said = [0; 3];
        peer.read_exact(&mut said).unwrap();
        assert_eq!(&said, b"all");
        nothing_is_left(runtime);
        core.end(Left::Nothing);
    });
}
