//! Sends without a copy: the line moves on with the first completion, and the buffer comes back with the last.

use std::cell::Cell;
use std::io::ErrorKind;
use std::os::unix::net::UnixStream;
use std::rc::Rc;
use std::time::Duration;

use uring_runtime::Features;
use uring_runtime::buf::BufResult;
use uring_runtime::io::{Sender, Socket};
use uring_sys_shim::{Script, Sqe, opcode};

use crate::buffers::Counted;
use crate::support::{Rig, all, is_closed, is_open, notify, only, poll, queue, quiet, socket, take};

mod storm;

/// What a notification says when the kernel has copied.
const COPIED: i32 = i32::MIN;

/// The youngest zero-copy send in flight.
#[track_caller]
fn youngest(script: &Script) -> Sqe {
    *all(script, opcode::SEND_ZC).last().expect("one is in flight")
}

/// A8. The breaks: `SendZeroCopy::more` keeps its place in the line, so that the second write waits for the peer;
/// `Records::deliver` takes every completion for the last one.
#[test]
fn sends_go_on_when_bytes_are_queued_and_buffers_come_back_when_they_are_released() {
    let rig = Rig::new();
    let drops = Rc::new(Cell::new(0));
    rig.run(async |script| {
        let (_receiver, sender, _peer) = socket();
        let mut first = sender.write_all_zero_copy(Counted::of(b"first ", &drops));
        let mut second = sender.write_all_zero_copy(Counted::of(b"second ", &drops));
        let mut third = sender.write_all(b"third".to_vec());
        assert!(
            poll(&mut first).is_pending() && poll(&mut second).is_pending() && poll(&mut third).is_pending()
        );
        quiet().await;
        let one = only(script, opcode::SEND_ZC);
        let mut wire = queue(script, &one, 6);
        quiet().await;
        assert!(poll(&mut first).is_pending(), "queued is not released");
        assert!(poll(&mut third).is_pending() && poll(&mut second).is_pending());
        quiet().await;
        let two = youngest(script);
        assert_ne!(one, two, "the second write waits for no notification");
        wire.extend(queue(script, &two, 7));
        quiet().await;
        assert!(poll(&mut third).is_pending());
        quiet().await;
        wire.extend(take(script, &only(script, opcode::SEND), 5));
        quiet().await;
        assert!(third.await.is_ok());
        assert_eq!(wire, b"first second third");
        notify(script, &two, COPIED);
        quiet().await;
        assert!(poll(&mut first).is_pending(), "the notification was the other's");
        assert!(second.await.is_ok(), "a notification's bits are no result");
        notify(script, &one, 0);
        quiet().await;
        assert!(first.await.is_ok());
        assert_eq!(drops.get(), 2);
    });
    let stats = rig.stats();
    assert_eq!((stats.zero_copy_sends, stats.zero_copy_copied, stats.zero_copy_refused), (2, 1, 0));
    rig.end();
}

/// A8. The breaks: `Records::deliver` retires a record whose future is gone at its first completion; the drop of the future
/// cancels the send.
#[test]
fn a_future_that_is_dropped_at_any_time_frees_no_buffer_before_its_notification() {
    for dropped_at in 0..3 {
        let rig = Rig::new();
        let drops = Rc::new(Cell::new(0));
        rig.run(async |script| {
            let (_receiver, sender, _peer) = socket();
            let mut write = Some(sender.write_all_zero_copy(Counted::of(b"whole", &drops)));
            assert!(write.as_mut().is_some_and(|write| poll(write).is_pending()));
            write.take_if(|_| dropped_at == 0);
            quiet().await;
            let sqe = only(script, opcode::SEND_ZC);
            write.take_if(|_| dropped_at == 1);
            assert_eq!(queue(script, &sqe, 5), b"whole");
            quiet().await;
            write.take_if(|_| dropped_at == 2);
            quiet().await;
            assert_eq!(drops.get(), 0, "the kernel still reads the buffer");
            assert_eq!(script.cancelled(), [], "a write that began is not cancelled");
            // The next one does not wait for it.
            let mut next = sender.write_all(b"next".to_vec());
            assert!(poll(&mut next).is_pending());
            quiet().await;
            take(script, &only(script, opcode::SEND), 4);
            notify(script, &sqe, 0);
            quiet().await;
            assert!(next.await.is_ok());
            assert_eq!(drops.get(), 1);
        });
        rig.end();
    }
}

