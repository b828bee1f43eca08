//! Accepts that are dropped lose no connection (hazard B1).

use std::io::Read;
use std::net::{SocketAddr, TcpStream as StdStream};
use std::time::Duration;

use uring::{spawn, time};

use crate::storm::uninterrupted;
use crate::support::{
    Random, alone, builder, descriptors, dial, joined, listener, on_ring, peer, read_to_end, run, settles,
};

const CLIENTS: usize = 3;
/// More than a listener keeps for itself, so that its stop and its start are part of the storm.
const BURST: usize = 100;

/// Connects again and again, and wants a byte from each connection.
fn storm(address: SocketAddr, connections: usize, mut random: Random) {
    let mut made = 0;
    while made < connections {
        let most = if random.once_in(8) { BURST } else { 8 };
        let burst = random.below(1..most).min(connections - made);
        made += burst;
        // Without a pause an accept would never wait, and none could be dropped.
        std::thread::sleep(random.micros(300));
        let connections: Vec<_> = (0..burst).map(|_| dial(address)).collect();
        for mut connection in connections {
            let mut byte = [0];
            connection.read_exact(&mut byte).expect("each connection gets its byte");
            assert_eq!(&byte, b"!");
        }
    }
}

// The break is an accepted connection that goes with the future that waited (`accepted.take()` in the drop of
// `Waiting`): a client waits in vain.
#[test]
fn an_accept_that_is_dropped_loses_no_connection_and_no_descriptor() {
    alone(|mut random| {
        const EACH: usize = 3334;
        let base = descriptors();
        run(builder(), async move {
            let before = descriptors();
            let (listener, address) = listener().await;
            let clients: Vec<_> = (0..CLIENTS)
                .map(|_| {
                    let random = random.fork();
                    peer(move || storm(address, EACH, random))
                })
                .collect();
            serve(&listener, CLIENTS * EACH, random).await;
            for client in clients {
                joined(client).await;
            }
            drop(listener);
            settles(descriptors, before).await;
        });
        assert_eq!(descriptors(), base, "descriptors when the runtime has ended");
    });
}

/// Accepts with deadlines that are mostly too short, and gives each connection a byte.
async fn serve(listener: &uring::net::TcpListener, connections: usize, mut random: Random) {
    let (mut served, mut dropped) = (0, 0);
    while served < connections {
        match time::timeout(random.micros(300), listener.accept()).await {
            Ok(accepted) => {
                let (stream, _) = accepted.unwrap();
                drop(spawn(async move { stream.write_all("!").await.into_result().unwrap() }));
                served += 1;
            }
            Err(_) => dropped += 1,
        }
        if random.once_in(500) {
            // Long enough for more connections than the listener takes in.
            time::sleep(Duration::from_millis(3)).await;
        }
    }
    println!("{served} served, {dropped} accepts dropped");
    assert!(dropped > 20, "too few accepts were dropped to test anything");
}

// The break is a drop of the listener without its cancel: the armed accept keeps the socket, and takes in more.
#[test]
fn connections_that_nobody_has_taken_are_closed_with_the_listener() {
    alone(|_| {
        run(builder(), async {
            let before = descriptors();
            let (listener, address) = listener().await;
            assert!(time::timeout(Duration::from_millis(1), listener.accept()).await.is_err());
            let clients: Vec<_> = (0..20).map(|_| dial(address)).collect();
            time::sleep(Duration::from_millis(20)).await;
            drop(listener);
            let ends = peer(move || clients.iter().map(read_or_reset).sum::<usize>());
            assert_eq!(joined(ends).await, 0, "all are closed");
            settles(descriptors, before).await;
        });
    });
}

/// How many bytes come before the connection is closed, in whichever way.
fn read_or_reset(mut client: &StdStream) -> usize {
    match uninterrupted(|| client.read(&mut [0; 16])) {
        Err(error) if error.kind() == std::io::ErrorKind::ConnectionReset => 0,
        result => result.expect("the connection is closed in time"),
    }
}

// The breaks are no bound (`full` never true), and a stop that is told to the kernel once and never again (`stopping`
// not put back), which shows in the second round.
#[test]
fn a_listener_that_has_enough_and_that_nobody_asks_takes_in_no_more() {
    alone(|_| {
        run(builder(), async {
            const CROWD: usize = 200;
            let (listener, address) = listener().await;
            let before = descriptors();
            for _ in 0..2 {
                assert!(time::timeout(Duration::from_millis(1), listener.accept()).await.is_err());
                let first = crowd(address, CROWD).await;
                let full = descriptors();
                println!("{} of {CROWD} taken in", full - before - CROWD);
                let second = crowd(address, CROWD).await;
                assert_eq!(descriptors(), full + CROWD, "more are taken in");
                for _ in 0..2 * CROWD {
                    listener.accept().await.unwrap();
                }
                drop((first, second));
                settles(descriptors, before).await;
            }
        });
    });
}

/// So many connections, and time for the listener to take them in.
async fn crowd(address: SocketAddr, connections: usize) -> Vec<StdStream> {
    let dialing = peer(move || (0..connections).map(|_| dial(address)).collect());
    let crowd = joined(dialing).await;
    time::sleep(Duration::from_millis(20)).await;
    crowd
}

// The break is a turn that is not passed on by who was called and goes before it came (`call_next` left out of `leave`).
#[test]
fn the_turn_of_acceptors_that_are_aborted_together_goes_to_the_next() {
    on_ring(async |_| {
        let (listener, address) = listener().await;
        let listener = std::rc::Rc::new(listener);
        let acceptors: Vec<_> = (0..3)
            .map(|_| {
                let listener = std::rc::Rc::clone(&listener);
                spawn(async move { listener.accept().await.map(drop) })
            })
            .collect();
        time::sleep(Duration::from_millis(1)).await;
        // The first leaves and calls the second, which is aborted before it can come.
        acceptors[0].abort();
        acceptors[1].abort();
        uring::yield_now().await;
        let _client = dial(address);
        let last = acceptors.into_iter().next_back().unwrap();
        let accepted = time::timeout(Duration::from_secs(2), last).await.expect("its turn comes");
        accepted.unwrap().unwrap();
    });
}

#[test]
fn a_dropped_accept_in_a_line_of_acceptors_passes_its_turn_on() {
    on_ring(async |mut random| {
        let (listener, address) = listener().await;
        let listener = std::rc::Rc::new(listener);
        let clients = peer(move || {
            for _ in 0..300 {
                assert_eq!(read_to_end(&dial(address)), b"!");
            }
        });
        let acceptors: Vec<_> = (0..5)
            .map(|_| {
                let (listener, mut random) = (std::rc::Rc::clone(&listener), random.fork());
                spawn(async move {
                    loop {
                        let accepted = time::timeout(random.micros(100), listener.accept()).await;
                        if let Ok(Ok((stream, _))) = accepted {
                            stream.write_all("!").await.into_result().unwrap();
                        }
                    }
                })
            })
            .collect();
        joined(clients).await;
        acceptors.iter().for_each(uring::JoinHandle::abort);
    });
}
