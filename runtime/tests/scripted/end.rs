//! The end of a runtime: it waits for what is in flight, and leaks what does not come.

use std::cell::Cell;
use std::rc::Rc;
use std::time::Duration;

use uring_runtime::Features;
use uring_runtime::fs::File;
use uring_runtime::io::{Acceptor, Socket};
use uring_runtime::task::spawn;
use uring_runtime::time::Instant;
use uring_sys_shim::{Script, opcode};

use crate::buffers::{Counted, OnDrop};
use crate::support::{
    Log, Rig, Then, all, answer, cancels_win, deliver, descriptor, file, is_closed, only, poll, quiet,
    receiver, socket, take,
};

/// Begins `count` reads in tasks of their own.
fn reads(count: usize, drops: &Rc<Cell<usize>>, on_drop: OnDrop) {
    let file = Rc::new(file());
    for _ in 0..count {
        let (file, buf) = (Rc::clone(&file), Counted::new(16, drops).on_drop(on_drop));
        let _detached = spawn(async move { file.read_at(buf, 0).await });
    }
}

/// The cancels of everything: `IORING_ASYNC_CANCEL_ALL | ANY`.
fn cancels_of_all(script: &Script) -> usize {
    script.submitted_with(opcode::ASYNC_CANCEL).iter().filter(|sqe| sqe.op_flags == 1 | 4).count()
}

/// A2. The breaks: `drain` returns after its first enter; `Core::end` drops the records before it drains.
#[test]
fn the_end_waits_for_the_last_completion_of_each_operation() {
    let rig = Rig::with(64, Features::all(), |builder| builder.drain_timeout(Duration::from_secs(10)));
    let drops = Rc::new(Cell::new(0));
    rig.run(async |_script| {
        reads(10, &drops, OnDrop::Nothing);
        quiet().await;
    });
    let (waits, seen, history) = (Cell::new(0), Rc::clone(&drops), Log::default());
    let noted = Rc::clone(&history);
    rig.script.on_wait(move |script| {
        waits.set(waits.get() + 1);
        let reads = all(script, opcode::READ);
        noted.borrow_mut().push((seen.get(), 10 - reads.len()));
        match reads.first() {
            // Only at every third wait one more comes, with bytes: the cancel has lost.
            Some(read) if waits.get() % 3 == 0 => answer(script, read, b"late"),
            Some(_) => {}
            None => cancels_win(script),
        }
    });
    let script = rig.script.clone();
    assert_eq!(rig.shutdown(), 0);
    assert_eq!(drops.get(), 10);
    let wrong = history.borrow().iter().find(|(dropped, completed)| dropped != completed).copied();
    assert_eq!(wrong, None, "each buffer is dropped after its own completion");
    assert!(cancels_of_all(&script) > 10, "the cancel is repeated while something is in flight");
}

/// A2. The break: `drain` gives up before its deadline.
#[test]
fn what_does_not_complete_is_leaked_at_the_deadline_and_its_buffer_is_never_dropped() {
    let rig = Rig::new();
    let drops = Rc::new(Cell::new(0));
    rig.run(async |script| {
        reads(10, &drops, OnDrop::Nothing);
        quiet().await;
        for read in all(script, opcode::READ).iter().step_by(2) {
            answer(script, read, b"in time");
        }
    });
    // The scripted clock begins at zero, and arithmetic with instants saturates there.
    let elapsed = |now: Instant| now.duration_since(now - Duration::MAX);
    let (script, started) = (rig.script.clone(), rig.run(async |_| elapsed(Instant::now())));
    assert_eq!(rig.shutdown(), 6, "five reads and the bell");
    assert_eq!(drops.get(), 5);
    let until = script.waits().into_iter().flatten().max().expect("it waited");
    assert_eq!(Duration::from_nanos(until) - started, Duration::from_secs(1), "the drain timeout, exactly");
    assert_eq!(cancels_of_all(&script), 10, "every 100 ms");
    // The kernel writes now: into memory that is leaked, not freed.
    for read in all(&script, opcode::READ) {
        answer(&script, &read, b"far too late");
    }
    assert_eq!(drops.get(), 5);
}

/// A2. The break: `Core::end` closes the pool although something is left.
#[test]
fn the_pool_stays_for_receives_that_do_not_complete_by_the_deadline() {
    let rig = Rig::new();
    let receiver = rig.run(async |_script| {
        let receiver = receiver();
        assert!(poll(&mut receiver.recv()).is_pending());
        quiet().await;
        receiver
    });
    let script = rig.script.clone();
    assert_eq!(rig.shutdown(), 2, "the receive and the bell");
    drop(receiver);
    // The kernel still takes a buffer from the group, which is registered and alive, and writes to it.
    let armed = only(&script, opcode::RECV);
    assert!(deliver(&script, &armed, b"far too late", Then::More));
}

/// C14. The break: `wants_enter` instead of `has_queued` in `Core::drain`, which then enters for ever.
#[test]
fn the_end_does_not_wait_for_work_that_is_announced_and_never_comes() {
    let rig = Rig::new();
    let drops = Rc::new(Cell::new(0));
    rig.run(async |_script| {
        reads(3, &drops, OnDrop::Nothing);
        quiet().await;
    });
    rig.script.announce_for_ever();
    let before = rig.script.enters();
    rig.script.on_enter(move |script| assert!(script.enters() < before + 20, "it enters for ever"));
    rig.end_with_things_held();
    assert_eq!(drops.get(), 3);
}

