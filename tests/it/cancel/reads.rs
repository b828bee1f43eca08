//! Reads that are dropped lose no byte (hazards B2 and B3).

use std::io::Write;
use std::net::{Shutdown, TcpStream as StdStream};
use std::rc::Rc;
use std::time::Duration;

use uring::net::TcpStream;
use uring::{Builder, spawn, time};

use crate::support::{Random, builder, check_pattern, joined, on_ring, pair, pattern, peer, run, watched};

/// 100,000 messages of four bytes, each of which is the message's number.
const BYTES: usize = 400_000;

/// How a peer sends.
#[derive(Clone, Copy)]
struct Pace {
    /// Of one piece.
    bytes_max: usize,
    /// Between two pieces, half of the time.
    gap_micros_max: u64,
}

const OFTEN_LITTLE: Pace = Pace { bytes_max: 400, gap_micros_max: 200 };
const SELDOM_MUCH: Pace = Pace { bytes_max: 9000, gap_micros_max: 4000 };

/// Sends the messages in pieces that do not respect them, with gaps.
fn send_with_gaps(mut client: StdStream, mut random: Random, pace: Pace) {
    let mut sent = 0;
    while sent < BYTES {
        let bytes = random.below(1..pace.bytes_max).min(BYTES - sent);
        client.write_all(&pattern(0, sent, bytes)).unwrap();
        sent += bytes;
        if random.once_in(2) {
            std::thread::sleep(random.micros(pace.gap_micros_max));
        }
    }
    client.shutdown(Shutdown::Write).unwrap();
}

/// One read of a random kind, which is dropped when its time is over. `None` then; nothing at the end.
async fn read_some(stream: &TcpStream, random: &mut Random, left: usize) -> Option<Vec<u8>> {
    let deadline = random.micros(300);
    match random.below(0..4) {
        0 => time::timeout(deadline, stream.recv()).await.ok().map(|bytes| bytes.unwrap().to_vec()),
        1 => {
            let read = stream.read(Vec::with_capacity(random.below(1..64)));
            time::timeout(deadline, read).await.ok().map(|read| read.into_result().unwrap().1)
        }
        2 => {
            let read = stream.read(Vec::with_capacity(64 << 10));
            time::timeout(deadline, read).await.ok().map(|read| read.into_result().unwrap().1)
        }
        _ => {
            // Small enough for the pool, or so large that the kernel fills the buffer itself.
            let most = if random.once_in(2) { 512 } else { 6000 };
            let bytes = random.below(1..most).min(left.max(1));
            let read = stream.read_exact(Vec::with_capacity(bytes));
            let read = time::timeout(deadline, read).await.ok()?;
            if left == 0 { Some(Vec::new()) } else { Some(read.into_result().unwrap().1) }
        }
    }
}

async fn all_messages_come(mut random: Random, pace: Pace) {
    let (stream, client) = pair().await;
    let sending = random.fork();
    let client = peer(move || send_with_gaps(client, sending, pace));
    let (mut position, mut dropped) = (0, 0);
    loop {
        match read_some(&stream, &mut random, BYTES - position).await {
            Some(bytes) if bytes.is_empty() => break,
            Some(bytes) => {
                check_pattern(0, position, &bytes);
                position += bytes.len();
            }
            None => dropped += 1,
        }
    }
    assert_eq!(position, BYTES, "everything came before the end");
    println!("{dropped} reads dropped");
    assert!(dropped > 50, "too few reads were dropped to test anything");
    joined(client).await;
}

// The breaks are a dropped large read that keeps its bytes (`orphaned` of `RecvInto` without its `kept`), a dropped
// `read_exact` that does (no `unpop` in the drop of `Read`), and bytes put back behind those that came later
// (`push_back` in `unpop`).
#[test]
fn reads_that_are_dropped_lose_no_byte_and_no_order() {
    on_ring(async |random| all_messages_come(random, OFTEN_LITTLE).await);
}

#[test]
fn reads_that_are_dropped_lose_no_byte_when_much_comes_at_once() {
    on_ring(async |random| all_messages_come(random, SELDOM_MUCH).await);
}

