//! The budget of a poll: who always finds something ready lets the others run, and loses nothing by it (hazard C9).

use std::cell::{Cell, RefCell};
use std::future::{poll_fn, ready};
use std::io::Write;
use std::pin::{Pin, pin};
use std::rc::Rc;
use std::task::Poll;

use uring::fs::File;
use uring::macro_support::test_builder;
use uring::task::{consume_budget, unconstrained};
use uring::time::{Duration, Instant, interval, sleep, sleep_until, timeout, timeout_at};
use uring::{JoinHandle, spawn, yield_now};

use crate::alone::{alone, on_a_core};
use crate::kit::{Scratch, panic_text, pattern, poll_idly};
use crate::support::{joined, pair, peer};

/// Results that a task may take in one poll.
const BUDGET: u32 = 128;

/// A task that yields until it is aborted, and takes the most of a count that was reached between two of its polls.
fn watching(count: &Rc<Cell<u32>>) -> (JoinHandle<()>, Rc<Cell<u32>>) {
    let (count, most) = (Rc::clone(count), Rc::new(Cell::new(0)));
    let found = Rc::clone(&most);
    let watcher = spawn(async move {
        loop {
            found.set(found.get().max(count.take()));
            yield_now().await;
        }
    });
    (watcher, most)
}

/// Lets a future run beside another task, and gives how many results at most it took before that one had its turn.
async fn most_at_once<T>(count: &Rc<Cell<u32>>, future: impl Future<Output = T> + 'static) -> u32
where
    T: 'static,
{
    let (watcher, most) = watching(count);
    spawn(future).await.unwrap();
    yield_now().await;
    watcher.abort();
    most.get()
}

fn counts(count: &Rc<Cell<u32>>) -> impl Fn() + 'static {
    let count = Rc::clone(count);
    move || count.set(count.get() + 1)
}

#[test]
fn a_reader_that_always_finds_bytes_lets_others_run_and_loses_none() {
    // The break: no `poll_proceed` in `Read::poll`.
    on_a_core(async {
        let (stream, mut other) = pair().await;
        let sent = pattern(3, 100_000);
        let bytes = sent.clone();
        let sender = peer(move || {
            other.write_all(&bytes).unwrap();
            other
        });
        let count = Rc::default();
        let took = counts(&count);
        let read = Rc::new(RefCell::new(Vec::new()));
        let into = Rc::clone(&read);
        let most = most_at_once(&count, async move {
            let mut byte = Vec::with_capacity(1);
            while into.borrow().len() < 100_000 {
                byte.clear();
                byte = stream.read_exact(byte).await.into_result().unwrap().1;
                took();
                into.borrow_mut().push(byte[0]);
            }
        })
        .await;
        drop(joined(sender).await);
        assert!(*read.borrow() == sent, "no byte is lost or out of order");
        // Without pooled buffers each byte is a receive of its own.
        assert!(most <= BUDGET, "{most} bytes at once");
    });
}

#[test]
fn whoever_always_finds_something_ready_lets_others_run() {
    // The breaks: no `poll_proceed` in `over` in `sleep.rs`; none in `Op::poll`; none in the handle's poll; none in
    // `Write::poll`.
    on_a_core(async {
        let past = Instant::now();
        sleep(Duration::from_millis(1)).await;
        let count = Rc::default();
        let took = counts(&count);
        let most = most_at_once(&count, async move {
            for _ in 0..1000 {
                sleep_until(past).await;
                took();
            }
        });
        assert_eq!(most.await, BUDGET, "deadlines that have passed");
        let took = counts(&count);
        let mut ticks = interval(Duration::from_nanos(1));
        let most = most_at_once(&count, async move {
            for _ in 0..1000 {
                ticks.tick().await;
                took();
            }
        });
        assert!(most.await <= BUDGET, "ticks that are overdue");
        let handles: Vec<_> = (0..1000).map(|_| spawn(ready(()))).collect();
        sleep(Duration::from_millis(1)).await;
        let took = counts(&count);
        let most = most_at_once(&count, async move {
            for handle in handles {
                handle.await.unwrap();
                took();
            }
        });
        assert_eq!(most.await, BUDGET, "tasks that have finished");
        let (stream, peer) = pair().await;
        let took = counts(&count);
        let most = most_at_once(&count, async move {
            for _ in 0..1000 {
                stream.write(Vec::new()).await.into_result().unwrap();
                took();
            }
        });
        assert_eq!(most.await, BUDGET, "writes of nothing");
        drop(peer);
        let took = counts(&count);
        let file = File::open("/dev/null").await.unwrap();
        let most = most_at_once(&count, async move {
            for _ in 0..1000 {
                file.read_at(Vec::new(), 0).await.into_result().unwrap();
                took();
            }
        });
        assert_eq!(most.await, BUDGET, "reads of nothing");
    });
}

