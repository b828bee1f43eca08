//! Several tasks on one stream: readers are served in order, and messages of writers never interleave.

use std::cell::RefCell;
use std::io::Write;
use std::rc::Rc;
use std::time::Duration;

use uring::buf::IoBufMut;
use uring::net::TcpStream;
use uring::{spawn, time};

use crate::support::{joined, listener, narrow_pair, on_ring, pair, peer, read_to_end};

// The break is a line that serves who came last (`pop_back` in `call_next`).
#[test]
fn several_readers_of_one_stream_are_served_in_the_order_in_which_they_came() {
    on_ring(async |mut random| {
        let (stream, mut client) = pair().await;
        let (stream, served) = (Rc::new(stream), Rc::new(RefCell::new(Vec::new())));
        let readers: Vec<_> = (0..50u8)
            .map(|number| {
                let (stream, served) = (Rc::clone(&stream), Rc::clone(&served));
                let way = random.below(0..3);
                spawn(async move {
                    let byte = match way {
                        0 => stream.read(Vec::with_capacity(1)).await.into_result().unwrap().1[0],
                        1 => stream.read_exact(vec![0; 1]).await.into_result().unwrap().1[0],
                        _ => stream.read(vec![0; 8000].slice_mut(0..1)).await.into_result().unwrap().1[0],
                    };
                    served.borrow_mut().push((number, byte));
                })
            })
            .collect();
        time::sleep(Duration::from_millis(2)).await;
        for byte in 0..50u8 {
            client.write_all(&[byte]).unwrap();
            if random.once_in(3) {
                time::sleep(random.micros(300)).await;
            }
        }
        for reader in readers {
            reader.await.unwrap();
        }
        let expected: Vec<_> = (0..50).map(|number| (number, number)).collect();
        assert_eq!(*served.borrow(), expected);
    });
}

#[test]
fn several_acceptors_of_one_listener_are_served_in_the_order_in_which_they_came() {
    on_ring(async |_| {
        let (listener, address) = listener().await;
        let (listener, served) = (Rc::new(listener), Rc::new(RefCell::new(Vec::new())));
        let acceptors: Vec<_> = (0..20)
            .map(|number| {
                let (listener, served) = (Rc::clone(&listener), Rc::clone(&served));
                spawn(async move {
                    let accepted = listener.accept().await.unwrap();
                    served.borrow_mut().push(number);
                    accepted
                })
            })
            .collect();
        uring::yield_now().await;
        for _ in 0..20 {
            drop(TcpStream::connect(address).await.unwrap());
        }
        for acceptor in acceptors {
            acceptor.await.unwrap();
        }
        assert_eq!(*served.borrow(), (0..20).collect::<Vec<_>>());
    });
}

// The break is a send that gives up the head of the line when it has begun (`poll_enter` without its line: no
// `busy.replace(true)`): two large messages then share the socket, and their bytes mix.
#[test]
fn messages_of_several_writers_never_interleave() {
    on_ring(async |mut random| {
        const WRITERS: u8 = 8;
        const MESSAGES: usize = 20;
        let (stream, client) = narrow_pair().await;
        let stream = Rc::new(stream);
        let reading = peer(move || read_to_end(&client));
        let writers: Vec<_> = (0..WRITERS)
            .map(|writer| {
                let (stream, mut random) = (Rc::clone(&stream), random.fork());
                spawn(async move {
                    for _ in 0..MESSAGES {
                        let bytes = random.below(5..60_000);
                        let mut message = vec![writer; bytes];
                        message[1..5].copy_from_slice(&(bytes as u32).to_le_bytes());
                        stream.write_all(message).await.into_result().unwrap();
                    }
                })
            })
            .collect();
        for writer in writers {
            writer.await.unwrap();
        }
        drop(stream);
        let (received, mut at, mut messages) = (joined(reading).await, 0, 0);
        while at < received.len() {
            let writer = received[at];
            let bytes = u32::from_le_bytes(received[at + 1..at + 5].try_into().unwrap()) as usize;
            assert!(
                received[at + 5..at + bytes].iter().all(|byte| *byte == writer),
                "writer {writer} at {at}"
            );
            (at, messages) = (at + bytes, messages + 1);
        }
        assert_eq!(messages, usize::from(WRITERS) * MESSAGES);
    });
}
