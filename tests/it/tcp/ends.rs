//! How connections end, and how they fail to begin.

use std::io::{ErrorKind, Write};
use std::net::{Shutdown, TcpListener as StdListener, TcpStream as StdStream};
use std::time::Duration;

use nix::libc::{ECONNREFUSED, ECONNRESET, EPIPE, linger};
use nix::sys::socket::{setsockopt, sockopt};
use uring::buf::BufResult;
use uring::net::{TcpListener, TcpStream};
use uring::{Runtime, time};

use crate::support::{builder, dial, joined, listener, on_ring, pair, peer, read_to_end, watched};

/// Closes a connection by a reset.
fn reset(client: StdStream) {
    setsockopt(&client, sockopt::Linger, &linger { l_onoff: 1, l_linger: 0 }).unwrap();
    drop(client);
}

#[test]
fn the_end_of_the_stream_is_an_empty_buffer_and_zero_bytes_again_and_again() {
    on_ring(async |_| {
        let (stream, mut client) = pair().await;
        client.write_all(b"last").unwrap();
        client.shutdown(Shutdown::Write).unwrap();
        assert_eq!(&stream.recv().await.unwrap()[..], b"last");
        for _ in 0..3 {
            assert!(stream.recv().await.unwrap().is_empty());
            assert_eq!(stream.read(Vec::with_capacity(10)).await.into_result().unwrap().0, 0);
            assert_eq!(stream.read(Vec::with_capacity(64 << 10)).await.into_result().unwrap().0, 0);
        }
        stream.write_all("the other direction is open").await.into_result().unwrap();
        drop(stream);
        let received = joined(peer(move || read_to_end(&client))).await;
        assert_eq!(received, b"the other direction is open");
    });
}

#[test]
fn a_large_read_sees_the_end_first() {
    on_ring(async |_| {
        let (stream, client) = pair().await;
        client.shutdown(Shutdown::Write).unwrap();
        assert_eq!(stream.read(Vec::with_capacity(64 << 10)).await.into_result().unwrap().0, 0);
        assert!(stream.recv().await.unwrap().is_empty());
    });
}

// The break is `read_exact` that clears or truncates what it has on an error.
#[test]
fn read_exact_says_unexpected_end_and_gives_what_it_has() {
    on_ring(async |_| {
        for room in [100, 64 << 10] {
            let (stream, mut client) = pair().await;
            client.write_all(b"partial").unwrap();
            client.shutdown(Shutdown::Write).unwrap();
            let BufResult(result, buf) = stream.read_exact(Vec::with_capacity(room)).await;
            assert_eq!(result.unwrap_err().kind(), ErrorKind::UnexpectedEof);
            assert_eq!(buf, b"partial");
            let BufResult(result, buf) = stream.read_exact(Vec::with_capacity(room)).await;
            assert_eq!((result.unwrap_err().kind(), buf.len()), (ErrorKind::UnexpectedEof, 0));
        }
    });
}

// The break is `shutdown` that does not stand in the line: it overtakes the write, whose rest is cut off.
#[test]
fn shutdown_comes_after_the_writes_that_were_queued() {
    on_ring(async |_| {
        let (stream, client) = pair().await;
        let stream = std::rc::Rc::new(stream);
        let writer = std::rc::Rc::clone(&stream);
        let writing =
            uring::spawn(async move { writer.write_all(vec![7; 8 << 20]).await.into_result().map(drop) });
        uring::yield_now().await;
        let reading = peer(move || {
            std::thread::sleep(Duration::from_millis(20));
            read_to_end(&client).len()
        });
        stream.shutdown().await.unwrap();
        writing.await.unwrap().unwrap();
        assert_eq!(joined(reading).await, 8 << 20);
        let error = stream.write_all("too late").await.into_result().unwrap_err();
        assert_eq!(error.raw_os_error(), Some(EPIPE));
    });
}

// The break is an error that stays (`look` without putting the course back): the second `recv` fails as well.
#[test]
fn a_reset_is_told_once_and_then_the_stream_has_ended() {
    on_ring(async |_| {
        for room in [0, 100, 64 << 10] {
            let (stream, client) = pair().await;
            let stream = std::rc::Rc::new(stream);
            let reader = std::rc::Rc::clone(&stream);
            let reading = uring::spawn(async move {
                match room {
                    0 => reader.recv().await.map(drop),
                    _ => reader.read(Vec::with_capacity(room)).await.into_result().map(drop),
                }
            });
            time::sleep(Duration::from_millis(5)).await;
            reset(client);
            assert_eq!(reading.await.unwrap().unwrap_err().raw_os_error(), Some(ECONNRESET), "room {room}");
            assert!(stream.recv().await.unwrap().is_empty(), "room {room}");
        }
    });
}

