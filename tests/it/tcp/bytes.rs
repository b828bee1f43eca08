//! A megabyte through each way to read and to write.

use std::io::Write;
use std::net::Shutdown;
use std::rc::Rc;
use std::sync::OnceLock;
use std::time::Duration;

use bytes::{Bytes, BytesMut};
use uring::buf::{BufResult, IoBuf, IoBufMut};
use uring::net::TcpStream;
use uring::{spawn, time};

use crate::support::{
    builder, check_pattern, joined, on_ring, pair, pattern, peer, read_to_end, run, watched,
};

const MEGABYTE: usize = 1 << 20;

/// Lets a peer send a megabyte and end, while `read` takes pieces until one is empty.
async fn receives(mut read: impl AsyncFnMut(&TcpStream) -> Vec<u8>) {
    let (stream, mut client) = pair().await;
    let client = peer(move || {
        client.write_all(&pattern(1, 0, MEGABYTE)).unwrap();
        client.shutdown(Shutdown::Write).unwrap();
        client
    });
    let mut position = 0;
    loop {
        let piece = read(&stream).await;
        if piece.is_empty() {
            break;
        }
        check_pattern(1, position, &piece);
        position += piece.len();
    }
    assert_eq!(position, MEGABYTE);
    joined(client).await;
}

/// Sends a megabyte from a buffer of some type, and lets the peer check it.
async fn sends<B: IoBuf>(make: impl FnOnce(Vec<u8>) -> B) {
    let (stream, client) = pair().await;
    let client = peer(move || read_to_end(&client));
    let BufResult(result, buf) = stream.write_all(make(pattern(2, 0, MEGABYTE))).await;
    result.unwrap();
    assert_eq!(buf.bytes_init(), MEGABYTE, "the buffer comes back as it was");
    drop(stream);
    let received = joined(client).await;
    assert_eq!(received.len(), MEGABYTE);
    check_pattern(2, 0, &received);
}

// The break is forgetting what a completion with more to come brought (`arrived` without its `push_back`).
#[test]
fn a_megabyte_comes_through_recv() {
    on_ring(async |_| receives(async |stream| stream.recv().await.unwrap().to_vec()).await);
}

// The break is dropping the rest of a buffer of which a read took the first bytes (no `unpop` in `take_stash`).
#[test]
fn a_megabyte_comes_through_small_reads_of_odd_sizes() {
    on_ring(async |mut random| {
        receives(async |stream| {
            let room = Vec::with_capacity(random.below(1..700));
            stream.read(room).await.into_result().unwrap().1
        })
        .await;
    });
}

#[test]
fn a_megabyte_comes_through_large_reads() {
    on_ring(async |_| {
        receives(async |stream| {
            let (bytes, buf) = stream.read(Vec::with_capacity(64 << 10)).await.into_result().unwrap();
            assert_eq!(buf.len(), bytes, "a vector holds exactly what was read");
            buf
        })
        .await;
    });
}

#[test]
fn a_megabyte_comes_through_small_and_large_reads_and_recv_by_turns() {
    on_ring(async |mut random| {
        receives(async |stream| match random.below(0..3) {
            0 => stream.recv().await.unwrap().to_vec(),
            1 => stream.read(BytesMut::with_capacity(100)).await.into_result().unwrap().1.to_vec(),
            _ => {
                let boxed = vec![0; 64 << 10].into_boxed_slice();
                let (bytes, buf) = stream.read(boxed).await.into_result().unwrap();
                buf[..bytes].to_vec()
            }
        })
        .await;
    });
}

#[test]
fn a_megabyte_comes_through_read_exact_in_pieces_of_any_size() {
    on_ring(async |mut random| {
        let mut left = MEGABYTE;
        receives(async |stream| {
            let bytes = random.below(1..20_000).min(left);
            left -= bytes;
            let buf = vec![0; bytes].into_boxed_slice();
            stream.read_exact(buf).await.into_result().unwrap().1.into_vec()
        })
        .await;
    });
}

#[test]
fn a_megabyte_is_sent_from_a_vector() {
    on_ring(async |_| sends(|bytes| bytes).await);
}

#[test]
fn a_megabyte_is_sent_from_a_box() {
    on_ring(async |_| sends(Vec::into_boxed_slice).await);
}

#[test]
fn a_megabyte_is_sent_from_shared_bytes() {
    on_ring(async |_| sends(Bytes::from).await);
}

#[test]
fn a_megabyte_is_sent_from_bytes_that_can_grow() {
    on_ring(async |_| sends(|bytes| BytesMut::from(&bytes[..])).await);
}

#[test]
fn a_megabyte_is_sent_from_static_memory() {
    // Kept by a static and not leaked, which a leak checker would report.
    static BYTES: OnceLock<Vec<u8>> = OnceLock::new();
    on_ring(async |_| sends(|bytes| &BYTES.get_or_init(|| bytes)[..]).await);
}

#[test]
fn a_megabyte_is_sent_from_the_middle_of_a_larger_buffer() {
    on_ring(async |_| {
        sends(|bytes| {
            let mut framed = vec![0xee; 10];
            framed.extend_from_slice(&bytes);
            framed.extend_from_slice(&[0xee; 10]);
            framed.slice(10..10 + bytes.len())
        })
        .await;
    });
}

