//! The way into the ring: full queues, failing enters, cancels, and completions that the kernel holds back.

use std::cell::{Cell, RefCell};
use std::rc::Rc;
use std::time::Duration;

use uring_runtime::buf::BufResult;
use uring_runtime::fs::File;
use uring_runtime::task::{JoinHandle, spawn, yield_now};
use uring_runtime::time::sleep;
use uring_runtime::{Builder, Features};
use uring_sys_shim::{Cqe, Script, Sqe, opcode};

use crate::buffers::Counted;
use crate::support::{
    Log, Random, Rig, all, assert_keys_are_unique, cancels_win, file, only, poll, quiet, take,
};

const ERRNOS: [i32; 3] = [libc::EINTR, libc::EAGAIN, libc::EBUSY];

fn small(capacity: usize) -> Rig {
    Rig::with(capacity, Features::all(), |builder: Builder| builder)
}

type Writes = Vec<JoinHandle<BufResult<usize, Counted>>>;

/// Begins `count` writes, one a task, the i-th at offset i.
fn writes(file: &Rc<File>, count: u64, drops: &Rc<Cell<usize>>) -> Writes {
    let write = |offset: u64| {
        let (file, buf) = (Rc::clone(file), Counted::of(&offset.to_le_bytes(), drops));
        spawn(async move { file.write_at(buf, offset).await })
    };
    (0..count).map(write).collect()
}

/// At each wait, takes every write in flight, in order, and notes what it brought.
fn take_writes(script: &Script, taken: &Log<u64>) {
    let taken = Rc::clone(taken);
    script.on_wait(move |script| {
        for sqe in all(script, opcode::WRITE) {
            let bytes = take(script, &sqe, 8);
            taken.borrow_mut().push(u64::from_le_bytes(bytes.try_into().expect("eight bytes")));
        }
    });
}

/// Writes `count` times under whatever `trouble` arranges, and checks that nothing is lost, doubled or reordered.
fn check_writes(capacity: usize, count: u64, context: &str, trouble: impl FnOnce(&Script)) {
    let rig = small(capacity);
    let drops = Rc::new(Cell::new(0));
    let taken = Log::default();
    rig.run(async |script| {
        let file = Rc::new(file());
        take_writes(script, &taken);
        trouble(script);
        for write in writes(&file, count, &drops) {
            let BufResult(result, buf) = write.await.expect("no panic");
            assert_eq!(result.ok(), Some(8), "{context}");
            drop(buf);
        }
        let offsets: Vec<u64> = script.submitted_with(opcode::WRITE).iter().map(|sqe| sqe.off).collect();
        assert_eq!(offsets, (0..count).collect::<Vec<_>>(), "{context}: in the order in which they began");
        assert_keys_are_unique(script);
    });
    assert_eq!(*taken.borrow(), (0..count).collect::<Vec<_>>(), "{context}");
    assert_eq!(drops.get() as u64, count, "{context}");
    rig.end();
}

/// A6, C4, C5. The breaks: an enter's EINTR, EAGAIN or EBUSY goes to `Err(errno)`; `flush` takes the front of the
/// backlog out before the push.
#[test]
fn an_enter_that_fails_loses_no_operation_whenever_it_fails() {
    for errno in ERRNOS {
        for call in 0..20 {
            check_writes(4, 30, &format!("errno {errno} at enter {call}"), |script| {
                script.fail_enters(&vec![0; call]);
                script.fail_enters(&[errno]);
            });
        }
    }
}

/// A6. The break: `enter` takes `Ok` for "everything was taken" and forgets the backlog.
#[test]
fn an_enter_that_takes_only_a_part_loses_no_operation() {
    for portion in 0..8 {
        check_writes(8, 30, &format!("portions of {portion}"), |script| script.take_at_most(&[portion; 20]));
    }
}

/// C4. The break: `push` tries the ring although entries wait in the backlog, and overtakes them.
#[test]
fn operations_keep_their_order_behind_a_queue_of_two() {
    for refused in [0, 1, 2, 7, 100] {
        check_writes(2, 100, &format!("{refused} refused"), |script| script.refuse_pushes(refused));
    }
}