/// The same on a ring whose pool is so small that receives go one by one, and wait for buffers.
#[test]
fn reads_that_are_dropped_lose_no_byte_when_buffers_are_short() {
    let tiny = || -> Builder { builder().recv_buffers(2).recv_buffers_max(2).recv_buffer_bytes(128) };
    watched(|random| run(tiny(), all_messages_come(random, OFTEN_LITTLE)));
}

/// As above with tasks that are aborted, instead of futures that are timed out.
#[test]
fn tasks_that_are_aborted_while_they_read_lose_no_byte() {
    on_ring(async |mut random| {
        let (stream, client) = pair().await;
        let (stream, sending) = (Rc::new(stream), random.fork());
        let client = peer(move || send_with_gaps(client, sending, OFTEN_LITTLE));
        let position = Rc::new(std::cell::Cell::new(0));
        while position.get() < BYTES {
            let (stream, place, mut own) = (Rc::clone(&stream), Rc::clone(&position), random.fork());
            let reader = spawn(async move {
                loop {
                    let buf = Vec::with_capacity(if own.once_in(2) { 100 } else { 10_000 });
                    let (_, bytes) = stream.read(buf).await.into_result().unwrap();
                    check_pattern(0, place.get(), &bytes);
                    place.set(place.get() + bytes.len());
                    if bytes.is_empty() {
                        return;
                    }
                }
            });
            time::sleep(random.micros(500)).await;
            reader.abort();
            let _ = reader.await;
        }
        joined(client).await;
    });
}

// The break is a dropped `read_exact` in flight that brings its bytes back only with those that the kernel still waits
// for (no `give_back` in the drop of `Read`): the peer has sent all it has, and the next reader waits for ever.
#[test]
fn what_a_dropped_read_exact_had_read_is_there_at_once() {
    on_ring(async |_| {
        for room in [1000, 64 << 10] {
            let (stream, mut client) = pair().await;
            client.write_all(&pattern(1, 0, 300)).unwrap();
            let read = stream.read_exact(Vec::with_capacity(room));
            assert!(time::timeout(Duration::from_millis(2), read).await.is_err(), "it waits for more");
            let mut position = 0;
            while position < 300 {
                let again = time::timeout(Duration::from_secs(1), stream.read(Vec::with_capacity(7))).await;
                let (_, bytes) = again.expect("the bytes are there").into_result().unwrap();
                check_pattern(1, position, &bytes);
                position += bytes.len();
            }
            // What comes later comes behind, also where the dropped read is still armed.
            client.write_all(&pattern(1, 300, 300)).unwrap();
            let rest = stream.read_exact(vec![0; 300]).await.into_result().unwrap().1;
            check_pattern(1, 300, &rest);
        }
    });
}

// B3. With a timeout that is linked in the ring, a deadline that meets the bytes gives ECANCELED instead of them. The
// break is a dropped read whose bytes go with it (`orphaned` of `RecvInto` without its `kept`).
#[test]
fn a_deadline_that_meets_the_bytes_is_never_an_error_and_never_a_loss() {
    on_ring(async |mut random| {
        let (stream, client) = pair().await;
        let (mut sent, mut position, mut met) = (0, 0, 0);
        for _ in 0..2000 {
            let bytes = random.below(1..5000);
            let (mut client, moment) = (client.try_clone().unwrap(), random.micros(150));
            let sending = spawn(async move {
                time::sleep(moment).await;
                client.write_all(&pattern(5, sent, bytes)).unwrap();
            });
            let room = Vec::with_capacity(if random.once_in(2) { 1000 } else { 20_000 });
            if let Ok(read) = time::timeout(random.micros(150), stream.read(room)).await {
                let (_, read) = read.into_result().unwrap();
                check_pattern(5, position, &read);
                (position, met) = (position + read.len(), met + 1);
            }
            sending.await.unwrap();
            sent += bytes;
            while position < sent {
                let bytes = time::timeout(Duration::from_secs(5), stream.recv()).await.unwrap().unwrap();
                check_pattern(5, position, &bytes);
                position += bytes.len();
            }
        }
        println!("{met} of 2000 reads were faster than their deadline");
        assert_eq!(position, sent);
    });
}
