//! The pool of receive buffers: running out is back-pressure and never an error.

use std::collections::VecDeque;
use std::rc::Rc;
use std::time::Duration;

use uring_runtime::buf::RecvBuf;
use uring_runtime::io::Receiver;
use uring_runtime::task::spawn;
use uring_runtime::time::sleep;
use uring_runtime::{Builder, Features};
use uring_sys_shim::{Script, Sqe, opcode};

use crate::support::{Log, Rig, Then, all, deliver, only, poll, quiet, receiver};

fn pool(start: u16, max: u16) -> Rig {
    let change = |builder: Builder| builder.recv_buffers(start).recv_buffers_max(max);
    Rig::with(64, Features::all(), change)
}

/// Every socket has bytes at any time: each receive takes a buffer at once, or finds none.
fn serve(script: &Script) {
    for sqe in all(script, opcode::RECV) {
        if !deliver(script, &sqe, b"bytes", Then::Last) {
            script.complete(&sqe, -libc::ENOBUFS);
        }
    }
}

/// Takes all buffers of the pool.
async fn hoard(script: &Script, receiver: &Receiver, buffers: usize) -> VecDeque<RecvBuf> {
    let mut hoard = VecDeque::new();
    while hoard.len() < buffers {
        let mut recv = receiver.recv();
        assert!(poll(&mut recv).is_pending());
        quiet().await;
        assert!(deliver(script, &only(script, opcode::RECV), b"hoarded", Then::Last));
        quiet().await;
        hoard.push_back(recv.await.expect("bytes"));
    }
    hoard
}

/// C7. The break: `Inlet::ended` takes ENOBUFS for a failure.
#[test]
fn a_pool_that_is_empty_grows_to_its_limit_before_anybody_waits() {
    let rig = pool(4, 32);
    rig.run(async |script| {
        let receiver = receiver();
        let mut held = Vec::new();
        script.on_enter(serve);
        while held.len() < 32 {
            held.push(receiver.recv().await.expect("never an error"));
        }
        let stats = uring_runtime::stats();
        assert_eq!((stats.buffers, stats.buffers_free, stats.starved), (32, 0, 3), "4, 8, 16, 32");
        let mut recv = receiver.recv();
        assert!(poll(&mut recv).is_pending());
        quiet().await;
        assert!(poll(&mut recv).is_pending(), "the limit is reached: it waits");
        held.pop();
        quiet().await;
        assert!(poll(&mut recv).is_ready());
    });
    let stats = rig.stats();
    assert_eq!((stats.buffers, stats.buffers_free), (32, 32));
    rig.end();
}

/// C7. The break: `Core::starved` puts newcomers in front, or `feed_starved` feeds everybody for each buffer.
#[test]
fn starved_sockets_are_fed_in_the_order_in_which_they_starved() {
    let rig = pool(4, 4);
    rig.run(async |script| {
        let hoarder = receiver();
        let mut held = hoard(script, &hoarder, 4).await;
        script.on_enter(serve);
        let fed: Log<usize> = Rc::default();
        let taken: Log<RecvBuf> = Rc::default();
        for socket in 0..10 {
            let (receiver, fed, taken) = (receiver(), Rc::clone(&fed), Rc::clone(&taken));
            let _detached = spawn(async move {
                let bytes = receiver.recv().await.expect("never an error");
                fed.borrow_mut().push(socket);
                taken.borrow_mut().push(bytes);
            });
            quiet().await;
        }
        let starved = || uring_runtime::stats().starved;
        assert_eq!(
            (fed.borrow().len(), starved()),
            (0, 1),
            "the others stand behind the first, without trying"
        );
        let submitted = script.submitted().len();
        for _ in 0..100 {
            quiet().await;
        }
        assert_eq!(script.submitted().len(), submitted, "nobody tries while there is nothing");
        for count in 1..=4 {
            held.pop_front();
            quiet().await;
            assert_eq!(fed.borrow().len(), count, "one buffer feeds one socket");
        }
        for count in [6, 8, 10] {
            // Two come back at once.
            taken.borrow_mut().drain(..2);
            quiet().await;
            assert_eq!(fed.borrow().len(), count);
        }
        assert_eq!(*fed.borrow(), (0..10).collect::<Vec<_>>(), "who starved first is fed first");
        assert_eq!(starved(), 1, "who was fed found its buffer");
    });
    rig.end();
}

/// C7. The break: `Inlet::arm` without its look at `has_starved`: who asks again overtakes those who wait.
#[test]
fn a_starved_socket_that_asks_again_keeps_its_one_place_in_the_line() {
    let rig = pool(1, 1);
    rig.run(async |script| {
        let hoarder = receiver();
        let mut held = hoard(script, &hoarder, 1).await;
        script.on_enter(serve);
        let (patient, pushy) = (receiver(), receiver());
        let mut waits = patient.recv();
        assert!(poll(&mut waits).is_pending());
        quiet().await;
        let submitted = script.submitted_with(opcode::RECV).len();
        for _ in 0..50 {
            // As a `timeout` in a loop does it: a new future each time.
            assert!(poll(&mut pushy.recv()).is_pending());
            quiet().await;
        }
        assert_eq!(script.submitted_with(opcode::RECV).len(), submitted, "it waits like everybody");
        let mut again = pushy.recv();
        assert!(poll(&mut again).is_pending());
        held.pop_front();
        assert!(poll(&mut again).is_pending());
        quiet().await;
        assert!(poll(&mut waits).is_ready(), "who waited longest is fed first");
        drop(waits);
        quiet().await;
        assert!(poll(&mut again).is_ready());
    });
    rig.end();
}

