//! Calls that block: the bounds of their pool, and who gets what when they fail, are aborted or outlive their runtime.

use std::cell::{Cell, RefCell};
use std::future::pending;
use std::pin::{Pin, pin};
use std::rc::Rc;
use std::sync::atomic::{AtomicU32, AtomicUsize, Ordering};
use std::sync::{Arc, Barrier, mpsc};
use std::task::Poll;
use std::thread;

use nix::sys::signal::{SigSet, Signal};
use uring::macro_support::test_builder;
use uring::task::{BlockingHandle, spawn_blocking};
use uring::time::{Duration, sleep};
use uring::{JoinError, Runtime, spawn, stats, yield_now};

use crate::alone::alone;
use crate::kit::{eventually, poll_idly, threads, until, without_panic_messages};

/// Counts its drops, on any thread.
struct Counted(Arc<AtomicU32>);

impl Counted {
    fn new(count: &Arc<AtomicU32>) -> Self {
        Self(Arc::clone(count))
    }
}

impl Drop for Counted {
    fn drop(&mut self) {
        self.0.fetch_add(1, Ordering::SeqCst);
    }
}

fn runtime(threads_max: usize, queue_max: usize) -> Runtime {
    let builder = test_builder().blocking_threads_max(threads_max).blocking_queue_max(queue_max);
    builder.build().unwrap()
}

/// Occupies a thread until the other end is dropped, and has begun when this returns.
async fn busy() -> (BlockingHandle<()>, mpsc::Sender<()>) {
    let (release, released) = mpsc::channel::<()>();
    let begun = Arc::new(AtomicU32::new(0));
    let begins = Counted::new(&begun);
    let handle = spawn_blocking(move || {
        drop(begins);
        let _ = released.recv();
    });
    until("the call has begun", || begun.load(Ordering::SeqCst) == 1).await;
    (handle, release)
}

fn poll<T: Send>(handle: &mut BlockingHandle<T>) -> Poll<Result<T, JoinError>> {
    poll_idly(Pin::new(handle))
}

#[test]
fn a_call_that_blocks_gives_its_output_and_the_core_goes_on_meanwhile() {
    // The break: `spawn_blocking` runs the call at once.
    alone(|| {
        runtime(4, 4).block_on(async {
            let (give, given) = mpsc::channel::<u32>();
            let waits = spawn_blocking(move || given.recv().unwrap());
            yield_now().await;
            assert!(!waits.is_finished());
            give.send(7).unwrap();
            assert_eq!(waits.await.unwrap(), 7);
            let name =
                spawn_blocking(|| thread::current().name().unwrap_or_default().to_owned()).await.unwrap();
            assert!(name.starts_with("uring-blocking-"), "{name}");
        });
    });
}

#[test]
fn as_many_threads_run_as_the_bound_says_and_no_more() {
    // The breaks: no look at `threads_max` in `submit`; a thread only when none is idle and none is alive.
    alone(|| {
        runtime(4, 1000).block_on(async {
            let (now, most) = (Arc::new(AtomicUsize::new(0)), Arc::new(AtomicUsize::new(0)));
            // Four at once, or none goes on.
            let together = Arc::new(Barrier::new(4));
            let calls: Vec<_> = (0..200)
                .map(|_| {
                    let (now, most, together) = (Arc::clone(&now), Arc::clone(&most), Arc::clone(&together));
                    spawn_blocking(move || {
                        most.fetch_max(now.fetch_add(1, Ordering::SeqCst) + 1, Ordering::SeqCst);
                        together.wait();
                        now.fetch_sub(1, Ordering::SeqCst);
                    })
                })
                .collect();
            assert_eq!(stats().blocking_threads, 4);
            for call in calls {
                call.await.unwrap();
            }
            assert_eq!(most.load(Ordering::SeqCst), 4);
            assert_eq!((stats().blocking_threads, stats().blocking_queued), (4, 0));
        });
    });
}

#[test]
fn what_finds_the_queue_full_is_rejected_by_name_and_dropped_unrun() {
    // The break: no look at `queue_max` in `submit`.
    alone(|| {
        runtime(1, 2).block_on(async {
            let (first, release) = busy().await;
            let (dropped, ran) = (Arc::new(AtomicU32::new(0)), Arc::new(AtomicU32::new(0)));
            let call = || {
                let (held, runs) = (Counted::new(&dropped), Counted::new(&ran));
                spawn_blocking(move || drop((held, runs)))
            };
            let waiting = [call(), call()];
            assert_eq!(stats().blocking_queued, 2);
            let rejected = call();
            assert!(rejected.is_finished());
            assert_eq!(dropped.load(Ordering::SeqCst), 1);
            let error = rejected.await.unwrap_err();
            assert!(error.is_rejected() && !error.is_cancelled() && !error.is_panic());
            let text = error.to_string();
            assert!(text.contains("1 threads are busy and 2 calls wait"), "{text}");
            assert!(text.contains("cause: ") && text.contains("cure: "), "{text}");
            assert!(error.try_into_panic().unwrap_err().is_rejected());
            drop(release);
            first.await.unwrap();
            for call in waiting {
                call.await.unwrap();
            }
            // There is room again.
            call().await.unwrap();
        });
    });
}

