//! Accepting while descriptors or memory are short, on virtual time (hazard C8).

use std::cell::{Cell, RefCell};
use std::future::poll_fn;
use std::os::fd::AsRawFd;
use std::pin::pin;
use std::rc::Rc;
use std::time::Duration;

use uring_runtime::Features;
use uring_runtime::io::Acceptor;
use uring_runtime::task::{JoinHandle, spawn};
use uring_runtime::time::{Instant, sleep};
use uring_sys_shim::{Script, opcode};

use crate::accept::{accept_now, acceptor, connect};
use crate::support::{Log, Rig, all, only, quiet};

const MILLI: Duration = Duration::from_millis(1);
const SECOND: Duration = Duration::from_secs(1);
/// How finely the tests look.
const STEP: Duration = Duration::from_micros(100);
/// So much later than planned may a step be seen.
const SLACK: Duration = Duration::from_micros(250);
const SHORTAGES: [i32; 4] = [libc::EMFILE, libc::ENFILE, libc::ENOBUFS, libc::ENOMEM];

/// What a server sees that accepts for ever and goes on after errors.
#[derive(Clone, Default)]
struct Seen {
    errors: Log<(Instant, i32)>,
    connections: Log<i32>,
    polls: Rc<Cell<u32>>,
}

fn serve(acceptor: &Rc<Acceptor>, seen: &Seen) -> JoinHandle<()> {
    let (acceptor, seen) = (Rc::clone(acceptor), seen.clone());
    spawn(async move {
        loop {
            let mut accept = pin!(acceptor.accept());
            let accepted = poll_fn(|cx| {
                seen.polls.set(seen.polls.get() + 1);
                accept.as_mut().poll(cx)
            });
            match accepted.await {
                Ok(connection) => seen.connections.borrow_mut().push(connection.as_raw_fd()),
                Err(error) => {
                    let errno = error.raw_os_error().expect("it comes from the kernel");
                    seen.errors.borrow_mut().push((Instant::now(), errno));
                }
            }
        }
    })
}

/// Lets every accept fail with this errno for so long, and gives when each was tried.
async fn fail(script: &Script, errno: i32, span: Duration) -> Vec<Instant> {
    let start = Instant::now();
    let mut tries = Vec::new();
    while start.elapsed() < span {
        for sqe in all(script, opcode::ACCEPT) {
            tries.push(Instant::now());
            script.complete(&sqe, -errno);
        }
        sleep(STEP).await;
    }
    tries
}

/// The pauses double from 1 ms to 100 ms, and stay there.
#[track_caller]
fn check_pauses(tries: &[Instant]) {
    assert!(tries.len() > 10, "{tries:?}");
    let mut expected = MILLI;
    for pair in tries.windows(2) {
        let pause = pair[1].duration_since(pair[0]);
        assert!((expected..expected + SLACK).contains(&pause), "{pause:?} in place of {expected:?}");
        expected = (expected * 2).min(100 * MILLI);
    }
}

/// C8. The breaks: a pause that does not double (`self.pause` without `* 2`), or without its end (`u64::MAX` for
/// `PAUSE_MAX`); an error that is told each time (`Verdict::Tell` for `Keep`), or never again; an accept that does not
/// wait for the pause of the one before (no `poll_pause`).
#[test]
fn while_descriptors_are_short_the_error_comes_once_a_second_and_the_tries_become_rare() {
    for (number, errno) in SHORTAGES.into_iter().enumerate() {
        let many = Features::all();
        let features = if number % 2 == 0 { many } else { many.without(Features::ACCEPT_MULTISHOT) };
        let rig = Rig::with(8, features, |builder| builder);
        rig.run(async |script| {
            let (acceptor, seen) = (Rc::new(acceptor()), Seen::default());
            let server = serve(&acceptor, &seen);
            let enters = script.enters();
            quiet().await;
            let tries = fail(script, errno, 3 * SECOND + SECOND / 2).await;
            check_pauses(&tries);
            let errors = seen.errors.borrow().clone();
            assert!(errors.iter().all(|(_, seen)| *seen == errno), "{errors:?}");
            assert_eq!(errors.len(), 4, "at once, and then once a second: {errors:?}");
            for pair in errors.windows(2) {
                let pause = pair[1].0.duration_since(pair[0].0);
                assert!((SECOND..SECOND + 101 * MILLI).contains(&pause), "{pause:?}");
            }
            // A try is a poll when it ends, and one when the pause does; an error is one more.
            let polls_max = 2 * tries.len() + errors.len() + 1;
            assert!(seen.polls.get() as usize <= polls_max, "{} polls, {tries:?}", seen.polls.get());
            assert!(script.enters() > enters);
            // Descriptors are free again.
            let free = Instant::now();
            while all(script, opcode::ACCEPT).is_empty() {
                sleep(STEP).await;
            }
            assert!(free.elapsed() <= 100 * MILLI + SLACK);
            let (made, _end) = connect(script, &only(script, opcode::ACCEPT));
            quiet().await;
            assert_eq!(*seen.connections.borrow(), [made]);
            server.abort();
            drop(server);
        });
        rig.end();
    }
}

