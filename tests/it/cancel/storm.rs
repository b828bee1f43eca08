//! Descriptors that are closed and given out again while operations are queued never get each other's bytes (A16).

use std::net::SocketAddr;
use std::rc::Rc;

use uring::net::{TcpListener, TcpStream};
use uring::{spawn, time};

use crate::support::{Random, builder, listener, run, watched};

const TASKS: usize = 48;
const ROUNDS: usize = 60;

/// Fails unless all bytes are of one connection: its number again and again.
#[track_caller]
fn check(who: &str, id: u64, from: usize, bytes: &[u8]) {
    let expected = id.to_le_bytes();
    for (offset, byte) in bytes.iter().enumerate() {
        let theirs = expected[(from + offset) % 8];
        assert_eq!(*byte, theirs, "the {who} of connection {id:#x} got another's byte at {}", from + offset);
    }
}

/// Sends back what comes, and checks that all of it is of one connection.
async fn echo(stream: TcpStream) {
    let (mut id, mut position) = (None, 0);
    loop {
        // The client may have gone at any time.
        let Ok(received) = stream.recv().await else { return };
        if received.is_empty() {
            return;
        }
        if id.is_none() && received.len() >= 8 {
            id = Some(u64::from_le_bytes(received[..8].try_into().unwrap()));
        }
        let Some(id) = id else { return };
        check("server", id, position, &received);
        position += received.len();
        if stream.write_all(received).await.into_result().is_err() {
            return;
        }
    }
}

/// Sends the connection's number, checks what comes back, and goes, at times in the middle.
async fn client(address: SocketAddr, id: u64, random: &mut Random) {
    let Ok(connected) = time::timeout(random.micros(3000), TcpStream::connect(address)).await else { return };
    let stream = connected.unwrap();
    let repeats = random.below(1..600);
    let message = id.to_le_bytes().repeat(repeats);
    let mut left = message.len();
    if time::timeout(random.micros(3000), stream.write_all(message)).await.is_err() {
        return;
    }
    let mut position = 0;
    while left > 0 {
        let room = if random.once_in(2) { 500 } else { 5000 };
        let deadline = random.micros(3000);
        let Ok(read) = time::timeout(deadline, stream.read(Vec::with_capacity(room))).await else { return };
        let (bytes, read) = read.into_result().unwrap();
        assert!(bytes > 0, "the server never ends first");
        check("client", id, position, &read);
        (position, left) = (position + bytes, left - bytes);
    }
}

async fn accept_all(listener: Rc<TcpListener>) {
    loop {
        let (stream, _) = listener.accept().await.unwrap();
        drop(spawn(echo(stream)));
    }
}

// The break is a descriptor that is closed with its stream although operations still name it (closed by hand in the drop
// of `Receiver`).
#[test]
fn connections_that_are_closed_and_opened_in_a_storm_never_mix() {
    watched(|mut random| {
        run(builder().submissions(8).completions(64), async move {
            let (listener, address) = listener().await;
            let accepting = spawn(accept_all(Rc::new(listener)));
            let tasks: Vec<_> = (0..TASKS)
                .map(|task| {
                    let mut random = random.fork();
                    spawn(async move {
                        for round in 0..ROUNDS {
                            let id = ((task as u64) << 32 | round as u64 | 0x0101_0000) << 8 | 0xc3;
                            client(address, id, &mut random).await;
                        }
                    })
                })
                .collect();
            for task in tasks {
                task.await.unwrap();
            }
            let stats = uring::stats();
            println!("{stats:?}");
            assert!(stats.backlogged > 0, "the submission queue was never full");
            accepting.abort();
        });
    });
}