/// A8. The breaks: the result decides whether a notification follows (`cqe.more() && cqe.res >= 0` in `Records::deliver`);
/// the line waits for the notification of an error.
#[test]
fn an_error_is_told_with_the_buffer_whether_a_notification_follows_or_not() {
    for notified in [true, false] {
        let rig = Rig::new();
        rig.run(async |script| {
            let (_receiver, sender, _peer) = socket();
            let mut write = sender.write_all_zero_copy(b"never".to_vec());
            let mut next = sender.write_all(b"nor this".to_vec());
            assert!(poll(&mut write).is_pending() && poll(&mut next).is_pending());
            quiet().await;
            let sqe = only(script, opcode::SEND_ZC);
            let told = if notified {
                script.complete_more(&sqe, -libc::EPIPE);
                quiet().await;
                assert!(poll(&mut write).is_pending() && poll(&mut next).is_pending());
                quiet().await;
                assert_eq!(
                    all(script, opcode::SEND).len(),
                    1,
                    "nothing comes of the first, so it is the next one's turn"
                );
                notify(script, &sqe, COPIED);
                quiet().await;
                write.await
            } else {
                script.complete(&sqe, -libc::EPIPE);
                quiet().await;
                let told = write.await;
                assert!(poll(&mut next).is_pending());
                quiet().await;
                told
            };
            script.complete(&only(script, opcode::SEND), -libc::EPIPE);
            quiet().await;
            assert!(next.await.into_result().is_err(), "it had its turn");
            let BufResult(result, buf) = told;
            assert_eq!(result.map_err(|error| error.kind()), Err(ErrorKind::BrokenPipe));
            assert_eq!(buf, b"never");
        });
        assert_eq!(rig.stats().zero_copy_sends, 0);
        rig.end();
    }
}

/// A8, B5. The breaks: `SendZeroCopy::more` leaves the line whatever came, and the rest comes behind what others send;
/// `Next::Rest` is sent from the beginning of the buffer.
#[test]
fn a_short_send_goes_on_with_the_rest_of_the_same_buffer_before_anybody_else_sends() {
    for is_dropped in [false, true] {
        let rig = Rig::new();
        let drops = Rc::new(Cell::new(0));
        rig.run(async |script| {
            let (_receiver, sender, _peer) = socket();
            let mut write = sender.write_all_zero_copy(Counted::of(b"in three parts", &drops));
            let mut next = sender.write_all_zero_copy(b"!".to_vec());
            assert!(poll(&mut write).is_pending() && poll(&mut next).is_pending());
            quiet().await;
            let mut write = Some(write).filter(|_| !is_dropped);
            let mut wire = Vec::new();
            for count in [3, 6, 5] {
                let sqe = only(script, opcode::SEND_ZC);
                wire.extend(queue(script, &sqe, count));
                quiet().await;
                assert!(poll(&mut next).is_pending());
                assert_eq!(drops.get(), 0);
                notify(script, &sqe, 0);
                quiet().await;
                let ended = write.as_mut().is_some_and(|write| poll(write).is_ready());
                assert_eq!(ended, !is_dropped && wire.len() == 14);
                quiet().await;
            }
            wire.extend(queue(script, &only(script, opcode::SEND_ZC), 1));
            assert_eq!(wire, b"in three parts!");
            assert_eq!(drops.get(), 1);
        });
        rig.end();
    }
}

/// A8. The breaks: a refusal is told like any other error; what was refused is sent without a copy again.
#[test]
fn what_the_kernel_refuses_to_send_without_a_copy_is_sent_with_one_and_counted() {
    for errno in [libc::EOPNOTSUPP, libc::ENOMEM] {
        let rig = Rig::new();
        let drops = Rc::new(Cell::new(0));
        rig.run(async |script| {
            let (_receiver, sender, _peer) = socket();
            let mut write = sender.write_all_zero_copy(Counted::of(b"refused", &drops));
            assert!(poll(&mut write).is_pending());
            quiet().await;
            let sqe = only(script, opcode::SEND_ZC);
            // Both shapes were seen of the kernel.
            if errno == libc::ENOMEM {
                script.complete(&sqe, -errno);
            } else {
                script.complete_more(&sqe, -errno);
                notify(script, &sqe, COPIED);
            }
            quiet().await;
            assert!(poll(&mut write).is_pending());
            quiet().await;
            let sqe = only(script, opcode::SEND);
            assert_eq!(sqe.ioprio, 0, "the flag of a zero-copy send is another's here");
            assert_eq!(take(script, &sqe, 2), b"re");
            quiet().await;
            assert!(poll(&mut write).is_pending());
            quiet().await;
            script.complete(&only(script, opcode::SEND), -errno);
            quiet().await;
            let BufResult(result, _buf) = write.await;
            assert_eq!(
                result.map_err(|error| error.raw_os_error()),
                Err(Some(errno)),
                "told the second time"
            );
        });
        let stats = rig.stats();
        assert_eq!((stats.zero_copy_sends, stats.zero_copy_copied, stats.zero_copy_refused), (0, 0, 1));
        rig.end();
    }
}

