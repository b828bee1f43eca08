//! Receiving: no byte is lost or reordered, whoever goes away while it is on its way.

use std::future::poll_fn;
use std::io::ErrorKind;
use std::pin::pin;
use std::rc::Rc;
use std::task::Poll;
use std::time::Duration;

use uring_runtime::Features;
use uring_runtime::buf::BufResult;
use uring_runtime::io::Receiver;
use uring_runtime::task::spawn;
use uring_runtime::time::timeout;
use uring_sys_shim::{Script, Sqe, opcode};

use crate::support::{Random, Rig, Then, all, answer, cancels_win, deliver, only, poll, quiet, receiver};

fn room(bytes: usize) -> Vec<u8> {
    Vec::with_capacity(bytes)
}

/// B2. The break: `Recv::drop` cancels what is armed.
#[test]
fn bytes_for_a_dropped_recv_go_to_the_next_reader() {
    let rig = Rig::new();
    rig.run(async |script| {
        let receiver = receiver();
        assert!(poll(&mut receiver.recv()).is_pending());
        quiet().await;
        let armed = only(script, opcode::RECV);
        assert!(deliver(script, &armed, b"one ", Then::More));
        assert!(deliver(script, &armed, b"two", Then::More));
        quiet().await;
        assert_eq!(&receiver.recv().await.expect("bytes")[..], b"one ");
        assert_eq!(receiver.read(room(64)).await.1, b"two");
        assert!(script.cancelled().is_empty());
        assert_eq!(only(script, opcode::RECV), armed, "what was armed is armed still");
    });
    rig.end();
}

/// B2, B3. The breaks: `RecvInto::orphaned` drops what came; `RecvInto::ON_DROP` is `Cancel`.
#[test]
fn bytes_for_a_read_that_timed_out_go_to_the_next_reader() {
    let rig = Rig::new();
    rig.run(async |script| {
        let receiver = receiver();
        let late = timeout(Duration::from_millis(1), receiver.read(room(1000))).await;
        assert!(late.is_err(), "nothing came in time");
        quiet().await;
        let sqe = only(script, opcode::RECV);
        assert!(script.cancelled().is_empty(), "the receive belongs to the socket");
        let mut next = receiver.read_exact(room(4));
        assert!(poll(&mut next).is_pending());
        answer(script, &sqe, b"late, and whole");
        quiet().await;
        assert_eq!(next.await.1, b"late");
        assert_eq!(&receiver.recv().await.expect("bytes")[..], b", and whole");
    });
    rig.end();
}

/// B3. The break: `Timeout::poll` looks at the deadline first, and the core at its timers before its completions.
#[test]
fn bytes_that_come_together_with_the_deadline_are_not_timed_out() {
    let rig = Rig::new();
    rig.run(async |script| {
        let receiver = receiver();
        for _ in 0..100 {
            script.on_wait(|script| {
                script.advance(1_000_000);
                all(script, opcode::RECV).iter().for_each(|sqe| answer(script, sqe, b"in time"));
            });
            let read = timeout(Duration::from_millis(1), receiver.read(room(1000))).await;
            assert_eq!(read.expect("not timed out").1, b"in time");
        }
    });
    rig.end();
}

/// B2. The break: `Recv::drop` takes what has arrived with it.
#[test]
fn bytes_that_came_for_a_recv_that_is_dropped_go_to_the_next_one() {
    let rig = Rig::new();
    rig.run(async |script| {
        let receiver = receiver();
        let mut recv = receiver.recv();
        assert!(poll(&mut recv).is_pending());
        quiet().await;
        deliver(script, &only(script, opcode::RECV), b"kept", Then::More);
        quiet().await;
        drop(recv);
        assert_eq!(&receiver.recv().await.expect("bytes")[..], b"kept");
    });
    rig.end();
}

/// B2. The break: `Read::drop` does not put back what it had taken, or `RecvInto::orphaned` forgets `filled`.
#[test]
fn a_read_exact_that_is_dropped_puts_back_what_it_had() {
    let rig = Rig::new();
    rig.run(async |script| {
        let receiver = receiver();
        for large in [10, 1000] {
            let mut read = receiver.read_exact(room(large));
            assert!(poll(&mut read).is_pending());
            quiet().await;
            for part in [b"abc".as_slice(), b"def"] {
                let sqe = only(script, opcode::RECV);
                if sqe.flags & Sqe::BUFFER_SELECT == 0 {
                    answer(script, &sqe, part);
                } else {
                    deliver(script, &sqe, part, Then::More);
                }
                quiet().await;
                assert!(poll(&mut read).is_pending());
                quiet().await;
            }
            drop(read);
            if large == 1000 {
                answer(script, &only(script, opcode::RECV), b"ghi");
                quiet().await;
                assert_eq!(receiver.read_exact(room(9)).await.1, b"abcdefghi");
            } else {
                assert_eq!(receiver.read_exact(room(6)).await.1, b"abcdef");
                // The receive that the pool feeds is ended, so that the next round gives its own buffer.
                script.complete(&only(script, opcode::RECV), -libc::ECANCELED);
                quiet().await;
            }
        }
    });
    rig.end();
}