#[test]
fn threads_end_after_the_keep_alive_and_start_again_when_they_are_needed() {
    // The break: `serve` waits without a limit.
    alone(|| {
        let before = threads();
        let runtime = test_builder().blocking_keep_alive(Duration::from_millis(5)).build().unwrap();
        runtime.block_on(async {
            for round in 0..3 {
                let calls: Vec<_> = (0..8).map(|number| spawn_blocking(move || number)).collect();
                for (number, call) in calls.into_iter().enumerate() {
                    assert_eq!(call.await.unwrap(), number, "round {round}");
                }
                until("the threads have ended", || stats().blocking_threads == 0).await;
            }
        });
        drop(runtime);
        eventually("all threads are gone", || threads() <= before);
    });
}

#[test]
fn a_panic_goes_to_who_awaits_and_the_thread_goes_on() {
    // The break: no `catch_unwind` in `Job::run`.
    alone(|| {
        without_panic_messages();
        runtime(1, 100).block_on(async {
            for _ in 0..50 {
                let error = spawn_blocking(|| -> () { panic!("on purpose") }).await.unwrap_err();
                assert!(error.is_panic());
                assert_eq!(error.to_string(), "the task panicked: on purpose");
            }
            assert_eq!(spawn_blocking(|| 7).await.unwrap(), 7);
            assert_eq!(stats().blocking_threads, 1);
        });
    });
}

#[test]
fn a_call_that_is_aborted_before_it_begins_never_runs_and_leaves_its_place() {
    // The breaks: `abort` does not withdraw, so that the queue stays full; `Job::run` runs what was given up.
    alone(|| {
        runtime(1, 2).block_on(async {
            let (first, release) = busy().await;
            let (dropped, ran) = (Arc::new(AtomicU32::new(0)), Arc::new(AtomicU32::new(0)));
            for _ in 0..100 {
                let (held, runs) = (Counted::new(&dropped), Arc::clone(&ran));
                let call = spawn_blocking(move || {
                    runs.fetch_add(1, Ordering::SeqCst);
                    drop(held);
                });
                call.abort();
                assert!(call.is_finished());
                assert!(call.await.unwrap_err().is_cancelled());
            }
            assert_eq!((dropped.load(Ordering::SeqCst), stats().blocking_queued), (100, 0));
            drop(release);
            first.await.unwrap();
            spawn_blocking(|| ()).await.unwrap();
            assert_eq!(ran.load(Ordering::SeqCst), 0);
        });
    });
}

#[test]
fn aborting_a_call_that_runs_frees_who_waits_and_drops_what_it_returns() {
    // The break: `end` stores a result whatever the stage, so that a handle that was cancelled gives one later.
    alone(|| {
        runtime(2, 2).block_on(async {
            let (release, released) = mpsc::channel::<()>();
            let (begun, dropped) = (Arc::new(AtomicU32::new(0)), Arc::new(AtomicU32::new(0)));
            let (begins, output) = (Counted::new(&begun), Counted::new(&dropped));
            let mut call = spawn_blocking(move || {
                drop(begins);
                let _ = released.recv();
                output
            });
            until("the call has begun", || begun.load(Ordering::SeqCst) == 1).await;
            call.abort();
            let Poll::Ready(Err(error)) = poll(&mut call) else { panic!("it is cancelled at once") };
            assert!(error.is_cancelled());
            assert_eq!(dropped.load(Ordering::SeqCst), 0);
            drop(release);
            until("the output was dropped", || dropped.load(Ordering::SeqCst) == 1).await;
            // One that is over is left as it is.
            let call = spawn_blocking(|| 7);
            until("the call is over", || call.is_finished()).await;
            call.abort();
            assert_eq!(call.await.unwrap(), 7);
        });
    });
}

