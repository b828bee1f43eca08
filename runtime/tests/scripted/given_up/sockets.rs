//! Operations of sockets that the kernel gives up: they go on, or are armed again, within bounds.

use std::rc::Rc;
use std::task::Poll;

use uring_runtime::buf::BufResult;
use uring_runtime::io::Sender;
use uring_runtime::task::{JoinHandle, spawn};
use uring_sys_shim::opcode;

use super::{TRIES_MAX, give_up};
use crate::accept::{accept_now, acceptor};
use crate::support::{
    Rig, Then, all, answer, cancels_win, deliver, descriptor, only, poll, quiet, receiver, socket, take,
};

fn write_all(sender: &Rc<Sender>, bytes: &[u8]) -> JoinHandle<BufResult<(), Vec<u8>>> {
    let (sender, bytes) = (Rc::clone(sender), bytes.to_vec());
    spawn(async move { sender.write_all(bytes).await })
}

/// C5, B5. The breaks: `Send::after` tells a cancel that nobody asked for; it has no limit; bytes do not reset the count.
#[test]
fn a_send_that_is_given_up_goes_on_where_it_was() {
    let rig = Rig::new();
    rig.run(async |script| {
        let (_receiver, sender, _peer) = socket();
        let sender = Rc::new(sender);
        let sending = write_all(&sender, b"in several pieces");
        let mut wire = Vec::new();
        for _ in 0..5 {
            let sqe = give_up(script, opcode::SEND, libc::ECANCELED, TRIES_MAX - 1).await;
            wire.extend(take(script, &sqe, 3));
            quiet().await;
        }
        let sqe = give_up(script, opcode::SEND, libc::ECANCELED, TRIES_MAX).await;
        wire.extend(take(script, &sqe, 2));
        sending.await.expect("no panic").into_result().expect("all was sent");
        assert_eq!(wire, b"in several pieces");
        let (first, second) = (write_all(&sender, b"never"), write_all(&sender, b"next"));
        let last = give_up(script, opcode::SEND, libc::ECANCELED, TRIES_MAX).await;
        script.complete(&last, -libc::ECANCELED);
        let error = first.await.expect("no panic").into_result().expect_err("given up for ever");
        assert_eq!(error.raw_os_error(), Some(libc::ECANCELED));
        quiet().await;
        assert_eq!(take(script, &only(script, opcode::SEND), 4), b"next");
        second.await.expect("no panic").into_result().expect("it was its turn");
    });
    rig.end();
}

/// C5, C11. The breaks: `Inlet::ended` arms again without a limit; bytes do not reset the count.
#[test]
fn a_receive_that_is_given_up_is_armed_again_within_bounds() {
    let rig = Rig::new();
    rig.run(async |script| {
        let receiver = Rc::new(receiver());
        let recv = || {
            let receiver = Rc::clone(&receiver);
            spawn(async move { receiver.recv().await })
        };
        for shots in [Then::More, Then::Last, Then::More] {
            let receiving = recv();
            let armed = give_up(script, opcode::RECV, libc::ECANCELED, TRIES_MAX).await;
            assert!(deliver(script, &armed, b"bytes", shots));
            assert_eq!(&receiving.await.expect("no panic").expect("bytes")[..], b"bytes");
            if shots == Then::More {
                // With nobody waiting, it is armed when somebody asks.
                script.complete(&armed, -libc::ECANCELED);
                quiet().await;
                assert!(all(script, opcode::RECV).is_empty());
                let receiving = recv();
                quiet().await;
                assert!(deliver(script, &only(script, opcode::RECV), b"more", Then::Last));
                assert_eq!(&receiving.await.expect("no panic").expect("bytes")[..], b"more");
            }
        }
        let receiving = recv();
        let last = give_up(script, opcode::RECV, libc::ECANCELED, TRIES_MAX).await;
        script.complete(&last, -libc::ECANCELED);
        let error = receiving.await.expect("no panic").map(drop).expect_err("given up for ever");
        assert_eq!(error.raw_os_error(), Some(libc::ECANCELED));
        // The stream may go on all the same.
        let receiving = recv();
        let armed = give_up(script, opcode::RECV, libc::EINTR, TRIES_MAX).await;
        assert!(deliver(script, &armed, b"on", Then::Last));
        assert_eq!(&receiving.await.expect("no panic").expect("bytes")[..], b"on");
    });
    rig.end();
}

