//! Operations that the kernel gives up although nobody has cancelled them: they are submitted again, within bounds.

mod sockets;

use std::cell::Cell;
use std::io;
use std::rc::Rc;
use std::task::Poll;

use uring_runtime::buf::BufResult;
use uring_runtime::fs::OpenOptions;
use uring_runtime::io::Socket;
use uring_runtime::task::{JoinHandle, spawn};
use uring_sys_shim::{Script, Sqe, opcode};

use crate::buffers::Counted;
use crate::support::{
    Rig, all, answer, assert_keys_are_unique, cancels_win, descriptor, file, only, poll, quiet, socket, take,
};

/// So often is an operation submitted again (`runtime/src/op/tries.rs`).
const TRIES_MAX: usize = 16;

/// How the kernel says that it has given up: as errors, and as codes of its own that mean "restart this call".
const GIVEN_UP: [i32; 5] = [libc::ECANCELED, libc::EINTR, 512, 513, 514];

/// An operation in a task of its own, and how it ends well.
struct Case {
    name: &'static str,
    code: u8,
    begin: fn() -> JoinHandle<io::Result<()>>,
    well: fn(&Script, &Sqe),
}

fn in_task<T: 'static>(future: impl Future<Output = io::Result<T>> + 'static) -> JoinHandle<io::Result<()>> {
    spawn(async move { future.await.map(drop) })
}

fn done(script: &Script, sqe: &Sqe) {
    script.complete(sqe, 0);
}

const CASES: [Case; 6] = [
    Case {
        name: "read",
        code: opcode::READ,
        begin: || in_task(async { file().read_at(Vec::with_capacity(8), 40).await.into_result() }),
        well: |script, sqe| answer(script, sqe, b"bytes"),
    },
    Case {
        name: "write",
        code: opcode::WRITE,
        begin: || in_task(async { file().write_at(b"bytes".to_vec(), 40).await.into_result() }),
        well: |script, sqe| assert_eq!(take(script, sqe, 5), b"bytes"),
    },
    Case {
        name: "sync",
        code: opcode::FSYNC,
        begin: || in_task(async { file().sync_all().await }),
        well: done,
    },
    Case {
        name: "open",
        code: opcode::OPENAT,
        begin: || in_task(async { OpenOptions::new().read(true).open("/no/such/file").await }),
        well: |script, sqe| script.complete(sqe, descriptor().0),
    },
    Case {
        name: "metadata",
        code: opcode::STATX,
        begin: || in_task(async { file().metadata().await }),
        well: done,
    },
    Case {
        name: "shutdown",
        code: opcode::SHUTDOWN,
        begin: || in_task(async { socket().1.shutdown().await }),
        well: done,
    },
];

/// Answers the one operation of this kind `times` times as given up, and gives what is in flight then.
async fn give_up(script: &Script, code: u8, errno: i32, times: usize) -> Sqe {
    quiet().await;
    for _ in 0..times {
        script.complete(&only(script, code), -errno);
        quiet().await;
    }
    only(script, code)
}

/// All submissions of this kind so far, without those of the bell, whose read is the first of all.
fn submitted(script: &Script, code: u8) -> Vec<Sqe> {
    let bell = script.submitted()[0].fd;
    script.submitted_with(code).into_iter().filter(|sqe| sqe.fd != bell).collect()
}

/// C5. The breaks: `is_given_up` says no; `Tries::again` leaves one of the two errors out; an operation has no count.
#[test]
fn what_the_kernel_gives_up_is_submitted_again_and_succeeds() {
    for case in CASES {
        for errno in GIVEN_UP {
            let rig = Rig::new();
            rig.run(async |script| {
                let ends = (case.begin)();
                let last = give_up(script, case.code, errno, 2).await;
                (case.well)(script, &last);
                let result = ends.await.expect("no panic");
                assert!(result.is_ok(), "{} after errno {errno}: {result:?}", case.name);
                let submitted = submitted(script, case.code);
                assert_eq!(submitted.len(), 3, "{}", case.name);
                for sqe in &submitted {
                    assert_eq!(
                        Sqe { user_data: last.user_data, ..*sqe },
                        last,
                        "{}: the same again",
                        case.name
                    );
                }
                assert_keys_are_unique(script);
                quiet().await;
                rig.close_descriptors();
            });
            rig.end();
        }
    }
}

/// C5. The break: `Tries::again` without its limit.
#[test]
fn what_the_kernel_gives_up_for_ever_is_told_after_sixteen_tries() {
    for case in CASES {
        let rig = Rig::new();
        rig.run(async |script| {
            let ends = (case.begin)();
            let last = give_up(script, case.code, libc::ECANCELED, TRIES_MAX).await;
            assert!(!ends.is_finished(), "{}", case.name);
            script.complete(&last, -libc::ECANCELED);
            quiet().await;
            assert!(all(script, case.code).is_empty(), "{}: it is submitted for ever", case.name);
            let error = ends.await.expect("no panic").expect_err("it was never done");
            assert_eq!(error.raw_os_error(), Some(libc::ECANCELED), "{}", case.name);
        });
        rig.end();
    }
}

