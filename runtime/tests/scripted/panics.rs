//! Panics in code of users that the core runs: buffers' drops and wakers. The core and its sockets go on.

use std::cell::Cell;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::rc::Rc;
use std::sync::Arc;
use std::task::{Poll, Wake, Waker};
use std::time::Duration;

use uring_runtime::task::spawn;
use uring_runtime::time::sleep;
use uring_sys_shim::{Script, opcode};

use crate::buffers::{Counted, OnDrop};
use crate::support::{
    Rig, Then, all, answer, cancels_win, deliver, file, only, poll, poll_with, quiet, socket, take,
};

struct Panics;

impl Wake for Panics {
    fn wake(self: Arc<Self>) {
        panic!("a waker panics, as the test wants");
    }
}

fn panicking() -> Waker {
    Waker::from(Arc::new(Panics))
}

/// A buffer whose drop panics.
fn bomb(room: usize, drops: &Rc<Cell<usize>>) -> Counted {
    Counted::new(room, drops).on_drop(OnDrop::Panic)
}

/// The ring still serves 1,000 operations.
async fn assert_serves(script: &Script) {
    let file = Rc::new(file());
    for _ in 0..10 {
        let reads: Vec<_> = (0..100)
            .map(|_| {
                let file = Rc::clone(&file);
                spawn(async move { file.read_at(Vec::with_capacity(8), 0).await })
            })
            .collect();
        quiet().await;
        for sqe in all(script, opcode::READ) {
            answer(script, &sqe, b"served");
        }
        for read in reads {
            assert_eq!(read.await.expect("no panic").1, b"served");
        }
    }
    sleep(Duration::from_millis(1)).await;
}

/// A18. The break: `settle` without its `guard`.
#[test]
fn a_buffer_that_panics_in_an_orphans_drop_costs_no_other_completion() {
    let rig = Rig::new();
    let drops = Rc::new(Cell::new(0));
    rig.run(async |script| {
        let file = Rc::new(file());
        for _ in 0..10 {
            assert!(poll(&mut Box::pin(file.read_at(bomb(8, &drops), 0))).is_pending());
            assert!(
                poll(&mut Box::pin(file.write_at(Counted::of(b"x", &drops).on_drop(OnDrop::Panic), 0)))
                    .is_pending()
            );
        }
        let kept = spawn(async move { file.read_at(Vec::with_capacity(8), 0).await });
        quiet().await;
        all(script, opcode::WRITE).iter().for_each(|sqe| script.complete(sqe, 1));
        all(script, opcode::READ).iter().for_each(|sqe| answer(script, sqe, b"bytes"));
        quiet().await;
        assert_eq!(drops.get(), 20);
        assert_eq!(kept.await.expect("no panic").1, b"bytes");
        assert_serves(script).await;
    });
    rig.end();
}

/// A18. The break: `RecvInto::orphaned` drops the buffer before it tells the inlet, which then waits for ever.
#[test]
fn a_buffer_that_panics_in_a_dropped_receive_loses_no_byte() {
    let rig = Rig::new();
    let drops = Rc::new(Cell::new(0));
    rig.run(async |script| {
        let (receiver, _sender, _peer) = socket();
        assert!(poll(&mut receiver.read(bomb(1000, &drops))).is_pending());
        quiet().await;
        let mut next = receiver.recv();
        assert!(poll(&mut next).is_pending());
        answer(script, &only(script, opcode::RECV), b"bytes");
        quiet().await;
        assert_eq!(drops.get(), 1);
        let Poll::Ready(bytes) = poll(&mut next) else { panic!("the socket hangs") };
        assert_eq!(&bytes.expect("bytes")[..], b"bytes");
        // The same, dropped when it had completed: the panic comes out of the drop.
        let mut read = receiver.read(bomb(1000, &drops));
        assert!(poll(&mut read).is_pending());
        quiet().await;
        answer(script, &only(script, opcode::RECV), b"again");
        quiet().await;
        let _ = catch_unwind(AssertUnwindSafe(|| drop(read)));
        assert_eq!(drops.get(), 2);
        let Poll::Ready(bytes) = poll(&mut receiver.recv()) else { panic!("the line is blocked") };
        assert_eq!(&bytes.expect("bytes")[..], b"again");
        assert_serves(script).await;
    });
    rig.end();
}

/// A18. The break: `Read::drop` drops the buffer before it leaves the line.
#[test]
fn a_buffer_that_panics_in_a_waiting_reads_drop_does_not_block_the_line() {
    let rig = Rig::new();
    let drops = Rc::new(Cell::new(0));
    rig.run(async |script| {
        let (receiver, _sender, _peer) = socket();
        for brought in [b"".as_slice(), b"abc"] {
            let mut read = receiver.read_exact(bomb(10, &drops));
            assert!(poll(&mut read).is_pending());
            quiet().await;
            if !brought.is_empty() {
                deliver(script, &only(script, opcode::RECV), brought, Then::More);
                quiet().await;
                assert!(poll(&mut read).is_pending());
            }
            catch_unwind(AssertUnwindSafe(|| drop(read))).expect_err("the buffer's panic");
        }
        let Poll::Ready(bytes) = poll(&mut receiver.recv()) else { panic!("the line is blocked") };
        assert_eq!(&bytes.expect("bytes")[..], b"abc");
        assert_serves(script).await;
    });
    rig.end();
}