/// A8. The break: the entry asks for the report whatever the kernel knows, and an old one refuses it.
#[test]
fn the_report_is_asked_for_where_the_kernel_knows_it() {
    for (features, asks) in
        [(Features::all(), true), (Features::all().without(Features::ZERO_COPY_REPORT), false)]
    {
        let rig = Rig::with(64, features, |builder| builder);
        rig.run(async |script| {
            let (_receiver, sender, _peer) = socket();
            let mut write = sender.write_all_zero_copy(b"bytes".to_vec());
            assert!(poll(&mut write).is_pending());
            quiet().await;
            let sqe = only(script, opcode::SEND_ZC);
            assert_eq!(sqe.ioprio == Sqe::SEND_ZC_REPORT_USAGE, asks);
            assert_eq!(sqe.ioprio == 0, !asks);
            queue(script, &sqe, 5);
            notify(script, &sqe, 0);
            quiet().await;
            assert!(write.await.is_ok());
        });
        rig.end();
    }
}

/// A8. The break: a notification that comes first is taken for a result.
#[test]
fn a_notification_without_a_result_is_an_error_and_loses_no_turn() {
    let rig = Rig::new();
    rig.run(async |script| {
        let (_receiver, sender, _peer) = socket();
        let mut write = sender.write_all_zero_copy(b"bytes".to_vec());
        let mut next = sender.write_all(b"next".to_vec());
        assert!(poll(&mut write).is_pending() && poll(&mut next).is_pending());
        quiet().await;
        notify(script, &only(script, opcode::SEND_ZC), 5);
        quiet().await;
        assert_eq!(write.await.0.map_err(|error| error.raw_os_error()), Err(Some(libc::EIO)));
        assert!(poll(&mut next).is_pending());
        quiet().await;
        take(script, &only(script, opcode::SEND), 4);
        quiet().await;
        assert!(next.await.is_ok());
    });
    rig.end();
}

/// A8, A16. The break: `SendZeroCopy::more` keeps the outlet, so that a peer that does not read keeps the descriptor open.
#[test]
fn a_socket_is_closed_when_its_bytes_are_queued_although_its_buffers_are_not_released() {
    let rig = Rig::new();
    let drops = Rc::new(Cell::new(0));
    let (ours, peer) = UnixStream::pair().expect("descriptors are free");
    peer.set_nonblocking(true).expect("sockets can be non-blocking");
    let sqe = rig.run(async |script| {
        let socket = Socket::from_owned(ours.into());
        let sender = Sender::new(socket.fd().clone());
        drop(socket);
        let mut write = sender.write_all_zero_copy(Counted::of(b"last words", &drops));
        assert!(poll(&mut write).is_pending());
        quiet().await;
        drop(write);
        drop(sender);
        quiet().await;
        let sqe = only(script, opcode::SEND_ZC);
        assert!(all(script, opcode::CLOSE).is_empty() && script.submitted_with(opcode::CLOSE).is_empty());
        queue(script, &sqe, 10);
        quiet().await;
        assert_eq!(script.submitted_with(opcode::CLOSE).len(), 1);
        sqe
    });
    assert!(is_open(&peer));
    rig.close_descriptors();
    assert!(is_closed(&peer));
    assert_eq!(drops.get(), 0, "the kernel still reads the buffer");
    notify(&rig.script, &sqe, 0);
    rig.run(async |_| quiet().await);
    assert_eq!(drops.get(), 1);
    rig.end();
}

/// A2, A8. The break: `Core::drain` says at its deadline that nothing is left.
#[test]
fn a_runtime_that_ends_waits_for_notifications_and_leaks_those_that_do_not_come() {
    for comes in [true, false] {
        let rig = Rig::with(64, Features::all(), |builder| builder.drain_timeout(Duration::from_millis(5)));
        let drops = Rc::new(Cell::new(0));
        let sqe = rig.run(async |script| {
            let (_receiver, sender, _peer) = socket();
            let mut write = sender.write_all_zero_copy(Counted::of(b"unread", &drops));
            assert!(poll(&mut write).is_pending());
            quiet().await;
            let sqe = only(script, opcode::SEND_ZC);
            queue(script, &sqe, 6);
            quiet().await;
            sqe
        });
        let counted = Rc::clone(&drops);
        rig.script.on_wait(move |script| {
            assert_eq!(counted.get(), 0);
            for other in script.in_flight().iter().filter(|other| other.user_data != sqe.user_data) {
                script.complete(other, -libc::ECANCELED);
            }
            if comes && script.in_flight().contains(&sqe) {
                notify(script, &sqe, 0);
            }
        });
        assert_eq!(rig.shutdown(), usize::from(!comes));
        assert_eq!(drops.get(), usize::from(comes));
    }
}
