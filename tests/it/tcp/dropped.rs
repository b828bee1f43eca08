//! What is dropped when the core takes no further turn, or before the next statement needs it gone.

use std::io::Read;
use std::time::Duration;

use uring::net::{TcpListener, TcpStream};
use uring::time::timeout;

use crate::support::{builder, dial, listener, watched};

#[test]
fn a_stream_that_is_dropped_last_is_closed_although_block_on_returns() {
    // The break: no `wind_up` when the main future is ready. The peer would wait as long as the runtime lives.
    watched(|_| {
        let runtime = builder().build().unwrap();
        let mut peer = runtime.block_on(async {
            let (listener, address) = listener().await;
            let peer = dial(address);
            let (stream, _) = listener.accept().await.unwrap();
            // With a receive armed, which has to be cancelled first.
            timeout(Duration::from_millis(1), stream.recv()).await.unwrap_err();
            peer
        });
        let mut rest = Vec::new();
        assert_eq!(peer.read_to_end(&mut rest).unwrap(), 0);
        drop(runtime);
    });
}

#[test]
fn the_address_of_a_dropped_listener_can_be_bound_at_once() {
    // The break: no `wind_up` in `Socket::bind`: EADDRINUSE.
    watched(|_| {
        let runtime = builder().build().unwrap();
        runtime.block_on(async {
            let (listener, address) = listener().await;
            timeout(Duration::from_millis(1), listener.accept()).await.unwrap_err();
            drop(listener);
            let again = TcpListener::bind(address).await.unwrap();
            let peer = TcpStream::connect(address).await.unwrap();
            assert_eq!(again.accept().await.unwrap().1, peer.local_addr().unwrap());
        });
    });
}

#[test]
fn a_half_that_writes_ends_the_stream_also_outside_of_its_runtime() {
    // The break: no `shut_down` in `Sender::end`. The half that reads keeps the connection open.
    watched(|_| {
        let runtime = builder().build().unwrap();
        let (halves, mut peer) = runtime.block_on(async {
            let (listener, address) = listener().await;
            let peer = dial(address);
            (listener.accept().await.unwrap().0.into_split(), peer)
        });
        let (reading, writing) = halves;
        drop(writing);
        let mut rest = Vec::new();
        assert_eq!(peer.read_to_end(&mut rest).unwrap(), 0);
        drop(reading);
    });
}