/// C7. The break: `feed_starved` counts a buffer as used by a socket that does not want it any more, and the core sleeps
/// with a buffer free.
#[test]
fn a_starved_socket_that_goes_away_passes_its_turn_on() {
    let rig = pool(1, 1);
    rig.run(async |script| {
        let hoarder = receiver();
        let mut held = hoard(script, &hoarder, 1).await;
        script.on_enter(serve);
        let [gone, silent, last] = [receiver(), receiver(), receiver()];
        for starving in [&gone, &silent] {
            assert!(poll(&mut starving.recv()).is_pending());
            quiet().await;
        }
        let mut recv = last.recv();
        assert!(poll(&mut recv).is_pending());
        quiet().await;
        drop(gone);
        let enters = script.enters();
        held.pop_front();
        quiet().await;
        assert!(poll(&mut recv).is_ready(), "neither the dropped nor the silent one holds it up");
        assert!(script.enters() - enters <= 2, "nor does either cost a turn");
    });
    rig.end();
}

/// C7. The break: `is_short` is always false: the first socket's multishot receive takes every buffer.
#[test]
fn while_buffers_are_short_a_receive_takes_one_at_a_time() {
    let rig = pool(64, 64);
    rig.run(async |script| {
        let receiver = receiver();
        let many = |sqe: Sqe| sqe.ioprio & Sqe::RECV_MULTISHOT != 0;
        let mut recv = receiver.recv();
        assert!(poll(&mut recv).is_pending());
        quiet().await;
        let armed = only(script, opcode::RECV);
        assert!(many(armed), "plenty of buffers");
        let mut held = Vec::new();
        while held.len() < 57 {
            assert!(deliver(script, &armed, b"bytes", Then::More));
            quiet().await;
            held.push(receiver_next(&mut recv, &receiver).await);
        }
        script.complete(&armed, -libc::ENOBUFS);
        quiet().await;
        assert!(poll(&mut recv).is_pending());
        quiet().await;
        assert!(!many(only(script, opcode::RECV)), "less than an eighth is free");
        held.truncate(10);
        assert!(deliver(script, &only(script, opcode::RECV), b"bytes", Then::Last));
        quiet().await;
        held.push(receiver_next(&mut recv, &receiver).await);
        assert!(poll(&mut recv).is_pending());
        quiet().await;
        assert!(many(only(script, opcode::RECV)), "plenty again");
    });
    rig.end();
}

/// Takes what the future has and puts a new one in its place.
async fn receiver_next<'a>(recv: &mut uring_runtime::io::Recv<'a>, receiver: &'a Receiver) -> RecvBuf {
    let bytes = (&mut *recv).await.expect("bytes");
    *recv = receiver.recv();
    bytes
}

/// C7. The break: `arrived` never cancels: one connection that nobody reads takes every buffer.
#[test]
fn a_connection_that_nobody_reads_is_stopped_at_its_share() {
    let rig = pool(64, 64);
    rig.run(async |script| {
        let receiver = receiver();
        assert!(poll(&mut receiver.recv()).is_pending());
        quiet().await;
        let armed = only(script, opcode::RECV);
        let mut stashed = 0;
        let mut bring = async || {
            assert!(deliver(script, &armed, b"unread", Then::More));
            quiet().await;
            stashed += 1;
            stashed
        };
        while script.cancelled().is_empty() {
            assert!(bring().await <= 8, "an eighth of 64 is its share");
        }
        // On their way when the cancel was made.
        bring().await;
        let stashed = bring().await;
        assert!(stashed > 5, "and not much less");
        assert_eq!(script.cancelled(), [armed.user_data], "told once");
        script.complete(&armed, -libc::ECANCELED);
        quiet().await;
        assert!(all(script, opcode::RECV).is_empty());
        for _ in 0..stashed {
            assert_eq!(&receiver.recv().await.expect("bytes")[..], b"unread");
        }
        assert!(poll(&mut receiver.recv()).is_pending());
        quiet().await;
        only(script, opcode::RECV);
    });
    rig.end();
}

/// C7. The breaks: as above. Fifty sockets, four buffers, and users that hold each buffer for a while.
#[test]
fn many_sockets_share_few_buffers_fairly() {
    let rig = pool(4, 4);
    rig.run(async |script| {
        script.on_enter(serve);
        let progress: Rc<Vec<std::cell::Cell<u32>>> = Rc::new((0..50).map(|_| 0.into()).collect());
        for socket in 0..50 {
            let (receiver, progress) = (receiver(), Rc::clone(&progress));
            let _detached = spawn(async move {
                loop {
                    let bytes = receiver.recv().await.expect("never an error");
                    assert_eq!(&bytes[..], b"bytes");
                    sleep(Duration::from_micros(1 + socket % 7)).await;
                    progress[socket as usize].update(|count| count + 1);
                }
            });
        }
        sleep(Duration::from_millis(2)).await;
        let most = progress.iter().map(std::cell::Cell::get).max().expect("fifty");
        let least = progress.iter().map(std::cell::Cell::get).min().expect("fifty");
        assert!(least >= 5 && most <= 2 * least, "between {least} and {most}");
    });
    rig.end_with_things_held();
}