/// A6, C4, C5 at once, with a seed. The breaks as above.
#[test]
fn any_mixture_of_refusals_and_failures_is_survived() {
    for seed in 1..=200 {
        let mut random = Random::new(seed);
        let capacity = 1 + random.below(9) as usize;
        check_writes(capacity, 40, &format!("seed {seed}"), |script| {
            // EAGAIN waits a real millisecond, so it is rare here.
            let errnos: Vec<i32> = (0..30).map(|_| random.pick(&[0, libc::EINTR, libc::EBUSY])).collect();
            script.fail_enters(&errnos);
            let portions: Vec<usize> = (0..20).map(|_| random.below(9) as usize).collect();
            script.take_at_most(&portions);
            script.refuse_pushes(random.below(20) as u32);
        });
    }
}

/// C5. The break: `exchange` makes a deadline that is near later.
#[test]
fn an_interrupted_wait_goes_on_to_the_same_deadline() {
    let rig = Rig::new();
    rig.run(async |script| {
        quiet().await;
        let before = script.waits().len();
        let deadline = uring_runtime::time::Instant::now() + Duration::from_millis(5);
        let interruptions = Cell::new(0);
        script.on_wait(move |script| {
            if interruptions.replace(interruptions.get() + 1) < 10 {
                // The signal comes in the middle of the wait: the clock has moved.
                script.advance(100_000);
                script.post(Cqe { user_data: u64::from(u32::MAX), res: -libc::ENOENT, flags: 0 });
                script.fail_enters(&[libc::EINTR]);
            }
        });
        sleep(Duration::from_millis(5)).await;
        assert_eq!(uring_runtime::time::Instant::now(), deadline, "neither early nor late");
        assert!(script.waits()[before..].iter().all(|until| *until == Some(1 + 5_000_000)));
        assert_eq!(script.waits().len() - before, 11);
    });
    rig.end();
}

/// B8. The break: `Driver::cancel` pushes the entry at once and forgets it when the queue is full.
#[test]
fn a_thousand_cancels_pass_through_a_queue_of_two() {
    let rig = small(2);
    let drops = Rc::new(Cell::new(0));
    rig.run(async |script| {
        let file = file();
        let mut reads = Vec::new();
        for _ in 0..1000 {
            let mut read = Box::pin(file.read_at(Counted::new(8, &drops), 0));
            assert!(poll(&mut read).is_pending());
            reads.push(read);
        }
        quiet().await;
        let keys: Vec<u64> = all(script, opcode::READ).iter().map(|sqe| sqe.user_data).collect();
        assert_eq!(keys.len(), 1000);
        drop(reads);
        quiet().await;
        assert_eq!(script.cancelled(), keys, "each is named once, in order");
        assert_eq!(drops.get(), 0);
        for sqe in all(script, opcode::READ) {
            script.complete(&sqe, -libc::ECANCELED);
        }
        quiet().await;
        assert_eq!(drops.get(), 1000);
    });
    assert_eq!(rig.stats().cancels, 1000);
    rig.end();
}

/// B8. The break: `flush` puts cancels in front of the backlog.
#[test]
fn a_cancel_never_overtakes_the_operation_that_it_names() {
    let rig = small(2);
    rig.run(async |script| {
        let file = file();
        // Begun and dropped in one turn: most were never seen by the kernel.
        for _ in 0..100 {
            let mut read = Box::pin(file.read_at(Vec::with_capacity(8), 0));
            assert!(poll(&mut read).is_pending());
        }
        quiet().await;
        let submitted = script.submitted();
        let place = |wanted: &dyn Fn(&Sqe) -> bool| submitted.iter().position(wanted);
        for key in script.cancelled() {
            let cancel = place(&|sqe| sqe.opcode == opcode::ASYNC_CANCEL && sqe.addr == key);
            assert!(place(&|sqe| sqe.user_data == key) < cancel, "the read comes before its cancel");
        }
        assert_eq!(script.cancelled().len(), 100);
    });
    rig.end();
}

/// What the main future does while it waits.
#[derive(Clone, Copy, Debug)]
enum Main {
    Sleeps,
    NeverParks,
}