/// C8, B1. The break: a pause that belongs to the future (`self.pause.is_none() ||` before `self.poll_pause`), so that
/// accepts that are dropped and made anew, as in a `select`, try as often as they are made.
#[test]
fn accepts_that_are_dropped_during_the_pause_neither_shorten_nor_prolong_it() {
    let rig = Rig::new();
    rig.run(async |script| {
        let acceptor = acceptor();
        let (mut tries, mut errors) = (Vec::new(), 0);
        let start = Instant::now();
        while start.elapsed() < SECOND {
            for sqe in all(script, opcode::ACCEPT) {
                tries.push(Instant::now());
                script.complete(&sqe, -libc::EMFILE);
                quiet().await;
            }
            let mut accept = Box::pin(acceptor.accept());
            errors += usize::from(crate::support::poll(&mut accept).is_ready());
            sleep(STEP).await;
        }
        check_pauses(&tries);
        assert_eq!(errors, 1);
        // What comes to an accept that was dropped is the next one's.
        while all(script, opcode::ACCEPT).is_empty() {
            assert!(accept_now(&acceptor).await.is_none());
            sleep(STEP).await;
        }
        let (made, _end) = connect(script, &only(script, opcode::ACCEPT));
        quiet().await;
        assert_eq!(accept_now(&acceptor).await.expect("it was kept").as_raw_fd(), made);
    });
    rig.close_descriptors();
    rig.end();
}

/// C8. The breaks: `Shortage::ended` keeps the pause, or forgets when it last told.
#[test]
fn a_connection_ends_the_shortage_and_the_next_one_begins_anew_and_is_not_told_again_at_once() {
    let rig = Rig::new();
    rig.run(async |script| {
        let (acceptor, seen) = (Rc::new(acceptor()), Seen::default());
        let server = serve(&acceptor, &seen);
        quiet().await;
        for round in 1..=3 {
            let tries = fail(script, libc::ENFILE, 50 * MILLI).await;
            assert_eq!(tries.len(), 6, "at 0, 1, 3, 7, 15 and 31 ms: {tries:?}");
            while all(script, opcode::ACCEPT).is_empty() {
                sleep(STEP).await;
            }
            // One more descriptor was free, and the multishot accept goes on to the next failure.
            drop(connect(script, &only(script, opcode::ACCEPT)));
            quiet().await;
            assert_eq!(seen.connections.borrow().len(), round);
            assert_eq!(seen.errors.borrow().len(), 1, "all within one second");
        }
        server.abort();
        drop(server);
        quiet().await;
    });
    rig.end();
}

/// C8, A1. The breaks: a timer that outlives its accept (no `disarm` in `Sleep::drop`); a listener that is kept by it.
#[test]
fn a_listener_can_be_dropped_during_the_pause_and_leaves_nothing_behind() {
    let rig = Rig::new();
    rig.run(async |script| {
        let (acceptor, seen) = (Rc::new(acceptor()), Seen::default());
        let server = serve(&acceptor, &seen);
        quiet().await;
        assert!(fail(script, libc::ENOMEM, 500 * MILLI).await.len() > 8);
        assert!(all(script, opcode::ACCEPT).is_empty(), "it pauses");
        server.abort();
        drop((server, acceptor));
        quiet().await;
        assert_eq!(script.submitted_with(opcode::CLOSE).len(), 1, "the listener's descriptor");
        let tried = script.submitted_with(opcode::ACCEPT).len();
        let waits = script.waits().len();
        sleep(SECOND).await;
        assert_eq!(script.submitted_with(opcode::ACCEPT).len(), tried);
        assert_eq!(script.waits().len(), waits + 1, "one sleep, which no timer interrupts");
    });
    rig.end();
}

/// C8. The break: a shortage that is any error (`is_shortage` gives `true`).
#[test]
fn other_errors_are_told_each_time_and_not_paused_after() {
    let rig = Rig::new();
    rig.run(async |script| {
        let acceptor = acceptor();
        let errors = RefCell::new(Vec::new());
        let start = Instant::now();
        for errno in [libc::EINVAL, libc::ENOTSOCK, libc::EPERM, libc::EOPNOTSUPP] {
            assert!(accept_now(&acceptor).await.is_none());
            quiet().await;
            script.complete(&only(script, opcode::ACCEPT), -errno);
            quiet().await;
            let error = acceptor.accept().await.map(drop).expect_err("it is told");
            errors.borrow_mut().push(error.raw_os_error());
            assert_eq!(error.raw_os_error(), Some(errno));
        }
        assert!(start.elapsed() < MILLI, "only what the test itself has waited");
    });
    rig.end();
}
