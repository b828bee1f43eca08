//! The two halves of a connection.

use std::io::{Read, Write};
use std::net::Shutdown;
use std::time::Duration;

use uring::{spawn, time};

use crate::support::{check_pattern, joined, on_ring, pair, pattern, peer, read_to_end};

#[test]
fn the_halves_work_in_two_tasks_at_once() {
    on_ring(async |_| {
        const BYTES: usize = 300_000;
        let (stream, client) = pair().await;
        let mut writer = client.try_clone().unwrap();
        let writing = peer(move || {
            writer.write_all(&pattern(1, 0, BYTES)).unwrap();
            writer.shutdown(Shutdown::Write).unwrap();
        });
        let reading = peer(move || read_to_end(&client));
        let (read, write) = stream.into_split();
        let receiver = spawn(async move {
            let mut position = 0;
            loop {
                let bytes = read.recv().await.unwrap();
                if bytes.is_empty() {
                    return position;
                }
                check_pattern(1, position, &bytes);
                position += bytes.len();
            }
        });
        let sender =
            spawn(async move { write.write_all(pattern(2, 0, BYTES)).await.into_result().map(drop) });
        sender.await.unwrap().unwrap();
        assert_eq!(receiver.await.unwrap(), BYTES);
        joined(writing).await;
        let received = joined(reading).await;
        assert_eq!(received.len(), BYTES);
        check_pattern(2, 0, &received);
    });
}

#[test]
fn the_halves_of_one_connection_go_together_again() {
    on_ring(async |_| {
        let (stream, mut client) = pair().await;
        let (other, _other_client) = pair().await;
        let address = stream.peer_addr().unwrap();
        let (read, write) = stream.into_split();
        let (other_read, other_write) = other.into_split();
        let error = read.reunite(other_write).unwrap_err();
        assert!(error.to_string().contains("not of the same connection"));
        let (read, other_write) = (error.0, error.1);
        let stream = read.reunite(write).unwrap();
        assert_eq!(stream.peer_addr().unwrap(), address);
        // No half was dropped on the way, so neither direction has ended.
        stream.write_all("whole").await.into_result().unwrap();
        let mut bytes = [0; 5];
        client.read_exact(&mut bytes).unwrap();
        assert_eq!(&bytes, b"whole");
        assert!(other_read.reunite(other_write).is_ok());
    });
}

// The break is a drop of the half that writes without its `shutdown`: the peer's read never ends.
#[test]
fn dropping_the_half_that_writes_ends_the_stream_after_the_writes_that_have_begun() {
    on_ring(async |_| {
        const BYTES: usize = 8 << 20;
        let (stream, mut client) = pair().await;
        let (read, write) = stream.into_split();
        let begun = time::timeout(Duration::from_millis(2), write.write_all(pattern(3, 0, BYTES))).await;
        assert!(begun.is_err(), "nobody reads, and the socket does not take so much");
        drop(write);
        let reading = peer(move || {
            let received = read_to_end(&client);
            client.write_all(b"still open").unwrap();
            received
        });
        assert_eq!(&read.recv().await.unwrap()[..], b"still open");
        let received = joined(reading).await;
        assert_eq!(received.len(), BYTES);
        check_pattern(3, 0, &received);
    });
}

#[test]
fn dropping_the_half_that_reads_leaves_the_other_as_it_is() {
    on_ring(async |_| {
        let (stream, client) = pair().await;
        let (read, write) = stream.into_split();
        assert!(time::timeout(Duration::from_millis(2), read.recv()).await.is_err());
        drop(read);
        time::sleep(Duration::from_millis(2)).await;
        write.write_all("on and on").await.into_result().unwrap();
        drop(write);
        assert_eq!(joined(peer(move || read_to_end(&client))).await, b"on and on");
    });
}
