//! A pool of eight buffers under hundreds of connections (hazard C7).

use std::cell::Cell;
use std::io::{ErrorKind, Read, Write};
use std::net::Shutdown;
use std::rc::Rc;
use std::time::Duration;

use uring::buf::RecvBuf;
use uring::net::TcpStream;
use uring::{Builder, spawn, time};

use crate::storm;
use crate::support::{
    Random, builder, check_pattern, joined, pair, pattern, peer, run, settles, thread_cpu, watched,
};

const CONNECTIONS: usize = 1000;
const BYTES: usize = 30_000;
/// Connections that keep the first buffer they get, of the eight that there are.
const HOARDERS: usize = 6;

fn tiny() -> Builder {
    builder().recv_buffers(8).recv_buffers_max(8)
}

/// Takes everything, and holds each buffer for a moment.
async fn consume(stream: TcpStream, id: usize, progress: Rc<Vec<Cell<usize>>>, mut random: Random) {
    let mut position = 0;
    loop {
        let bytes = stream.recv().await.unwrap();
        if bytes.is_empty() {
            assert_eq!(position, BYTES, "connection {id}");
            return;
        }
        check_pattern(id as u64, position, &bytes);
        position += bytes.len();
        progress[id].set(position);
        time::sleep(random.micros(200)).await;
    }
}

/// Connections whose buffers are kept: one each.
async fn hoarders() -> Vec<(TcpStream, std::net::TcpStream, RecvBuf)> {
    let mut hoarders = Vec::new();
    for _ in 0..HOARDERS {
        let (stream, mut client) = pair().await;
        client.write_all(&[1]).unwrap();
        let held = stream.recv().await.unwrap();
        // More is there for it, and it does not take it.
        client.write_all(&pattern(0, 0, BYTES)).unwrap();
        hoarders.push((stream, client, held));
    }
    hoarders
}

// The breaks are an `ENOBUFS` that comes through as an error (no such case in `ended`), and a line of those who wait
// that is served from its end (`pop_back` in `feed_starved`), which starves the first.
#[test]
fn eight_buffers_most_of_them_hoarded_serve_a_thousand_connections_in_fair_turns() {
    watched(|mut random| {
        run(tiny(), async move {
            let hoarders = hoarders().await;
            let progress: Rc<Vec<Cell<usize>>> = Rc::new((0..CONNECTIONS).map(|_| Cell::new(0)).collect());
            let (mut streams, mut clients) = (Vec::new(), Vec::new());
            for _ in 0..CONNECTIONS {
                let (stream, client) = pair().await;
                streams.push(stream);
                clients.push(client);
            }
            let sending = peer(move || {
                for (id, client) in clients.iter_mut().enumerate() {
                    client.write_all(&pattern(id as u64, 0, BYTES)).unwrap();
                    client.shutdown(Shutdown::Write).unwrap();
                }
                clients
            });
            // All have everything in their sockets before the first takes any.
            let clients = joined(sending).await;
            let consumers: Vec<_> = streams
                .into_iter()
                .enumerate()
                .map(|(id, stream)| spawn(consume(stream, id, Rc::clone(&progress), random.fork())))
                .collect();
            let total = || progress.iter().map(Cell::get).sum::<usize>();
            while total() < CONNECTIONS * BYTES / 2 {
                time::sleep(Duration::from_millis(1)).await;
            }
            let least = progress.iter().map(Cell::get).min().unwrap();
            let most = progress.iter().map(Cell::get).max().unwrap();
            println!("half-way: {least} to {most} bytes; {:?}", uring::stats());
            assert!(most <= 4 * least, "from {least} to {most} bytes half-way");
            for consumer in consumers {
                consumer.await.unwrap();
            }
            drop(hoarders);
            settles(|| uring::stats().buffers_free, uring::stats().buffers).await;
            drop(clients);
        });
    });
}

/// One enter that sleeps and one poll of the sleeper are all that a sleep costs; one more enter for what the kernel
/// had flagged before.
const IDLE_WORK_MAX: u64 = 3;

/// The enters and polls while nothing is done but this sleep.
async fn work_of_a_sleep(time: Duration) -> u64 {
    let before = uring::stats();
    time::sleep(time).await;
    let after = uring::stats();
    after.enters - before.enters + (after.polls - before.polls)
}

// The break is a socket that found no buffer and tries again at once (`arm` in place of `starved` in `ended`).
#[test]
fn an_empty_pool_costs_no_time() {
    watched(|_| {
        if storm::adds_enters() {
            return;
        }
        run(tiny(), async move {
            if uring::stats().buffers == 0 {
                println!("skipped: there is no pool without buffer rings");
                return;
            }
            let (_stream, _client, held) = hoard(8).await;
            assert_eq!(uring::stats().buffers_free, 0);
            let (mut readers, mut clients) = (Vec::new(), Vec::new());
            for _ in 0..CONNECTIONS {
                let (stream, mut client) = pair().await;
                client.write_all(b"waiting").unwrap();
                clients.push(client);
                readers.push(spawn(async move { stream.recv().await.map(|bytes| bytes.to_vec()) }));
            }
            // All have asked for a buffer, and found none.
            let mut tries = 0;
            while work_of_a_sleep(Duration::from_millis(20)).await > IDLE_WORK_MAX {
                tries += 1;
                assert!(tries < 200, "it never comes to rest: {:?}", uring::stats());
            }
            let before = thread_cpu();
            let work = work_of_a_sleep(Duration::from_millis(300)).await;
            println!("300 ms with an empty pool: {work} enters and polls, {:?}", thread_cpu() - before);
            assert!(work <= IDLE_WORK_MAX, "{work} enters and polls");
            assert!(readers.iter().all(|reader| !reader.is_finished()), "there is no buffer to receive into");
            drop(held);
            for reader in readers {
                assert_eq!(reader.await.unwrap().unwrap(), b"waiting");
            }
        });
    });
}