/// B2. The break: `Read::drop` without `give_back`. The bytes would come only with the peer's next ones, and the peer
/// may be waiting for an answer.
#[test]
fn what_a_dropped_read_had_is_there_at_once_for_the_next() {
    let rig = Rig::new();
    rig.run(async |script| {
        let receiver = receiver();
        let mut read = receiver.read_exact(room(1000));
        assert!(poll(&mut read).is_pending());
        quiet().await;
        answer(script, &only(script, opcode::RECV), b"a request");
        quiet().await;
        assert!(poll(&mut read).is_pending());
        quiet().await;
        drop(read);
        let armed = only(script, opcode::RECV);
        let mut next = receiver.recv();
        let Poll::Ready(bytes) = poll(&mut next) else { panic!("the bytes are held back") };
        assert_eq!(&bytes.expect("bytes")[..], b"a request");
        answer(script, &armed, b" and the rest");
        quiet().await;
        assert_eq!(receiver.read(room(64)).await.1, b" and the rest", "nothing comes twice");
    });
    rig.end();
}

/// How the peer's bytes come in the storm: any receive in flight gets some of the rest, now and then all ends early.
fn feed(script: &Script, random: &mut Random, sent: &mut u8) {
    for sqe in all(script, opcode::RECV) {
        for _ in 0..=random.below(2) {
            let count = 1 + random.below(40) as u8;
            let bytes: Vec<u8> = (0..count).map(|byte| sent.wrapping_add(byte)).collect();
            let pooled = sqe.flags & Sqe::BUFFER_SELECT != 0;
            let many = sqe.ioprio & Sqe::RECV_MULTISHOT != 0;
            let then = if many && random.below(8) > 0 { Then::More } else { Then::Last };
            let taken = if !pooled {
                let count = bytes.len().min(sqe.len as usize);
                answer(script, &sqe, &bytes[..count]);
                count
            } else if deliver(script, &sqe, &bytes, then) {
                bytes.len()
            } else {
                script.complete(&sqe, -libc::ENOBUFS);
                0
            };
            *sent = sent.wrapping_add(taken as u8);
            if !script.in_flight().contains(&sqe) {
                break;
            }
        }
    }
}

/// One step of the storm's reader: some way to read, dropped after a number of polls.
async fn read_a_bit(receiver: &Receiver, random: &mut Random) -> Vec<u8> {
    let mut polls = random.below(4);
    let kind = random.below(4);
    let bytes = 1 + random.below(30) as usize;
    let mut any = pin!(async {
        match kind {
            0 => receiver.recv().await.expect("bytes").to_vec(),
            1 => receiver.read(room(bytes)).await.1,
            2 => receiver.read(room(200 + bytes)).await.1,
            _ => {
                let BufResult(result, buf) = receiver.read_exact(room(bytes * 5)).await;
                assert!(result.is_ok());
                buf
            }
        }
    });
    let limited = poll_fn(|cx| match any.as_mut().poll(cx) {
        Poll::Ready(bytes) => Poll::Ready(bytes),
        Poll::Pending if polls == 0 => Poll::Ready(Vec::new()),
        Poll::Pending => {
            polls -= 1;
            cx.waker().wake_by_ref();
            Poll::Pending
        }
    });
    limited.await
}

/// Reads numbered bytes in every way and drops readers at any point: the numbers must come without a gap.
fn check_storm(seed: u64, features: Features) {
    let rig = Rig::with(8, features, |builder| builder);
    let mut random = Random::new(seed);
    rig.run(async |script| {
        let receiver = receiver();
        let (mut sent, mut expected) = (0_u8, 0_u8);
        for _ in 0..300 {
            for byte in read_a_bit(&receiver, &mut random).await {
                assert_eq!(byte, expected, "seed {seed}, {features:?}");
                expected = expected.wrapping_add(1);
            }
            if random.below(3) == 0 {
                quiet().await;
            }
            feed(script, &mut random, &mut sent);
        }
        // What is still on its way comes, too.
        quiet().await;
        while sent != expected {
            let mut rest = receiver.recv();
            let Poll::Ready(rest) = poll(&mut rest) else {
                panic!("seed {seed}, {features:?}: {} bytes are lost", sent.wrapping_sub(expected));
            };
            for byte in &rest.expect("bytes")[..] {
                assert_eq!(*byte, expected, "seed {seed}, {features:?}: the rest");
                expected = expected.wrapping_add(1);
            }
        }
        drop(receiver);
        quiet().await;
        cancels_win(script);
        quiet().await;
    });
    let stats = rig.stats();
    assert_eq!(stats.buffers_free, stats.buffers, "seed {seed}, {features:?}: every buffer is back");
    assert_eq!(stats.unknown, 0);
    rig.end();
}