/// A18. The break: `Send::orphaned` drops the buffer before it releases the line.
#[test]
fn a_buffer_that_panics_in_a_dropped_writes_drop_does_not_block_the_next_write() {
    let rig = Rig::new();
    let drops = Rc::new(Cell::new(0));
    rig.run(async |script| {
        let (_receiver, sender, _peer) = socket();
        let bomb = || Counted::of(b"boom", &drops).on_drop(OnDrop::Panic);
        let mut first = sender.write_all(bomb());
        assert!(poll(&mut first).is_pending());
        drop(first);
        let mut waiting = sender.write_all(bomb());
        assert!(poll(&mut waiting).is_pending());
        catch_unwind(AssertUnwindSafe(|| drop(waiting))).expect_err("the buffer's panic");
        let mut next = sender.write_all(vec![1; 3]);
        assert!(poll(&mut next).is_pending());
        quiet().await;
        take(script, &only(script, opcode::SEND), 4);
        quiet().await;
        assert_eq!(drops.get(), 2);
        assert!(poll(&mut next).is_pending());
        quiet().await;
        take(script, &only(script, opcode::SEND), 3);
        quiet().await;
        assert!(poll(&mut next).is_ready());
        assert_serves(script).await;
    });
    rig.end();
}

/// A18. The breaks: `fire_timers` or `settle` without `guard`; `Task::announce` without its `catch_unwind`.
#[test]
fn a_waker_that_panics_costs_nobody_else_a_wake() {
    let rig = Rig::new();
    rig.run(async |script| {
        let file = Rc::new(file());
        let mut reads = Vec::new();
        let mut sleeps = Vec::new();
        let mut joins = Vec::new();
        for _ in 0..10 {
            let mut read = Box::pin(file.read_at(Vec::with_capacity(8), 0));
            assert!(poll_with(&mut read, &panicking()).is_pending());
            reads.push(read);
            let mut slept = Box::pin(sleep(Duration::from_micros(1)));
            assert!(poll_with(&mut slept, &panicking()).is_pending());
            sleeps.push(slept);
            let mut join = spawn(async {});
            assert!(poll_with(&mut join, &panicking()).is_pending());
            joins.push(join);
        }
        let other = Rc::clone(&file);
        let kept = spawn(async move { other.read_at(Vec::with_capacity(8), 0).await });
        let slept = spawn(sleep(Duration::from_micros(1)));
        quiet().await;
        all(script, opcode::READ).iter().for_each(|sqe| answer(script, sqe, b"bytes"));
        assert_eq!(kept.await.expect("no panic").1, b"bytes");
        slept.await.expect("no panic");
        for (mut read, (mut slept, mut join)) in reads.into_iter().zip(sleeps.into_iter().zip(joins)) {
            assert!(poll(&mut read).is_ready() && poll(&mut slept).is_ready() && poll(&mut join).is_ready());
        }
        assert_serves(script).await;
    });
    assert_eq!(rig.stats().tasks, 0, "no place in the table is lost");
    rig.end();
}

/// A18. The break: as above, for the wakers that sockets keep.
#[test]
fn a_waker_that_panics_leaves_its_socket_as_it_should_be() {
    let rig = Rig::new();
    rig.run(async |script| {
        let (receiver, _sender, _peer) = socket();
        for word in [b"one", b"two"] {
            let mut recv = receiver.recv();
            assert!(poll_with(&mut recv, &panicking()).is_pending());
            quiet().await;
            deliver(script, &only(script, opcode::RECV), word, Then::More);
            quiet().await;
            drop(recv);
            assert_eq!(&receiver.recv().await.expect("bytes")[..], word);
        }
        // Whoever waits behind is called by a leave that panics, and can be polled all the same.
        let (mut head, mut behind) = (receiver.recv(), receiver.recv());
        assert!(poll(&mut head).is_pending());
        assert!(poll_with(&mut behind, &panicking()).is_pending());
        catch_unwind(AssertUnwindSafe(|| drop(head))).expect_err("the waker's panic");
        deliver(script, &only(script, opcode::RECV), b"six", Then::More);
        quiet().await;
        assert!(poll(&mut behind).is_ready());
        assert_serves(script).await;
    });
    rig.end();
}

/// A18. The break: `fail` in `task/raw.rs` without its `catch_unwind`.
#[test]
fn a_task_that_panics_when_it_is_aborted_tells_only_who_joins() {
    let rig = Rig::new();
    let drops = Rc::new(Cell::new(0));
    rig.run(async |script| {
        let held = bomb(8, &drops);
        let task = spawn(async move {
            std::future::pending::<()>().await;
            drop(held);
        });
        quiet().await;
        task.abort();
        assert!(task.await.expect_err("it was aborted").is_panic());
        assert_eq!(drops.get(), 1);
        assert_serves(script).await;
    });
    rig.end();
}

/// A18. The break: `settle` without its `guard`.
#[test]
fn panics_while_the_runtime_ends_do_not_keep_it_from_draining() {
    let rig = Rig::new();
    let drops = Rc::new(Cell::new(0));
    rig.run(async |_script| {
        let file = Rc::new(file());
        for _ in 0..10 {
            let (file, in_flight, held) = (Rc::clone(&file), bomb(8, &drops), bomb(8, &drops));
            let _detached = spawn(async move {
                let _ = file.read_at(in_flight, 0).await;
                drop(held);
            });
        }
        quiet().await;
    });
    let (seen, at_first) = (Rc::clone(&drops), Rc::new(Cell::new(None)));
    let noted = Rc::clone(&at_first);
    rig.script.on_wait(move |script| {
        noted.set(noted.get().or(Some(seen.get())));
        cancels_win(script);
    });
    assert_eq!(rig.shutdown(), 0);
    assert_eq!(at_first.get(), Some(10), "first the tasks are dropped, and the reads are in flight");
    assert_eq!(drops.get(), 20);
}