#[test]
fn bytes_that_came_before_a_reset_are_read_first() {
    on_ring(async |_| {
        let (stream, mut client) = pair().await;
        let waiting = time::timeout(Duration::from_millis(5), stream.recv()).await;
        assert!(waiting.is_err(), "nothing has been sent");
        client.write_all(b"before").unwrap();
        time::sleep(Duration::from_millis(5)).await;
        reset(client);
        time::sleep(Duration::from_millis(5)).await;
        assert_eq!(&stream.recv().await.unwrap()[..], b"before");
        assert_eq!(stream.recv().await.unwrap_err().raw_os_error(), Some(ECONNRESET));
    });
}

#[test]
fn connecting_where_nobody_listens_is_refused() {
    on_ring(async |_| {
        let unused = StdListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap();
        let error = TcpStream::connect(unused).await.unwrap_err();
        assert_eq!(error.raw_os_error(), Some(ECONNREFUSED));
    });
}

#[test]
fn of_several_addresses_the_first_that_answers_is_taken() {
    on_ring(async |_| {
        let unused = StdListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap();
        let (listener, address) = listener().await;
        let stream = TcpStream::connect(&[unused, address][..]).await.unwrap();
        assert_eq!(stream.peer_addr().unwrap(), address);
        listener.accept().await.unwrap();
        assert_eq!(TcpStream::connect(&[][..]).await.unwrap_err().kind(), ErrorKind::InvalidInput);
    });
}

#[test]
fn binding_twice_is_an_address_in_use() {
    on_ring(async |_| {
        let (_listener, address) = listener().await;
        assert_eq!(TcpListener::bind(address).await.unwrap_err().kind(), ErrorKind::AddrInUse);
    });
}

#[test]
fn a_text_that_is_no_address_is_refused_with_the_cure() {
    on_ring(async |_| {
        for error in [
            TcpStream::connect("localhost:80").await.map(drop).unwrap_err(),
            TcpListener::bind("127.0.0.1").await.map(drop).unwrap_err(),
        ] {
            assert_eq!(error.kind(), ErrorKind::InvalidInput);
            assert!(error.to_string().contains("is not an IP address with a port"), "{error}");
        }
    });
}

// The break is `accept` that gives the error of a connection whose peer is gone instead of passing it over.
#[test]
fn accept_passes_over_connections_that_were_reset_in_the_backlog() {
    on_ring(async |_| {
        let (listener, address) = listener().await;
        for _ in 0..10 {
            reset(dial(address));
        }
        let mut client = dial(address);
        client.write_all(b"alive").unwrap();
        // A connection that was reset may be handed over or passed over, but is never an error.
        loop {
            let (stream, peer) = listener.accept().await.unwrap();
            if peer == client.local_addr().unwrap() {
                assert_eq!(&stream.recv().await.unwrap()[..], b"alive");
                return;
            }
        }
    });
}

#[test]
fn a_stream_that_is_used_inside_of_another_runtime_panics_with_the_cause() {
    watched(|_| {
        let first = builder().build().unwrap();
        let (stream, mut client) = first.block_on(pair());
        let second = builder().build().unwrap();
        for action in ["recv", "read", "write"] {
            let panic = std::panic::catch_unwind(std::panic::AssertUnwindSafe(|| {
                second.block_on(async {
                    match action {
                        "recv" => drop(stream.recv().await),
                        "read" => drop(stream.read(Vec::with_capacity(64 << 10)).await),
                        _ => drop(stream.write_all("text").await),
                    }
                });
            }));
            let text = panic.unwrap_err();
            let text = text.downcast_ref::<String>().expect("the panic has a text");
            assert!(text.contains("belongs to another runtime"), "{action}: {text}");
        }
        check_unharmed(&first, &second, &stream, &mut client);
    });
}

/// Both runtimes, and the stream, still work.
fn check_unharmed(first: &Runtime, second: &Runtime, stream: &TcpStream, client: &mut StdStream) {
    client.write_all(b"unharmed").unwrap();
    first.block_on(async {
        assert_eq!(&stream.recv().await.unwrap()[..], b"unharmed");
        stream.write_all("too").await.into_result().unwrap();
    });
    second.block_on(async {
        let (stream, mut client) = pair().await;
        client.write_all(b"and the other").unwrap();
        assert_eq!(&stream.recv().await.unwrap()[..], b"and the other");
    });
}