/// C5. The break: `Op::poll` submits again whatever the error.
#[test]
fn other_errors_are_told_at_once() {
    for case in CASES {
        for errno in [libc::EIO, libc::EAGAIN, libc::ENOSPC, libc::EBADF, libc::ETIME] {
            let rig = Rig::new();
            rig.run(async |script| {
                let ends = (case.begin)();
                quiet().await;
                script.complete(&only(script, case.code), -errno);
                let error = ends.await.expect("no panic").expect_err("it failed");
                assert_eq!(error.raw_os_error(), Some(errno), "{}", case.name);
                assert_eq!(submitted(script, case.code).len(), 1, "{}", case.name);
            });
            rig.end();
        }
    }
}

/// C5. The breaks: `Close` or `Connect` has a count.
#[test]
fn what_may_have_had_an_effect_is_never_submitted_again() {
    let rig = Rig::new();
    rig.run(async |script| {
        let closing = in_task(async { file().close().await });
        let (socket, _peer) = std::os::unix::net::UnixStream::pair().expect("descriptors are free");
        let address = "127.0.0.1:1".parse().expect("an address");
        let connecting = in_task(Socket::from_owned(socket.into()).connect(address));
        for (code, ends) in [(opcode::CLOSE, closing), (opcode::CONNECT, connecting)] {
            quiet().await;
            script.complete(&only(script, code), -libc::ECANCELED);
            let error = ends.await.expect("no panic").expect_err("it failed");
            assert_eq!(error.raw_os_error(), Some(libc::ECANCELED));
            let named = |sqe: &Sqe| sqe.flags & Sqe::SKIP_SUCCESS == 0;
            assert_eq!(submitted(script, code).into_iter().filter(named).count(), 1);
        }
    });
    rig.close_descriptors();
    rig.end();
}

/// C5, A1. The break: the orphan step of `ReadAt` submits again.
#[test]
fn what_was_dropped_is_cancelled_and_not_submitted_again() {
    let rig = Rig::new();
    rig.run(async |script| {
        let file = file();
        for _ in 0..10 {
            let mut read = Box::pin(file.read_at(Vec::with_capacity(8), 0));
            assert!(poll(&mut read).is_pending());
        }
        quiet().await;
        assert_eq!(script.cancelled().len(), 10);
        for sqe in all(script, opcode::READ) {
            script.complete(&sqe, -libc::ECANCELED);
        }
        quiet().await;
        assert_eq!(submitted(script, opcode::READ).len(), 10);
    });
    rig.end();
}

/// C5, A2. The break: `is_given_up` does not ask whether the core takes operations.
#[test]
fn what_the_end_of_the_runtime_cancels_is_not_submitted_again() {
    let rig = Rig::new();
    let drops = Rc::new(Cell::new(0));
    let (file, mut reads) = (rig.run(async |_| Rc::new(file())), Vec::new());
    rig.run(async |_| {
        for _ in 0..3 {
            // A read that is held until after the end, and a write that nobody waits for.
            let (read, write) = (Rc::clone(&file), Rc::clone(&file));
            let mut read = Box::pin(async move { read.read_at(Vec::with_capacity(8), 0).await });
            let buf = Counted::of(b"bytes", &drops);
            let mut write = Box::pin(async move { write.write_at(buf, 0).await });
            assert!(poll(&mut read).is_pending() && poll(&mut write).is_pending());
            reads.push(read);
        }
        quiet().await;
    });
    rig.script.on_wait(cancels_win);
    let script = rig.script.clone();
    assert_eq!(rig.shutdown(), 0);
    assert_eq!(drops.get(), 3);
    for read in &mut reads {
        let Poll::Ready(BufResult(result, _)) = poll(read) else { panic!("its completion has come") };
        assert_eq!(result.expect_err("cancelled").raw_os_error(), Some(libc::ECANCELED));
    }
    for code in [opcode::READ, opcode::WRITE] {
        assert_eq!(submitted(&script, code).len(), 3);
    }
}

/// C5, B5. The breaks: `WriteAt::orphaned` drops the write; `carry_on` has no limit.
#[test]
fn a_write_to_a_file_that_has_begun_is_finished_although_it_was_dropped_and_given_up() {
    for (given_up, is_done) in [(2, true), (TRIES_MAX, true), (TRIES_MAX + 1, false)] {
        let rig = Rig::new();
        let drops = Rc::new(Cell::new(0));
        rig.run(async |script| {
            let file = file();
            let mut write = Box::pin(file.write_at(Counted::of(b"bytes", &drops), 7));
            assert!(poll(&mut write).is_pending());
            drop(write);
            for _ in 0..given_up {
                quiet().await;
                assert_eq!(drops.get(), 0, "the kernel may still read it");
                script.complete(&only(script, opcode::WRITE), -libc::ECANCELED);
            }
            quiet().await;
            if is_done {
                let sqe = only(script, opcode::WRITE);
                assert_eq!((sqe.off, take(script, &sqe, 5)), (7, b"bytes".to_vec()));
                quiet().await;
            }
            assert!(all(script, opcode::WRITE).is_empty(), "{given_up} times given up");
            assert!(script.cancelled().is_empty());
            assert_eq!(drops.get(), 1);
        });
        rig.end();
    }
}