/// A2. The break: `in_flight` counts operations that have completed and that nobody has taken.
#[test]
fn a_future_that_outlives_its_runtime_does_not_hold_up_the_end() {
    let rig = Rig::new();
    let drops = Rc::new(Cell::new(0));
    let file = rig.run(async |_script| Rc::new(file()));
    let mut read = Box::pin(file.read_at(Counted::new(16, &drops), 0));
    rig.run(async |_script| {
        assert!(poll(&mut read).is_pending());
        quiet().await;
    });
    rig.script.on_wait(|script| {
        for read in all(script, opcode::READ) {
            answer(script, &read, b"late");
        }
        cancels_win(script);
    });
    assert_eq!(rig.shutdown(), 0, "it has completed");
    assert_eq!(drops.get(), 0, "the future still has a claim");
    drop(read);
    assert_eq!(drops.get(), 1);
}

/// A2, B4. The breaks: `Open::orphaned` does nothing; `take_in` keeps what comes when the listener is gone.
#[test]
fn descriptors_that_come_while_the_runtime_ends_are_closed() {
    let rig = Rig::new();
    rig.run(async |_script| {
        let _detached = spawn(File::open("/no/such/file"));
        let _detached = spawn(async {
            let listener = std::net::TcpListener::bind(("127.0.0.1", 0)).expect("a port is free");
            let acceptor = Acceptor::new(Socket::from_owned(listener.into()).fd().clone());
            let _ = acceptor.accept().await;
        });
        quiet().await;
    });
    let seen = Rc::new(std::cell::RefCell::new(Vec::new()));
    let ends = Rc::clone(&seen);
    rig.script.on_wait(move |script| {
        for open in all(script, opcode::OPENAT) {
            let (opened, end) = descriptor();
            ends.borrow_mut().push(end);
            script.complete(&open, opened);
        }
        for accept in all(script, opcode::ACCEPT).repeat(3) {
            let (accepted, end) = descriptor();
            ends.borrow_mut().push(end);
            script.complete_more(&accept, accepted);
        }
        cancels_win(script);
    });
    assert_eq!(rig.shutdown(), 0);
    assert!(seen.borrow().iter().all(is_closed));
    assert_eq!(seen.borrow().len(), 4);
}

/// A2, C14. The break: `Send::orphaned` submits the rest although the core ends, so that a slow peer holds the end up.
#[test]
fn a_write_that_is_short_while_the_runtime_ends_is_not_continued() {
    let rig = Rig::new();
    let drops = Rc::new(Cell::new(0));
    rig.run(async |_script| {
        let buf = Counted::of(b"too much for the peer", &drops);
        let _detached = spawn(async move {
            let (_receiver, sender, _peer) = socket();
            sender.write_all(buf).await
        });
        quiet().await;
    });
    rig.script.on_wait(|script| {
        for send in all(script, opcode::SEND) {
            let _ = take(script, &send, 3);
        }
        cancels_win(script);
    });
    let script = rig.script.clone();
    assert_eq!(rig.shutdown(), 0);
    assert_eq!(script.submitted_with(opcode::SEND).len(), 1);
    assert_eq!(drops.get(), 1);
}

/// A2, A18. The break: `Tasks::len` subtracts the free places from places that are gone.
#[test]
fn a_drop_that_asks_the_runtime_for_its_numbers_while_it_ends_is_answered() {
    let rig = Rig::new();
    let drops = Rc::new(Cell::new(0));
    rig.run(async |_script| {
        for _ in 0..5 {
            spawn(async {}).await.expect("no panic");
        }
        reads(3, &drops, OnDrop::AskStats);
        quiet().await;
    });
    rig.script.on_wait(cancels_win);
    assert_eq!(rig.shutdown(), 0);
    assert_eq!(drops.get(), 3);
}

/// A2. The break: `Core::run` without what undoes its beginning when it is left by a panic (`Entered`).
#[test]
fn a_main_future_that_panics_leaves_a_runtime_that_goes_on() {
    let rig = Rig::new();
    let drops = Rc::new(Cell::new(0));
    let run = std::panic::AssertUnwindSafe(|| {
        rig.run(async |_script| {
            reads(3, &drops, OnDrop::Nothing);
            quiet().await;
            panic!("as the test wants");
        });
    });
    std::panic::catch_unwind(run).expect_err("it panicked");
    rig.run(async |script| {
        for read in all(script, opcode::READ) {
            answer(script, &read, b"bytes");
        }
        quiet().await;
    });
    assert_eq!(drops.get(), 3);
    rig.end();
}

/// A9. The break: a `RecvBuf` that does not count as a holder of its pool.
#[test]
fn received_bytes_outlive_their_runtime() {
    let rig = Rig::new();
    let bytes = rig.run(async |script| {
        let receiver = receiver();
        let mut recv = receiver.recv();
        assert!(poll(&mut recv).is_pending());
        quiet().await;
        let armed = only(script, opcode::RECV);
        deliver(script, &armed, b"kept", Then::Last);
        quiet().await;
        recv.await.expect("bytes")
    });
    rig.end_with_things_held();
    assert_eq!(&bytes[..], b"kept");
}

/// A2, C7. The break: `Inlet::ended` lets a socket stand in line for a buffer of a core that ends. Debug builds refuse to
/// end with somebody in that line.
#[test]
fn a_receive_that_finds_no_buffer_while_the_runtime_ends_waits_for_none() {
    let rig = Rig::new();
    let receiver = rig.run(async |_script| {
        let receiver = receiver();
        assert!(poll(&mut receiver.recv()).is_pending());
        quiet().await;
        receiver
    });
    rig.script.on_wait(|script| {
        for sqe in all(script, opcode::RECV) {
            script.complete(&sqe, -libc::ENOBUFS);
        }
        cancels_win(script);
    });
    assert_eq!(rig.shutdown(), 0);
    drop(receiver);
}