#[test]
fn results_that_come_beyond_the_budget_are_there_in_the_next_poll() {
    // The break: `poll_proceed` after the result was taken in `Op::poll`, which loses it and panics at the next poll.
    on_a_core(async {
        let scratch = Scratch::new();
        let path = scratch.file("a", pattern(5, 4096));
        let file = File::open(&path).await.unwrap();
        let reads: Vec<_> = (0..500_u64).map(|at| file.read_at(Vec::with_capacity(8), at * 8)).collect();
        let mut reads: Vec<_> = reads.into_iter().map(|read| Some(Box::pin(read))).collect();
        let mut rounds = 0;
        let mut most = 0;
        poll_fn(|cx| {
            rounds += 1;
            let mut now = 0;
            for (at, place) in reads.iter_mut().enumerate() {
                let Some(read) = place else { continue };
                if let Poll::Ready(result) = read.as_mut().poll(cx) {
                    let (bytes, buf) = result.into_result().unwrap();
                    assert_eq!((bytes, &buf[..]), (8, &pattern(5, 4096)[at * 8..at * 8 + 8]));
                    *place = None;
                    now += 1;
                }
            }
            most = most.max(now);
            if reads.iter().all(Option::is_none) { Poll::Ready(()) } else { Poll::Pending }
        })
        .await;
        assert!(most <= BUDGET && rounds >= 4, "{most} at once, {rounds} rounds");
    });
}

#[test]
fn a_future_that_uses_up_every_budget_is_timed_out_all_the_same() {
    // The break: no `without_limit` in `Timeout::poll`: the deadline never finds anything left, and this hangs.
    on_a_core(async {
        let spends = async {
            loop {
                consume_budget().await;
            }
        };
        assert!(timeout(Duration::from_millis(2), spends).await.is_err());
    });
}

#[test]
fn a_future_that_is_ready_is_not_timed_out_for_want_of_a_budget() {
    // The break: no `poll_proceed` in `Timeout::poll`: the future cannot say that it is ready, and the deadline has passed.
    on_a_core(async {
        let past = Instant::now();
        sleep(Duration::from_millis(1)).await;
        for spent in 0..=BUDGET {
            yield_now().await;
            for _ in 0..spent {
                consume_budget().await;
            }
            assert!(timeout_at(past, consume_budget()).await.is_ok(), "after {spent} results");
        }
    });
}

#[test]
fn consuming_the_budget_lets_others_run_and_unconstrained_takes_all() {
    // The breaks: `progressed` counts nothing; `Lifted::new` leaves the budget.
    on_a_core(async {
        let count = Rc::default();
        let took = counts(&count);
        let most = most_at_once(&count, async move {
            for _ in 0..1000 {
                consume_budget().await;
                took();
            }
        });
        assert_eq!(most.await, BUDGET);
        let took = counts(&count);
        let most = most_at_once(&count, async move {
            unconstrained(async {
                for _ in 0..1000 {
                    consume_budget().await;
                    took();
                }
            })
            .await;
        });
        assert_eq!(most.await, 1000);
    });
}

#[test]
fn what_is_polled_outside_of_a_task_has_no_limit() {
    // The break: no drop of `Turns`, so that what the last poll has left stays on the thread.
    alone(|| {
        let runtime = test_builder().build().unwrap();
        let mut handles: Vec<_> = runtime.block_on(async {
            let handles: Vec<_> = (0..1000).map(|_| spawn(ready(()))).collect();
            sleep(Duration::from_millis(1)).await;
            for _ in 0..BUDGET {
                consume_budget().await;
            }
            handles
        });
        for handle in &mut handles {
            assert!(poll_idly(Pin::new(handle)).is_ready());
        }
        // Nor has it in a runtime that was left by a panic.
        let spend = || {
            for _ in 0..BUDGET {
                assert!(poll_idly(pin!(consume_budget())).is_ready());
            }
            assert!(poll_idly(pin!(consume_budget())).is_pending());
        };
        let panics = || {
            runtime.block_on(async {
                spend();
                panic!("on purpose");
            })
        };
        assert_eq!(panic_text(panics), "on purpose");
        for _ in 0..1000 {
            assert!(poll_idly(pin!(consume_budget())).is_ready());
        }
    });
}