#[test]
fn a_runtime_that_ends_drops_what_waits_and_does_not_wait_for_what_runs() {
    // The breaks: no `forget` in `Core::end`; no close in the drop of `Blocking`, which leaves the thread.
    alone(|| {
        let before = threads();
        let dropped = Arc::new(AtomicU32::new(0));
        let runtime = runtime(1, 100);
        let ((mut first, release), mut waiting, held) = runtime.block_on(async {
            let first = busy().await;
            let call = || {
                let held = Counted::new(&dropped);
                spawn_blocking(move || drop(held))
            };
            let waiting: Vec<_> = (0..50).map(|_| call()).collect();
            // One is awaited by a task, which the end drops.
            let kept = call();
            drop(spawn(async move {
                kept.await.unwrap();
                pending::<()>().await;
            }));
            yield_now().await;
            // It keeps the core, and so the pool, beyond the end.
            (first, waiting, sleep(Duration::ZERO))
        });
        assert_eq!(runtime.shutdown(), 0);
        assert_eq!(dropped.load(Ordering::SeqCst), 51);
        for call in &mut waiting {
            let Poll::Ready(Err(error)) = poll(call) else { panic!("it is cancelled") };
            assert!(error.is_cancelled());
        }
        assert!(!first.is_finished());
        drop((release, held));
        eventually("the call returns", || first.is_finished());
        assert!(matches!(poll(&mut first), Poll::Ready(Ok(()))));
        eventually("the thread is gone", || threads() <= before);
    });
}

/// Begins a call when it is dropped, and notes whether that was cancelled.
struct BlocksInDrop(Rc<RefCell<Vec<bool>>>);

impl Drop for BlocksInDrop {
    fn drop(&mut self) {
        let joined = poll_idly(pin!(spawn_blocking(|| panic!("it must not run"))));
        self.0.borrow_mut().push(matches!(joined, Poll::Ready(Err::<(), _>(error)) if error.is_cancelled()));
    }
}

#[test]
fn a_call_that_is_begun_by_a_drop_while_the_runtime_ends_is_cancelled() {
    // The break: no look at `is_open` in `Core::blocking`.
    alone(|| {
        let found = Rc::new(RefCell::new(Vec::new()));
        let runtime = runtime(1, 1);
        runtime.block_on(async {
            let held = BlocksInDrop(Rc::clone(&found));
            drop(spawn(async move {
                pending::<()>().await;
                drop(held);
            }));
            yield_now().await;
        });
        drop(runtime);
        assert_eq!(*found.borrow(), [true]);
    });
}

#[test]
fn ten_thousand_calls_of_four_runtimes_all_come_back_to_their_own() {
    // The breaks: no wake in `Job::end`; `notify_one` left out of `submit`, so that idle threads sleep on.
    alone(|| {
        let one = |number: u64| {
            move || {
                let runtime = test_builder().blocking_threads_max(3).build().unwrap();
                runtime.block_on(async {
                    let sum = Rc::new(Cell::new(0));
                    let mut tasks = Vec::new();
                    for lane in 0..50 {
                        let sum = Rc::clone(&sum);
                        tasks.push(spawn(async move {
                            for round in 0..50 {
                                let output = spawn_blocking(move || number * 1_000_000 + lane * 50 + round);
                                let output = output.await.unwrap();
                                sum.set(sum.get() + output);
                            }
                        }));
                    }
                    for task in tasks {
                        task.await.unwrap();
                    }
                    assert_eq!(sum.get(), (0..2500).map(|call| number * 1_000_000 + call).sum::<u64>());
                });
            }
        };
        let all: Vec<_> = (0..4).map(|number| thread::spawn(one(number))).collect();
        all.into_iter().for_each(|one| one.join().unwrap());
    });
}

#[test]
fn a_detached_call_goes_on_and_its_output_is_dropped() {
    // The break: the drop of a handle aborts.
    alone(|| {
        runtime(1, 1).block_on(async {
            let (first, release) = busy().await;
            let (dropped, ran) = (Arc::new(AtomicU32::new(0)), Arc::new(AtomicU32::new(0)));
            let (output, runs) = (Counted::new(&dropped), Arc::clone(&ran));
            drop(spawn_blocking(move || {
                runs.fetch_add(1, Ordering::SeqCst);
                output
            }));
            assert_eq!((dropped.load(Ordering::SeqCst), stats().blocking_queued), (0, 1));
            drop(release);
            first.await.unwrap();
            until("the output was dropped", || dropped.load(Ordering::SeqCst) == 1).await;
            assert_eq!(ran.load(Ordering::SeqCst), 1);
        });
    });
}

#[test]
fn signals_of_the_process_do_not_go_to_threads_of_the_pool() {
    // The breaks: no `without_signals` around the start of a thread; the caller's mask is not put back.
    alone(|| {
        runtime(1, 1).block_on(async {
            let own = SigSet::thread_get_mask().unwrap();
            let mask = spawn_blocking(|| SigSet::thread_get_mask().unwrap()).await.unwrap();
            for signal in [Signal::SIGTERM, Signal::SIGINT, Signal::SIGHUP, Signal::SIGCHLD, Signal::SIGUSR1]
            {
                assert!(mask.contains(signal), "{signal} is blocked");
            }
            // A thread must hear of its own faults.
            assert!(!mask.contains(Signal::SIGSEGV) && !mask.contains(Signal::SIGBUS));
            assert_eq!(SigSet::thread_get_mask().unwrap(), own);
        });
    });
}
