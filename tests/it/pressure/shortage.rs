//! Accepting with no descriptor free, on the kernel (hazard C8). The schedule is proven on virtual time, in the
//! runtime's `scripted` tests; here it is that the kernel keeps who waits, and that all are served in the end.

use std::cell::{Cell, RefCell};
use std::io::{Read, Write};
use std::net::{SocketAddr, TcpStream as StdStream};
use std::os::fd::AsRawFd;
use std::rc::Rc;
use std::time::Duration;

use nix::libc;
use nix::sys::resource::{Resource, getrlimit, setrlimit};
use uring::macro_support::test_builder;
use uring::net::{TcpListener, TcpStream};
use uring::time::{Instant, sleep};
use uring::{spawn, stats};

use crate::alone::alone;
use crate::kit::until;
use crate::lifetime::forks::{exit_code, fork};
use crate::storm;

const CLIENTS: u32 = 1000;
/// Descriptors that are free for connections.
const FREE: u64 = 40;

/// Connects all clients, and demands of each that it is answered with what it has sent.
fn all_clients(address: SocketAddr) {
    let mut clients: Vec<_> = (0..CLIENTS).map(|_| StdStream::connect(address).unwrap()).collect();
    for (client, id) in clients.iter_mut().zip(0..) {
        client.set_read_timeout(Some(Duration::from_secs(30))).unwrap();
        client.write_all(&u32::to_le_bytes(id)).unwrap();
    }
    for (client, id) in clients.iter_mut().zip(0..) {
        let mut answer = [0; 4];
        client.read_exact(&mut answer).unwrap();
        assert_eq!(u32::from_le_bytes(answer), id);
    }
}

/// What the server does: how it fails, and the connections that it holds on to.
#[derive(Default)]
struct Server {
    errors: Cell<u32>,
    polls: Cell<u64>,
    accepted: Cell<u32>,
    /// While this is set, no connection ends.
    holds: Cell<bool>,
    held: RefCell<Vec<TcpStream>>,
}

async fn answer(stream: TcpStream) {
    let ((), id) = stream.read_exact(Vec::with_capacity(4)).await.into_result().unwrap();
    stream.write_all(id).await.into_result().unwrap();
}

async fn serve(listener: TcpListener, server: Rc<Server>) {
    loop {
        let mut accept = Box::pin(listener.accept());
        let accepted = std::future::poll_fn(|cx| {
            server.polls.set(server.polls.get() + 1);
            accept.as_mut().poll(cx)
        })
        .await;
        match accepted {
            Ok((stream, _)) => {
                server.accepted.set(server.accepted.get() + 1);
                if server.holds.get() {
                    server.held.borrow_mut().push(stream);
                } else {
                    drop(spawn(answer(stream)));
                }
            }
            Err(error) => {
                assert_eq!(error.raw_os_error(), Some(libc::EMFILE));
                server.errors.set(server.errors.get() + 1);
            }
        }
    }
}

/// With nothing free, the server is nearly idle: it tries ten times a second, and tells once.
async fn stays_calm(server: &Server) {
    let before = (stats().enters, server.polls.get(), server.errors.get());
    let start = Instant::now();
    sleep(Duration::from_millis(1200)).await;
    // Whoever counts late has let more happen, and allows more.
    let elapsed = start.elapsed();
    let (tries_max, seconds) = (elapsed.as_millis() as u64 / 100 + 8, elapsed.as_secs() as u32);
    let (enters, polls) = (stats().enters - before.0, server.polls.get() - before.1);
    let errors = server.errors.get() - before.2;
    println!("{elapsed:?} without a descriptor: {enters} enters, {polls} polls, {errors} errors");
    assert!(storm::adds_enters() || enters <= 4 * tries_max, "{enters} enters in {elapsed:?}");
    assert!(polls <= 3 * tries_max, "{polls} polls in {elapsed:?}");
    assert!(errors <= seconds + 1, "{errors} errors in {elapsed:?}");
}

#[test]
fn without_a_free_descriptor_a_server_keeps_calm_and_serves_all_clients_in_the_end() {
    // The breaks: no pause (`poll_pause` left out in `Waiting::poll`), which spins; an accept that is not armed again
    // after it (`arm` left out there), which serves nobody.
    alone(|| {
        let (_, hard) = getrlimit(Resource::RLIMIT_NOFILE).unwrap();
        setrlimit(Resource::RLIMIT_NOFILE, hard, hard).unwrap();
        let runtime = test_builder().build().unwrap();
        let listener = runtime.block_on(TcpListener::bind("127.0.0.1:0")).unwrap();
        let address = listener.local_addr().unwrap();
        // Their descriptors are another process's: it is the server's that are short.
        let clients = fork(|| all_clients(address));
        let lowest = std::fs::File::open("/dev/null").unwrap().as_raw_fd().cast_unsigned();
        // The limit counts from the moment at which the accept is made.
        setrlimit(Resource::RLIMIT_NOFILE, u64::from(lowest) + FREE, hard).unwrap();
        let server = Rc::new(Server::default());
        server.holds.set(true);
        runtime.block_on(async {
            let serving = spawn(serve(listener, Rc::clone(&server)));
            until("an accept fails", || server.errors.get() == 1).await;
            let full = server.accepted.get();
            // Some numbers may have been taken by what was inherited.
            assert!((1..=FREE).contains(&u64::from(full)), "{full} connections");
            stays_calm(&server).await;
            assert_eq!(server.accepted.get(), full);
            // Descriptors become free, few at a time for the rest of the clients.
            server.holds.set(false);
            let free = Instant::now();
            for stream in server.held.take() {
                drop(spawn(answer(stream)));
            }
            until("it has recovered", || server.accepted.get() > full).await;
            println!("recovered {:?} after the first was freed", free.elapsed());
            until("all are accepted", || server.accepted.get() == CLIENTS).await;
            println!("all served {:?} after, {} errors", free.elapsed(), server.errors.get());
            until("all are answered", || stats().tasks == 1).await;
            serving.abort();
        });
        assert_eq!(exit_code(clients), 0, "a client was not answered");
        assert_eq!(runtime.stats().unknown, 0);
        assert_eq!(runtime.shutdown(), 0);
    });
}