/// Runs 20 reads whose completions overflow from the `first` on.
fn check_overflow(first: usize, main: Main) {
    let rig = Rig::new();
    rig.run(async |script| {
        let file = Rc::new(file());
        let done: Log<usize> = Rc::new(RefCell::default());
        for read in 0..20 {
            let (file, done) = (Rc::clone(&file), Rc::clone(&done));
            let _detached = spawn(async move {
                let BufResult(result, _) = file.read_at(Vec::with_capacity(64), 0).await;
                assert_eq!(result.ok(), Some(read), "each gets its own result");
                done.borrow_mut().push(read);
            });
        }
        quiet().await;
        for (place, sqe) in all(script, opcode::READ).iter().enumerate() {
            let cqe = Cqe { user_data: sqe.user_data, res: place as i32, flags: 0 };
            if place < first { script.post(cqe) } else { script.post_overflowed(cqe) }
        }
        match main {
            Main::Sleeps => quiet().await,
            Main::NeverParks => {
                let mut polls = 0;
                while done.borrow().len() < 20 {
                    polls += 1;
                    assert!(polls < 1000, "overflowed from {first} on: lost while busy");
                    yield_now().await;
                }
            }
        }
        assert_eq!(*done.borrow(), (0..20).collect::<Vec<_>>(), "overflowed from {first} on, main {main:?}");
    });
    rig.end();
}

/// C3. The break: `wants_enter` does not ask for the ring's attention.
#[test]
fn completions_that_overflow_at_any_step_are_all_delivered() {
    for first in 0..=20 {
        check_overflow(first, Main::Sleeps);
        check_overflow(first, Main::NeverParks);
    }
}

/// C3, at the runtime's end. The break: `enter_to_drain` does not settle, and the end never comes.
#[test]
fn completions_that_overflow_while_the_runtime_ends_are_all_delivered() {
    let rig = Rig::new();
    let drops = Rc::new(Cell::new(0));
    rig.run(async |script| {
        let file = Rc::new(file());
        writes(&file, 10, &drops).into_iter().for_each(drop);
        quiet().await;
        for sqe in all(script, opcode::WRITE) {
            script.post_overflowed(Cqe { user_data: sqe.user_data, res: 8, flags: 0 });
        }
    });
    assert_eq!(drops.get(), 0);
    rig.end();
    assert_eq!(drops.get(), 10);
}

/// C6. The breaks: `exchange` enters only when the core is idle; `wants_enter` without `queued` or `attention`.
#[test]
fn a_task_that_never_parks_holds_no_operation_up() {
    let rig = Rig::new();
    rig.run(async |script| {
        let file = Rc::new(file());
        let read = spawn(async move { file.read_at(Vec::with_capacity(8), 0).await });
        let mut polls = 0;
        let mut is_posted = false;
        while !read.is_finished() {
            polls += 1;
            // A turn has 128 polls: one to submit in, one to see the completion that the kernel holds back.
            assert!(polls <= 3 * 128, "a task that is always ready starves the ring");
            yield_now().await;
            if !is_posted && !all(script, opcode::READ).is_empty() {
                is_posted = true;
                let sqe = only(script, opcode::READ);
                script.post_overflowed(Cqe { user_data: sqe.user_data, res: 3, flags: 0 });
            }
        }
        assert_eq!(script.waits().len(), 0, "it never slept");
    });
    rig.end();
}

/// A6. The break: `Driver::enter` retries every errno.
#[test]
fn a_ring_that_is_broken_ends_the_run_and_leaks_what_is_in_flight() {
    let rig = Rig::new();
    let drops = Rc::new(Cell::new(0));
    let run = std::panic::AssertUnwindSafe(|| {
        rig.run(async |script| {
            let file = Rc::new(file());
            writes(&file, 3, &drops).into_iter().for_each(drop);
            quiet().await;
            script.fail_enters(&[libc::EBADF; 100]);
            quiet().await;
        });
    });
    let text = std::panic::catch_unwind(run).expect_err("the run cannot go on");
    assert!(text.downcast_ref::<String>().is_some_and(|text| text.contains("the ring is broken")));
    assert_eq!(rig.shutdown(), 4, "three writes and the bell");
    assert_eq!(drops.get(), 0, "what the kernel may still read is never freed");
}

/// A6. The break: `drain` goes on for ever when an enter fails with nothing in flight.
#[test]
fn a_ring_that_breaks_when_only_closes_are_left_does_not_hold_the_end_up() {
    let rig = Rig::new();
    rig.run(async |script| {
        quiet().await;
        // The bell has ended and a close is queued: nothing is in flight any more, and the ring breaks now.
        cancels_win(script);
        drop(file());
        script.fail_enters(&[libc::EBADF; 1000]);
    });
    let (script, before) = (rig.script.clone(), rig.script.enters());
    assert_eq!(rig.shutdown(), 0);
    assert!(script.enters() - before < 10, "{} enters of a broken ring", script.enters() - before);
}