/// A connection that has all buffers of the pool, and them.
async fn hoard(buffers: usize) -> (TcpStream, std::net::TcpStream, Vec<RecvBuf>) {
    let (stream, mut client) = pair().await;
    client.write_all(&pattern(0, 0, 2048 * buffers)).unwrap();
    let mut held = Vec::new();
    while held.len() < buffers {
        held.push(stream.recv().await.unwrap());
    }
    (stream, client, held)
}

// The break is a line that is fed only when a buffer comes back (no `can_feed`): a silent connection in it takes its
// turn and no buffer, and who stands behind it is forgotten.
#[test]
fn silent_connections_in_the_line_for_a_buffer_do_not_hold_it_up() {
    watched(|_| {
        run(builder().recv_buffers(1).recv_buffers_max(1), async {
            if uring::stats().buffers == 0 {
                println!("skipped: there is no pool without buffer rings");
                return;
            }
            let (_stream, _client, held) = hoard(1).await;
            let (mut silent, mut clients, mut readers) = (Vec::new(), Vec::new(), Vec::new());
            for number in 0..12 {
                let (stream, mut client) = pair().await;
                let reader = spawn(async move { stream.recv().await.map(|bytes| bytes.to_vec()) });
                if number % 4 == 0 {
                    client.write_all(b"waiting").unwrap();
                    readers.push(reader);
                } else {
                    silent.push(reader);
                }
                clients.push(client);
                time::sleep(Duration::from_micros(200)).await;
            }
            drop(held);
            for reader in readers {
                let received = time::timeout(Duration::from_secs(2), reader).await.expect("its turn comes");
                assert_eq!(received.unwrap().unwrap(), b"waiting");
            }
            for reader in silent {
                reader.abort();
            }
        });
    });
}

// The break is a line for buffers that keeps its sockets (`Rc` in place of `Weak`): they are closed with the next
// buffer, and not with their streams.
#[test]
fn a_connection_that_is_dropped_in_the_line_for_a_buffer_is_closed_at_once() {
    watched(|_| {
        run(tiny(), async {
            if uring::stats().buffers == 0 {
                println!("skipped: there is no pool without buffer rings");
                return;
            }
            let (_stream, _client, held) = hoard(8).await;
            let (stream, mut client) = pair().await;
            client.write_all(b"never read").unwrap();
            assert!(time::timeout(Duration::from_millis(5), stream.recv()).await.is_err());
            assert!(uring::stats().starved > 0, "it stands in the line");
            drop(stream);
            // Bytes that nobody has read make it a reset.
            let end = joined(peer(move || storm::uninterrupted(|| client.read(&mut [0; 8])))).await;
            let closed =
                end.map_or_else(|error| error.kind() == ErrorKind::ConnectionReset, |bytes| bytes == 0);
            assert!(closed, "the peer waits in vain");
            assert_eq!(uring::stats().buffers_free, 0, "no buffer has come back meanwhile");
            drop(held);
        });
    });
}

// The break is a buffer that is not given back when the connection that has it goes (no `give_back`), or that is
// counted as taken and never was.
#[test]
fn buffers_come_back_from_connections_that_are_dropped_with_bytes_that_nobody_took() {
    watched(|mut random| {
        run(builder().recv_buffers(128).recv_buffers_max(128).recv_buffer_bytes(256), async move {
            let buffers = uring::stats().buffers;
            for _ in 0..300 {
                let (stream, mut client) = pair().await;
                // The receive is armed, and what comes meets a stream that nobody reads from.
                let _ = time::timeout(Duration::from_micros(50), stream.recv()).await;
                let bytes = random.below(1..6000);
                client.write_all(&pattern(0, 0, bytes)).unwrap();
                if random.once_in(2) {
                    time::sleep(random.micros(100)).await;
                }
                drop((stream, client));
            }
            settles(|| uring::stats().in_flight, 1).await;
            settles(|| uring::stats().buffers_free, buffers).await;
            // All of them can be used: none is only counted.
            let (stream, mut client) = pair().await;
            client.write_all(&pattern(7, 0, 20_000)).unwrap();
            let mut held = Vec::new();
            let mut position = 0;
            while position < 20_000 {
                let bytes = stream.recv().await.unwrap();
                check_pattern(7, position, &bytes);
                position += bytes.len();
                held.push(bytes);
            }
        });
    });
}

#[test]
fn a_pool_grows_when_it_is_short_and_not_beyond_its_limit() {
    watched(|_| {
        run(builder().recv_buffers(2).recv_buffers_max(24).recv_buffer_bytes(64), async {
            if uring::stats().buffers == 0 {
                println!("skipped: there is no pool without buffer rings");
                return;
            }
            let (stream, mut client) = pair().await;
            client.write_all(&pattern(3, 0, 64 * 30)).unwrap();
            let mut held = Vec::new();
            for number in 0..24 {
                let bytes = stream.recv().await.unwrap();
                check_pattern(3, number * 64, &bytes);
                held.push(bytes);
            }
            assert_eq!(uring::stats().buffers, 24);
            assert!(time::timeout(Duration::from_millis(5), stream.recv()).await.is_err());
            held.clear();
            check_pattern(3, 24 * 64, &stream.recv().await.unwrap());
        });
    });
}
