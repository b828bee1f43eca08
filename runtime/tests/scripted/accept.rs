//! Accepting: each connection that the kernel hands over is delivered or closed, and never without bound.

use std::net::TcpListener;
use std::os::fd::AsRawFd;
use std::os::unix::net::UnixStream;
use std::rc::Rc;
use std::task::Poll;

use uring_runtime::Features;
use uring_runtime::io::{Acceptor, Fd, Socket};
use uring_runtime::task::spawn;
use uring_sys_shim::{Script, Sqe, opcode};

use crate::support::{Random, Rig, all, descriptor, is_closed, is_open, only, poll, quiet};

/// The bound of `runtime/src/io/acceptor.rs`.
const WAITING_MAX: usize = 128;

pub(super) fn acceptor() -> Acceptor {
    let listener = TcpListener::bind(("127.0.0.1", 0)).expect("a port is free");
    Acceptor::new(Socket::from_owned(listener.into()).fd().clone())
}

/// A connection comes. Gives its number and the peer's end.
pub(super) fn connect(script: &Script, sqe: &Sqe) -> (i32, UnixStream) {
    let (made, seen) = descriptor();
    if sqe.ioprio & Sqe::ACCEPT_MULTISHOT != 0 {
        script.complete_more(sqe, made);
    } else {
        script.complete(sqe, made);
    }
    (made, seen)
}

pub(super) async fn accept_now(acceptor: &Acceptor) -> Option<Fd> {
    let mut accept = Box::pin(acceptor.accept());
    match poll(&mut accept) {
        Poll::Ready(connection) => Some(connection.expect("a connection")),
        Poll::Pending => None,
    }
}

/// B1. The breaks: `Waiting::drop` cancels what is armed; `take_in` closes what nobody waits for.
#[test]
fn connections_for_a_dropped_accept_go_to_the_next_one() {
    for features in [Features::all(), Features::all().without(Features::ACCEPT_MULTISHOT)] {
        let rig = Rig::with(8, features, |builder| builder);
        rig.run(async |script| {
            let acceptor = acceptor();
            let mut random = Random::new(7);
            let (mut made, mut accepted, mut seen) = (Vec::new(), Vec::new(), Vec::new());
            for _ in 0..200 {
                accepted.extend(accept_now(&acceptor).await);
                quiet().await;
                if random.below(2) == 0 {
                    for sqe in all(script, opcode::ACCEPT) {
                        let (number, end) = connect(script, &sqe);
                        made.push(number);
                        seen.push(end);
                    }
                }
            }
            quiet().await;
            while let Some(connection) = accept_now(&acceptor).await {
                accepted.push(connection);
            }
            let numbers: Vec<i32> = accepted.iter().map(AsRawFd::as_raw_fd).collect();
            assert_eq!(numbers, made, "all of them, in order");
            assert!(seen.iter().all(is_open));
            drop(accepted);
            quiet().await;
            rig.close_descriptors();
            assert!(seen.iter().all(is_closed));
            drop(acceptor);
        });
        rig.end();
    }
}

/// B1. The breaks: `arrived` never says "full", or says it each time; `ended` leaves `stopping`.
#[test]
fn with_128_connections_waiting_the_kernel_is_told_to_stop_once() {
    let rig = Rig::new();
    rig.run(async |script| {
        let acceptor = acceptor();
        assert!(accept_now(&acceptor).await.is_none());
        quiet().await;
        let armed = only(script, opcode::ACCEPT);
        let mut seen = Vec::new();
        for waiting in 1..=WAITING_MAX + 5 {
            assert_eq!(script.cancelled().len(), usize::from(waiting > WAITING_MAX), "{waiting} wait");
            seen.push(connect(script, &armed).1);
            quiet().await;
        }
        assert_eq!(script.cancelled(), [armed.user_data], "once, although more have come");
        script.complete(&armed, -libc::ECANCELED);
        quiet().await;
        assert!(all(script, opcode::ACCEPT).is_empty(), "not armed while enough wait");
        for _ in 0..WAITING_MAX + 5 {
            assert!(accept_now(&acceptor).await.is_some());
            quiet().await;
            assert!(all(script, opcode::ACCEPT).is_empty());
        }
        assert!(accept_now(&acceptor).await.is_none(), "the cancel is no error");
        quiet().await;
        let again = only(script, opcode::ACCEPT);
        for _ in 0..WAITING_MAX {
            assert_eq!(script.cancelled().len(), 1, "the count began anew");
            seen.push(connect(script, &again).1);
            quiet().await;
        }
        assert_eq!(script.cancelled(), [armed.user_data, again.user_data]);
        assert!(accept_now(&acceptor).await.is_some());
        rig.close_descriptors();
    });
    rig.end();
}

/// B1. The break: `Acceptor::drop` does not cancel.
#[test]
fn a_listener_that_goes_away_cancels_its_accept_also_when_nobody_connects() {
    let rig = Rig::new();
    rig.run(async |script| {
        let acceptor = acceptor();
        assert!(accept_now(&acceptor).await.is_none());
        quiet().await;
        let armed = only(script, opcode::ACCEPT);
        drop(acceptor);
        quiet().await;
        assert_eq!(script.cancelled(), [armed.user_data]);
    });
    rig.end();
}

/// B1. The breaks: `Acceptor::drop` keeps what was accepted; `take_in` does not look at `unwanted`.
#[test]
fn a_listener_that_goes_away_closes_what_nobody_took_and_what_still_comes() {
    let rig = Rig::new();
    rig.run(async |script| {
        let acceptor = acceptor();
        assert!(accept_now(&acceptor).await.is_none());
        quiet().await;
        let armed = only(script, opcode::ACCEPT);
        let waiting = connect(script, &armed).1;
        quiet().await;
        let posted = connect(script, &armed).1;
        drop(acceptor);
        assert!(is_closed(&waiting), "at once");
        quiet().await;
        assert!(is_closed(&posted));
        // Again for each connection that comes all the same: the kernel may not have found the accept.
        let cancelled = script.cancelled();
        assert!(!cancelled.is_empty() && cancelled.iter().all(|key| *key == armed.user_data));
        let late = connect(script, &armed).1;
        let (last, seen) = descriptor();
        script.complete(&armed, last);
        quiet().await;
        assert!(is_closed(&late) && is_closed(&seen));
        assert_eq!(script.submitted_with(opcode::CLOSE).len(), 1, "the listener's own descriptor");
    });
    rig.end();
}

/// B1, C16. The break: `Line::leave` forgets a turn that was called and never came.
#[test]
fn many_accepts_share_one_listener_in_order_whoever_goes_away() {
    let rig = Rig::new();
    rig.run(async |script| {
        let acceptor = Rc::new(acceptor());
        let mut waiting: Vec<_> = (0..8)
            .map(|_| {
                let acceptor = Rc::clone(&acceptor);
                spawn(async move { acceptor.accept().await.expect("a connection").as_raw_fd() })
            })
            .collect();
        quiet().await;
        let armed = only(script, opcode::ACCEPT);
        let mut made = Vec::new();
        // The first is aborted in the same turn in which its connection comes, and so is the next, whose turn it is
        // then: the one behind them gets it.
        made.push(connect(script, &armed).0);
        waiting.remove(0).abort();
        waiting.remove(0).abort();
        waiting.remove(3).abort();
        quiet().await;
        for _ in 0..4 {
            made.push(connect(script, &armed).0);
            quiet().await;
        }
        let mut accepted = Vec::new();
        for accept in waiting {
            accepted.push(accept.await.expect("no panic"));
        }
        assert_eq!(accepted, made);
        rig.close_descriptors();
    });
    rig.end();
}
