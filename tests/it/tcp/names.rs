//! Addresses, options, and sockets that somebody else has made.

use std::io::{ErrorKind, Read, Write};
use std::net::{TcpListener as StdListener, TcpStream as StdStream};
use std::time::Duration;

use uring::net::{TcpListener, TcpListenerOptions, TcpStream};
use uring::time;

use crate::support::{dial, listener, on_ring, pair};

#[test]
fn both_sides_know_both_addresses() {
    on_ring(async |_| {
        let (listener, address) = listener().await;
        assert_ne!(address.port(), 0, "port 0 takes a free one");
        let client = TcpStream::connect(address).await.unwrap();
        let (server, peer) = listener.accept().await.unwrap();
        assert_eq!(client.peer_addr().unwrap(), address);
        assert_eq!(server.local_addr().unwrap(), address);
        assert_eq!(client.local_addr().unwrap(), peer);
        assert_eq!(server.peer_addr().unwrap(), peer);
    });
}

#[test]
fn nodelay_is_off_until_it_is_set() {
    on_ring(async |_| {
        let (stream, _client) = pair().await;
        assert!(!stream.nodelay().unwrap());
        stream.set_nodelay(true).unwrap();
        assert!(stream.nodelay().unwrap());
        stream.set_nodelay(false).unwrap();
        assert!(!stream.nodelay().unwrap());
    });
}

#[test]
fn a_stream_of_the_standard_library_can_be_taken_over_blocking_or_not() {
    on_ring(async |_| {
        let listener = StdListener::bind("127.0.0.1:0").unwrap();
        for nonblocking in [false, true] {
            let theirs = StdStream::connect(listener.local_addr().unwrap()).unwrap();
            theirs.set_nonblocking(nonblocking).unwrap();
            let (mut client, _) = listener.accept().unwrap();
            client.set_read_timeout(Some(Duration::from_secs(10))).unwrap();
            let stream = TcpStream::from_std(theirs).unwrap();
            for room in [100, 64 << 10] {
                let mut late = client.try_clone().unwrap();
                drop(uring::spawn(async move {
                    time::sleep(Duration::from_millis(5)).await;
                    late.write_all(b"late").unwrap();
                }));
                let (bytes, buf) = stream.read(Vec::with_capacity(room)).await.into_result().unwrap();
                assert_eq!(&buf[..bytes], b"late");
            }
            stream.write_all("back").await.into_result().unwrap();
            let mut back = [0; 4];
            client.read_exact(&mut back).unwrap();
            assert_eq!(&back, b"back");
        }
    });
}

#[test]
fn a_listener_of_the_standard_library_can_be_taken_over_blocking_or_not() {
    on_ring(async |_| {
        for nonblocking in [false, true] {
            let theirs = StdListener::bind("127.0.0.1:0").unwrap();
            theirs.set_nonblocking(nonblocking).unwrap();
            let listener = TcpListener::from_std(theirs).unwrap();
            let address = listener.local_addr().unwrap();
            let dialing = uring::spawn(async move {
                time::sleep(Duration::from_millis(5)).await;
                TcpStream::connect(address).await
            });
            let (_, peer) = listener.accept().await.unwrap();
            assert_eq!(dialing.await.unwrap().unwrap().local_addr().unwrap(), peer);
        }
    });
}

#[test]
fn ipv6_works_like_ipv4() {
    on_ring(async |_| {
        let listener = match TcpListener::bind("[::1]:0").await {
            Ok(listener) => listener,
            Err(error) if error.kind() == ErrorKind::AddrNotAvailable => {
                println!("skipped: this machine has no IPv6 loopback");
                return;
            }
            Err(error) => panic!("{error}"),
        };
        let address = listener.local_addr().unwrap();
        let stream = TcpStream::connect(address).await.unwrap();
        let (accepted, peer) = listener.accept().await.unwrap();
        assert!(peer.is_ipv6() && peer.ip().is_loopback());
        assert_eq!((stream.peer_addr().unwrap(), stream.local_addr().unwrap()), (address, peer));
        accepted.write_all("six").await.into_result().unwrap();
        assert_eq!(&stream.recv().await.unwrap()[..], b"six");
    });
}

#[test]
fn several_listeners_share_a_port_when_they_all_want_to() {
    on_ring(async |_| {
        let options = TcpListenerOptions::new().reuse_port(true).backlog(64);
        let first = options.bind("127.0.0.1:0").await.unwrap();
        let address = first.local_addr().unwrap();
        let second = options.bind(address).await.unwrap();
        let clients: Vec<_> = (0..32).map(|_| dial(address)).collect();
        let mut accepted = [0, 0];
        for (listener, count) in [&first, &second].into_iter().zip(&mut accepted) {
            while time::timeout(Duration::from_millis(30), listener.accept()).await.is_ok() {
                *count += 1;
            }
        }
        assert_eq!(accepted.iter().sum::<usize>(), clients.len());
        println!("spread: {accepted:?}");
    });
}
