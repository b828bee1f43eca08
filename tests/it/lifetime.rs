//! The end of runtimes, of threads and of processes, with operations in flight (hazards A2, A4, A5).
//!
//! That the kernel writes into no memory that was freed meanwhile is what `tests/quarantine` proves.

mod flights;
mod forgotten;
pub(crate) mod forks;
mod silent;
mod unanswered;

use std::cell::RefCell;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::thread;
use std::time::{Duration, Instant};

use nix::unistd::Pid;
use uring::macro_support::test_builder;
use uring::{Runtime, spawn, stats, yield_now};

use crate::alone::{alone, alone_and_leaking};
use crate::kit::{Scratch, descriptors, eventually, threads, without_panic_messages};
use flights::Flights;

/// The drain may take so long, and then what is in flight is leaked.
const DRAIN: Duration = Duration::from_secs(5);

#[test]
fn a_runtime_that_ends_waits_for_what_is_in_flight_and_leaks_nothing() {
    // The breaks: `left = 0` instead of `self.drain()` in `Core::end`, which leaves descriptors open; no
    // `cancel_all` in `Core::drain`, which then waits for peers that say nothing.
    alone(|| {
        let flights = Flights::new();
        let before = descriptors();
        for micros in [0, 1, 10, 50, 100, 200, 500, 1000] {
            for _ in 0..2 {
                let runtime = test_builder().drain_timeout(DRAIN).build().unwrap();
                runtime.block_on(async {
                    flights.begin(32 << 20).await;
                    flights.begin_write().await;
                    uring::time::sleep(Duration::from_micros(micros)).await;
                });
                assert!(runtime.stats().in_flight > 5, "{:?}", runtime.stats());
                let start = Instant::now();
                assert_eq!(runtime.shutdown(), 0, "after {micros} µs");
                assert!(start.elapsed() < DRAIN + Duration::from_millis(100));
            }
        }
        eventually("all descriptors are closed", || descriptors() == before);
    });
}

#[test]
fn tasks_that_are_aborted_leave_nothing_in_flight() {
    alone(|| {
        let flights = Flights::new();
        let before = descriptors();
        let runtime = test_builder().build().unwrap();
        runtime.block_on(async {
            let (busy, open) = (stats().in_flight, descriptors());
            for _ in 0..4 {
                let tasks = flights.begin(4 << 20).await;
                yield_now().await;
                for task in &tasks {
                    task.abort();
                }
                for task in tasks {
                    // Some have ended by themselves.
                    assert!(task.await.map_or_else(|error| error.is_cancelled(), |()| true));
                }
                crate::kit::until("all operations are over", || stats().in_flight == busy).await;
                crate::kit::until("all descriptors are closed", || descriptors() == open).await;
            }
            assert_eq!(stats().unknown, 0);
        });
        assert_eq!(runtime.shutdown(), 0);
        assert!(descriptors() <= before);
    });
}

#[test]
fn a_runtime_that_may_not_wait_leaks_what_is_in_flight_and_counts_it() {
    // The break: no `self.leak` in `Core::end`: the memory is freed behind the kernel's back, which only the tests in
    // `quarantine` see; here the count would be 0.
    alone_and_leaking(|| {
        let flights = Flights::new();
        let runtime = test_builder().drain_timeout(Duration::ZERO).build().unwrap();
        runtime.block_on(async {
            flights.begin(32 << 20).await;
            yield_now().await;
        });
        let start = Instant::now();
        assert!(runtime.shutdown() > 0);
        assert!(start.elapsed() < Duration::from_millis(500));
        // The thread is as good as new.
        let next = test_builder().build().unwrap();
        next.block_on(async { spawn(yield_now()).await.unwrap() });
        assert_eq!(next.shutdown(), 0);
    });
}

thread_local! {
    static KEPT: RefCell<Option<Runtime>> = const { RefCell::new(None) };
}

/// How a thread comes to its end.
#[derive(Clone, Copy)]
enum Ending {
    Return,
    Panic,
    PanicInside,
    ThreadLocal,
}

fn run_and_end(flights: &Flights, ending: Ending) {
    let runtime = test_builder().recv_buffers(8).build().unwrap();
    let start = async {
        flights.begin(1 << 20).await;
        flights.begin_write().await;
        if let Ending::PanicInside = ending {
            panic!("inside of the runtime");
        }
    };
    match ending {
        Ending::Return => runtime.block_on(start),
        Ending::PanicInside => runtime.block_on(start),
        Ending::Panic => {
            runtime.block_on(start);
            panic!("beside the runtime");
        }
        Ending::ThreadLocal => {
            KEPT.with_borrow(|kept| assert!(kept.is_none()));
            runtime.block_on(start);
            KEPT.set(Some(runtime));
        }
    }
}

#[test]
fn a_hundred_threads_end_in_every_way_and_leave_no_thread_and_no_descriptor() {
    // Hazard A4. The break: no `Drop` for `Runtime`.
    alone(|| {
        without_panic_messages();
        let flights = Flights::new();
        let before = (descriptors(), threads());
        for _ in 0..10 {
            let endings =
                [Ending::Return, Ending::Panic, Ending::PanicInside, Ending::ThreadLocal, Ending::Return];
            thread::scope(|scope| {
                let ends = endings.into_iter().chain(endings).map(|ending| {
                    let flights = &flights;
                    scope.spawn(move || catch_unwind(AssertUnwindSafe(|| run_and_end(flights, ending))))
                });
                let ends: Vec<_> = ends.collect();
                for end in ends {
                    drop(end.join().unwrap());
                }
            });
        }
        eventually("descriptors and threads are as before", || (descriptors(), threads()) == before);
    });
}

#[test]
#[allow(clippy::exit, reason = "what is tested")]
fn a_program_that_exits_from_within_a_task_does_not_hang() {
    alone_and_leaking(|| {
        let flights = Flights::new();
        let scratch = Scratch::new();
        let child = forks::fork(|| {
            test_builder().build().unwrap().block_on(async {
                flights.begin(1 << 20).await;
                spawn(async { std::process::exit(7) }).await.unwrap()
            })
        });
        assert_eq!(forks::exit_code(child), 7);
        drop(scratch);
        assert_ne!(child, Pid::this());
    });
}
