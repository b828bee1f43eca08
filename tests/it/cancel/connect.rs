//! Connects that are dropped leave no socket behind (hazard B7).

use std::fs::read_to_string;
use std::net::{SocketAddr, TcpListener as StdListener};
use std::time::Duration;

use uring::net::{TcpListenerOptions, TcpStream};
use uring::time;

use crate::support::{alone, builder, descriptors, joined, peer, read_to_end, run, settles};

/// How many sockets of this machine are connecting or connected to a port of the loopback.
fn towards(address: SocketAddr) -> usize {
    const STATES: [&str; 3] = ["01", "02", "03"]; // established, sent, received
    let remote = format!("0100007F:{:04X}", address.port());
    let table = read_to_string("/proc/net/tcp").unwrap();
    let rows = table.lines().map(|line| line.split_whitespace().collect::<Vec<_>>());
    rows.filter(|row| row.get(2) == Some(&&*remote) && STATES.contains(&row[3])).count()
}

// The break is a dropped connect that keeps its socket (`orphaned` of `Connect` that forgets it).
#[test]
fn a_connect_that_is_dropped_leaves_no_connection_and_no_descriptor() {
    alone(|mut random| {
        run(builder(), async move {
            const ROUNDS: usize = 2000;
            let listener = StdListener::bind("127.0.0.1:0").unwrap();
            let (address, before) = (listener.local_addr().unwrap(), descriptors());
            let accepting = peer(move || {
                // The last connection, which says so, ends the thread.
                listener
                    .incoming()
                    .map(|stream| read_to_end(&stream.unwrap()))
                    .find(|bytes| !bytes.is_empty())
            });
            let mut connected = 0;
            for _ in 0..ROUNDS {
                // No time at all drops it between its submission and the enter that shows it to the kernel.
                let time = if random.once_in(2) { Duration::ZERO } else { random.micros(60) };
                let outcome = time::timeout(time, TcpStream::connect(address)).await;
                connected += usize::from(outcome.is_ok_and(|stream| stream.is_ok()));
            }
            let last = TcpStream::connect(address).await.unwrap();
            last.write_all("last").await.into_result().unwrap();
            drop(last);
            assert_eq!(joined(accepting).await.as_deref(), Some(&b"last"[..]));
            println!("{connected} of {ROUNDS} connected in time");
            assert!(connected < ROUNDS * 3 / 4, "too few were dropped to test anything");
            settles(|| towards(address), 0).await;
            // The listener has gone with its thread.
            settles(descriptors, before - 1).await;
        });
    });
}

// A connect to a listener whose backlog is full waits. The break is an `ON_DROP` of `LetRun` for it.
#[test]
fn a_connect_that_nobody_answers_is_given_up_when_it_is_dropped() {
    alone(|_| {
        run(builder(), async {
            let listener = TcpListenerOptions::new().backlog(1).bind("127.0.0.1:0").await.unwrap();
            let (address, before) = (listener.local_addr().unwrap(), descriptors());
            let mut kept = Vec::new();
            let mut unanswered = 0;
            for _ in 0..12 {
                match time::timeout(Duration::from_millis(5), TcpStream::connect(address)).await {
                    Ok(stream) => kept.push(stream.unwrap()),
                    Err(_) => unanswered += 1,
                }
            }
            assert!(unanswered > 0, "the backlog was never full");
            settles(descriptors, before + kept.len()).await;
            drop(kept);
            settles(descriptors, before).await;
            settles(|| towards(address), 0).await;
        });
    });
}