/// C5, C11. The breaks: `Read::land` tells a cancel that nobody asked for; bytes do not reset the count.
#[test]
fn a_large_read_that_is_given_up_is_armed_again_within_bounds() {
    let rig = Rig::new();
    rig.run(async |script| {
        let receiver = receiver();
        let mut read = receiver.read_exact(Vec::with_capacity(1000));
        assert!(poll(&mut read).is_pending());
        quiet().await;
        for part in [b"a".as_slice(), b"b", b"c"] {
            for _ in 0..TRIES_MAX {
                script.complete(&only(script, opcode::RECV), -libc::ECANCELED);
                quiet().await;
                assert!(poll(&mut read).is_pending());
                quiet().await;
            }
            answer(script, &only(script, opcode::RECV), part);
            quiet().await;
            assert!(poll(&mut read).is_pending());
            quiet().await;
        }
        let mut polled = Poll::Pending;
        for _ in 0..=TRIES_MAX {
            assert!(polled.is_pending());
            script.complete(&only(script, opcode::RECV), -libc::ECANCELED);
            quiet().await;
            polled = poll(&mut read);
            quiet().await;
        }
        let Poll::Ready(BufResult(result, buf)) = polled else { panic!("it is armed for ever") };
        assert_eq!(result.expect_err("given up for ever").raw_os_error(), Some(libc::ECANCELED));
        assert_eq!(buf, b"abc");
    });
    rig.end();
}

/// C5, A2. The break: `Read::land` does not ask whether the core runs.
#[test]
fn a_large_read_that_the_end_of_the_runtime_cancels_is_told() {
    let rig = Rig::new();
    let receiver = rig.run(async |_| receiver());
    let mut read = receiver.read(Vec::with_capacity(1000));
    rig.run(async |_| {
        assert!(poll(&mut read).is_pending());
        quiet().await;
    });
    rig.script.on_wait(cancels_win);
    assert_eq!(rig.shutdown(), 0);
    let Poll::Ready(BufResult(result, _)) = poll(&mut read) else { panic!("its completion has come") };
    assert_eq!(result.expect_err("cancelled").raw_os_error(), Some(libc::ECANCELED));
}

/// C5, C11. The breaks: `Backlog::is_given_up` has no limit; a connection does not reset the count.
#[test]
fn an_accept_that_is_given_up_is_armed_again_within_bounds() {
    let rig = Rig::new();
    rig.run(async |script| {
        let acceptor = acceptor();
        for _ in 0..3 {
            for _ in 0..TRIES_MAX {
                assert!(accept_now(&acceptor).await.is_none());
                quiet().await;
                script.complete(&only(script, opcode::ACCEPT), -libc::ECANCELED);
                quiet().await;
            }
            assert!(accept_now(&acceptor).await.is_none());
            quiet().await;
            script.complete(&only(script, opcode::ACCEPT), descriptor().0);
            quiet().await;
            assert!(accept_now(&acceptor).await.is_some());
        }
        let mut accept = Box::pin(acceptor.accept());
        for _ in 0..=TRIES_MAX {
            assert!(poll(&mut accept).is_pending());
            quiet().await;
            script.complete(&only(script, opcode::ACCEPT), -libc::ECANCELED);
            quiet().await;
        }
        let Poll::Ready(result) = poll(&mut accept) else { panic!("it is armed for ever") };
        assert_eq!(result.expect_err("given up for ever").raw_os_error(), Some(libc::ECANCELED));
        rig.close_descriptors();
    });
    rig.end();
}