/// B2, B3, B6. The breaks: as above; `unpop` puts back at the wrong end; `feed` drops a waker that waits.
#[test]
fn a_storm_of_dropped_readers_loses_no_byte() {
    let all = Features::all();
    for features in [all, all.without(Features::RECV_MULTISHOT), all.without(Features::BUF_RING)] {
        for seed in 1..=100 {
            check_storm(seed, features);
        }
    }
}

/// B6. The breaks: `arrived` stashes bytes although the course is `Unwanted`; `Receiver::drop` keeps its stash.
#[test]
fn a_receiver_that_goes_away_gives_all_its_buffers_back() {
    let rig = Rig::new();
    for round in 0..500 {
        rig.run(async |script| {
            let receiver = receiver();
            assert!(poll(&mut receiver.recv()).is_pending());
            quiet().await;
            let armed = only(script, opcode::RECV);
            assert!(deliver(script, &armed, b"unread", Then::More), "round {round}: a buffer is there");
            quiet().await;
            // Two more are on their way when the receiver goes, one comes before the cancel, one is the last.
            deliver(script, &armed, b"on its way", Then::More);
            drop(receiver);
            quiet().await;
            assert_eq!(script.cancelled().last(), Some(&armed.user_data));
            deliver(script, &armed, b"late", Then::More);
            quiet().await;
            assert_eq!(uring_runtime::stats().buffers_free, 64, "at once, not at the last completion");
            if round % 2 == 0 {
                deliver(script, &armed, b"last", Then::Last);
            } else {
                script.complete(&armed, -libc::ECANCELED);
            }
            quiet().await;
        });
        rig.close_descriptors();
    }
    let stats = rig.stats();
    assert_eq!((stats.buffers_free, stats.buffers), (64, 64));
    assert_eq!(stats.starved, 0);
    rig.end();
}

/// B2. The break: `Inlet::ended` loses the error or the end when nobody waits.
#[test]
fn an_end_and_an_error_wait_for_a_reader_behind_the_bytes() {
    let rig = Rig::new();
    rig.run(async |script| {
        for (res, end) in [(0, None), (-libc::ECONNRESET, Some(ErrorKind::ConnectionReset))] {
            let receiver = receiver();
            assert!(poll(&mut receiver.recv()).is_pending());
            quiet().await;
            let armed = only(script, opcode::RECV);
            deliver(script, &armed, b"last words", Then::More);
            script.complete(&armed, res);
            quiet().await;
            assert_eq!(&receiver.recv().await.expect("bytes first")[..], b"last words");
            match (receiver.read_exact(room(3)).await.0.map_err(|error| error.kind()), end) {
                (Err(ErrorKind::UnexpectedEof), None) => {
                    assert!(receiver.recv().await.expect("the end").is_empty());
                    assert!(receiver.recv().await.expect("the end stays").is_empty());
                }
                (Err(kind), Some(end)) => assert_eq!(kind, end),
                other => panic!("{other:?}"),
            }
        }
    });
    rig.end();
}

/// B2. The break: `Line::leave` does not call the next one.
#[test]
fn readers_of_one_socket_are_served_in_order_also_when_some_go_away() {
    let rig = Rig::new();
    rig.run(async |script| {
        let receiver = Rc::new(receiver());
        let order = Rc::new(std::cell::RefCell::new(Vec::new()));
        let readers: Vec<_> = (0..10)
            .map(|reader| {
                let (receiver, order) = (Rc::clone(&receiver), Rc::clone(&order));
                spawn(async move {
                    let bytes = receiver.recv().await.expect("bytes");
                    order.borrow_mut().push((reader, bytes[0]));
                })
            })
            .collect();
        quiet().await;
        for gone in [0, 3, 4, 9] {
            readers[gone].abort();
        }
        quiet().await;
        for byte in 0..6 {
            deliver(script, &only(script, opcode::RECV), &[byte], Then::More);
            quiet().await;
        }
        let expected = [(1, 0), (2, 1), (5, 2), (6, 3), (7, 4), (8, 5)];
        assert_eq!(*order.borrow(), expected);
    });
    rig.end();
}

/// B2. The breaks: `Recv::poll` or `Read::poll` without the `leave` at their end.
#[test]
fn a_future_that_has_completed_holds_nobody_up() {
    let rig = Rig::new();
    rig.run(async |script| {
        let receiver = receiver();
        let (mut recv, mut read) = (receiver.recv(), receiver.read(room(10)));
        assert!(poll(&mut recv).is_pending() && poll(&mut read).is_pending());
        quiet().await;
        let armed = only(script, opcode::RECV);
        let bring = async |bytes: &[u8]| {
            deliver(script, &armed, bytes, Then::More);
            quiet().await;
        };
        // Both futures are kept, as `pin!` does that is used in a `select!`.
        bring(b"a").await;
        assert!(poll(&mut recv).is_ready());
        bring(b"b").await;
        assert!(poll(&mut read).is_ready());
        bring(b"c").await;
        assert!(poll(&mut receiver.recv()).is_ready());
    });
    rig.end();
}