#[test]
fn a_megabyte_is_sent_in_the_parts_that_the_socket_takes() {
    on_ring(async |_| {
        let (stream, client) = pair().await;
        let client = peer(move || read_to_end(&client));
        let (mut buf, mut sent) = (pattern(3, 0, MEGABYTE), 0);
        while sent < MEGABYTE {
            let (bytes, slice) = stream.write(buf.slice(sent..)).await.into_result().unwrap();
            assert!(bytes > 0);
            (buf, sent) = (slice.into_inner(), sent + bytes);
        }
        drop(stream);
        let received = joined(client).await;
        assert_eq!(received.len(), MEGABYTE);
        check_pattern(3, 0, &received);
    });
}

#[test]
fn received_buffers_are_sent_back_as_they_are() {
    on_ring(async |_| {
        let (stream, client) = pair().await;
        let mut writer = client.try_clone().unwrap();
        let writing = peer(move || {
            writer.write_all(&pattern(4, 0, MEGABYTE)).unwrap();
            writer.shutdown(Shutdown::Write).unwrap();
        });
        let reading = peer(move || read_to_end(&client));
        loop {
            let received = stream.recv().await.unwrap();
            if received.is_empty() {
                break;
            }
            stream.write_all(received).await.into_result().unwrap();
        }
        drop(stream);
        joined(writing).await;
        let received = joined(reading).await;
        assert_eq!(received.len(), MEGABYTE);
        check_pattern(4, 0, &received);
    });
}

#[test]
fn a_part_of_a_buffer_is_read_into_and_the_rest_is_left_alone() {
    on_ring(async |_| {
        let (stream, mut client) = pair().await;
        client.write_all(b"abc").unwrap();
        let (bytes, slice) = stream.read(vec![b'-'; 8].slice_mut(2..7)).await.into_result().unwrap();
        assert_eq!((bytes, &slice.into_inner()[..]), (3, &b"--abc---"[..]));
    });
}

// The break is `filled` not counted in what `read_exact` asks the kernel for: the buffer's beginning is overwritten.
#[test]
fn a_large_read_exact_goes_on_where_it_stopped() {
    on_ring(async |_| {
        let (stream, mut client) = pair().await;
        let sending = spawn(async move {
            for part in 0..6 {
                time::sleep(Duration::from_millis(2)).await;
                client.write_all(&pattern(1, part * 5000, 5000)).unwrap();
            }
        });
        let (_, bytes) = stream.read_exact(vec![0; 30_000]).await.into_result().unwrap();
        check_pattern(1, 0, &bytes);
        sending.await.unwrap();
    });
}

// A13. The kernel lets an empty receive wait for bytes and then says 0, which would look like the end. The breaks are a
// read that is not done without room (`is_done`), and one that waits in line to be told so (the answer at the start of
// `poll_bytes`).
#[test]
fn a_buffer_without_room_is_answered_at_once_and_is_not_the_end() {
    on_ring(async |_| {
        let (stream, mut client) = pair().await;
        let stream = Rc::new(stream);
        let reader = Rc::clone(&stream);
        let reading = spawn(async move { reader.recv().await.map(|bytes| bytes.to_vec()) });
        uring::yield_now().await;
        assert_eq!(stream.read(Vec::new()).await.into_result().unwrap().0, 0);
        stream.read_exact(Vec::new()).await.into_result().unwrap();
        assert_eq!(stream.read(Box::<[u8]>::default()).await.into_result().unwrap().0, 0);
        assert_eq!(stream.write(Vec::new()).await.into_result().unwrap().0, 0);
        stream.write_all(Bytes::new()).await.into_result().unwrap();
        client.write_all(b"later").unwrap();
        assert_eq!(reading.await.unwrap().unwrap(), b"later");
        assert_eq!(stream.read(Vec::new()).await.into_result().unwrap().0, 0);
        client.write_all(b"and more").unwrap();
        assert_eq!(&stream.recv().await.unwrap()[..], b"and more");
    });
}

#[test]
fn a_thousand_connections_are_served_at_once() {
    watched(|_| {
        run(builder(), async {
            let (listener, address) = crate::support::listener().await;
            let clients = peer(move || {
                let mut clients: Vec<_> = (0..1000).map(|_| crate::support::dial(address)).collect();
                for (id, client) in clients.iter_mut().enumerate() {
                    client.write_all(&pattern(id as u64, 0, 5000)).unwrap();
                    client.shutdown(Shutdown::Write).unwrap();
                }
                for (id, client) in clients.iter().enumerate() {
                    let echoed = read_to_end(client);
                    assert_eq!(echoed.len(), 5000, "client {id}");
                    check_pattern(id as u64, 0, &echoed);
                }
            });
            for _ in 0..1000 {
                let (stream, _) = listener.accept().await.unwrap();
                drop(spawn(async move {
                    loop {
                        let received = stream.recv().await.unwrap();
                        if received.is_empty() {
                            return;
                        }
                        stream.write_all(received).await.into_result().unwrap();
                    }
                }));
            }
            joined(clients).await;
        });
    });
}
