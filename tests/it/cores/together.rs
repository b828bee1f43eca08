//! Listeners of all cores on one port that was agreed on.

use std::collections::BTreeSet;
use std::error::Error;
use std::io::{self, Read};
use std::net::SocketAddr;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use uring::net::{ShutDown, TcpListener, TcpListenerOptions};
use uring::{Cores, core, shutdown};

use crate::support::{builder, dial, joined, peer, run, settles, watched};

const TWO: Cores = Cores::Oversubscribed(2);
/// So many that the kernel, which spreads them by a hash, leaves no core out.
const PEERS: usize = 64;

async fn listen() -> io::Result<TcpListener> {
    TcpListenerOptions::new().bind_per_core("127.0.0.1:0").await
}

/// Accepts until the service shuts down, closes each connection, and says how many there were.
async fn accept_all(listener: TcpListener) -> io::Result<usize> {
    let mut mine = 0;
    loop {
        match listener.accept().await {
            Ok(_) => mine += 1,
            Err(error) if ShutDown::is(&error) => return Ok(mine),
            Err(error) => return Err(error),
        }
    }
}

/// Dials from a thread, until the end of each connection.
async fn dial_all(address: SocketAddr) {
    let dialled = peer(move || {
        for mut stream in (0..PEERS).map(|_| dial(address)).collect::<Vec<_>>() {
            assert_eq!(stream.read(&mut [0; 8]).unwrap(), 0, "the end of the stream");
        }
    });
    joined(dialled).await;
}

#[test]
fn two_cores_that_ask_for_port_0_get_one_port_and_both_are_served() {
    // The breaks: `bind(asked)` for those that follow, who get ports of their own; `self` for `self.reuse_port(true)` in
    // `bind_per_core`, and they find the port taken.
    watched(|_| {
        let listening = Arc::new(AtomicUsize::new(0));
        let ports = Mutex::new(BTreeSet::new());
        let accepted = builder().cores(TWO).run(|| async {
            let listener = listen().await?;
            let address = listener.local_addr()?;
            ports.lock().unwrap().insert(address.port());
            listening.fetch_add(1, Ordering::SeqCst);
            if core().index == 0 {
                let listening = Arc::clone(&listening);
                drop(uring::spawn(async move {
                    // Whoever listens alone would get all.
                    settles(|| listening.load(Ordering::SeqCst), 2).await;
                    dial_all(address).await;
                    shutdown(Duration::from_secs(10));
                }));
            }
            accept_all(listener).await
        });
        let accepted = accepted.unwrap();
        println!("accepted by core: {accepted:?}");
        assert_eq!(ports.into_inner().unwrap().len(), 1);
        assert!(
            accepted.iter().all(|accepted| accepted.is_some_and(|accepted| accepted > 0)),
            "{accepted:?}"
        );
        assert_eq!(accepted.into_iter().flatten().sum::<usize>(), PEERS);
    });
}

#[test]
fn two_listeners_of_each_core_are_told_apart_by_their_order() {
    // The break: no look at `came` in `Agreements::join`: the second listener of a core joins the first one.
    watched(|_| {
        let ports = builder().cores(Cores::Oversubscribed(3)).run(|| async {
            let listeners = [listen().await?, listen().await?];
            let ports = [listeners[0].local_addr()?.port(), listeners[1].local_addr()?.port()];
            // Nobody leaves before all have come.
            uring::time::sleep(Duration::from_millis(200)).await;
            io::Result::Ok(ports)
        });
        let ports: Vec<[u16; 2]> = ports.unwrap().into_iter().flatten().collect();
        assert_ne!(ports[0][0], ports[0][1]);
        assert_eq!(ports, [ports[0]; 3]);
    });
}

#[test]
fn a_core_that_cannot_bind_is_an_error_on_all_cores_with_its_cause() {
    // The break: `Ok(bind(asked).await?)` in `bind_together`: the others hear only that the first one has given up.
    watched(|_| {
        let taken = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
        let address = taken.local_addr().unwrap();
        let errors = builder().cores(Cores::Oversubscribed(3)).run(|| async {
            io::Result::Ok(TcpListenerOptions::new().bind_per_core(address).await.unwrap_err())
        });
        let errors: Vec<io::Error> = errors.unwrap().into_iter().flatten().collect();
        assert_eq!(errors.len(), 3);
        assert!(errors.iter().all(|error| error.kind() == io::ErrorKind::AddrInUse), "{errors:?}");
        let others: Vec<_> = errors.iter().filter(|error| error.raw_os_error().is_none()).collect();
        assert_eq!(others.len(), 2, "one has asked the kernel");
        for error in others {
            let text = error.to_string();
            assert!(text.contains("could not: Address already in use"), "{text}");
            let cause = error.source().and_then(|cause| cause.downcast_ref::<io::Error>());
            assert_eq!(cause.and_then(io::Error::raw_os_error), Some(nix::libc::EADDRINUSE));
        }
    });
}

#[test]
fn a_core_alone_has_the_port_to_itself() {
    // The break: `count > 0` in `bind_per_core`.
    let has_it_alone = async || {
        let listener = listen().await?;
        let second = TcpListenerOptions::new().reuse_port(true).bind(listener.local_addr()?).await;
        assert_eq!(second.unwrap_err().kind(), io::ErrorKind::AddrInUse);
        io::Result::Ok(())
    };
    watched(|_| {
        run(builder(), has_it_alone()).unwrap();
        builder().cores(Cores::Oversubscribed(1)).run(has_it_alone).unwrap();
    });
}
