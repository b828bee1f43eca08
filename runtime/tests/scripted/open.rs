//! Descriptors that an operation makes: with whom they end when nobody waits any more.

use std::task::Poll;
use std::time::Duration;

use uring_runtime::fs::{File, OpenOptions};
use uring_runtime::task::spawn;
use uring_runtime::time::timeout;
use uring_sys_shim::opcode;

use crate::support::{Rig, all, descriptor, is_closed, is_open, only, poll, quiet};

/// When the future of the open is dropped.
#[derive(Clone, Copy, Debug)]
enum Dropped {
    /// Before the completion was posted.
    InFlight,
    /// After it was posted, before it was reaped.
    Posted,
    /// After it was reaped: the future was woken and never came.
    Completed,
}

/// Drops an open at one point, the cancel losing, and gives what sees whether the descriptor is closed.
fn check_open(dropped: Dropped) {
    let rig = Rig::new();
    let (made, seen) = descriptor();
    rig.run(async |script| {
        let mut open = Box::pin(File::open("/no/such/file"));
        assert!(poll(&mut open).is_pending());
        quiet().await;
        let sqe = only(script, opcode::OPENAT);
        match dropped {
            Dropped::InFlight => {
                drop(open);
                quiet().await;
                assert_eq!(script.cancelled(), [sqe.user_data]);
                script.complete(&sqe, made);
            }
            Dropped::Posted => {
                script.complete(&sqe, made);
                drop(open);
            }
            Dropped::Completed => {
                script.complete(&sqe, made);
                quiet().await;
                assert!(is_open(&seen), "the result waits for its future");
                drop(open);
            }
        }
        quiet().await;
        assert!(is_closed(&seen), "{dropped:?}: the descriptor leaked");
    });
    rig.end();
}

/// B4. The breaks: `Open::orphaned` does nothing; `Core::abandon` drops what has completed without its orphan step.
#[test]
fn an_open_that_wins_against_its_cancel_is_closed() {
    for dropped in [Dropped::InFlight, Dropped::Posted, Dropped::Completed] {
        check_open(dropped);
    }
}

/// B4. The break: as above, in a storm of deadlines.
#[test]
fn opens_that_time_out_leak_no_descriptor() {
    let rig = Rig::new();
    rig.run(async |script| {
        let mut seen = Vec::new();
        for round in 0..200 {
            let opening = spawn(timeout(Duration::from_micros(3), async {
                OpenOptions::new().read(true).open("/no/such/file").await
            }));
            for step in 0..6 {
                quiet().await;
                script.advance(1000);
                if step == round % 6 {
                    for sqe in all(script, opcode::OPENAT) {
                        let (made, end) = descriptor();
                        seen.push((end, step));
                        script.complete(&sqe, made);
                    }
                }
            }
            let opened = opening.await.expect("no panic");
            let in_time = opened.is_ok();
            drop(opened);
            quiet().await;
            rig.close_descriptors();
            if let Some((end, step)) = seen.pop() {
                assert!(is_closed(&end), "round {round}, step {step}, in time {in_time}: leaked");
            }
        }
    });
    rig.end();
}

/// A16. The break: `ReadAt` holds the raw number and no `Fd`.
#[test]
fn a_file_that_is_dropped_is_closed_after_its_operations() {
    let rig = Rig::new();
    rig.run(async |script| {
        let mut open = Box::pin(File::open("/no/such/file"));
        assert!(poll(&mut open).is_pending());
        quiet().await;
        let (made, seen) = descriptor();
        script.complete(&only(script, opcode::OPENAT), made);
        quiet().await;
        let Poll::Ready(Ok(file)) = poll(&mut open) else { panic!("the open has completed") };
        let mut read = Box::pin(async { file.read_at(Vec::with_capacity(8), 0).await });
        assert!(poll(&mut read).is_pending());
        drop(read);
        drop(file);
        quiet().await;
        rig.close_descriptors();
        assert!(is_open(&seen), "the read in flight keeps the descriptor");
        script.complete(&only(script, opcode::READ), -libc::ECANCELED);
        quiet().await;
        rig.close_descriptors();
        assert!(is_closed(&seen));
        assert_eq!(script.submitted_with(opcode::CLOSE).len(), 1);
    });
    rig.end();
}
