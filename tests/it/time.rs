//! Sleeping, deadlines and intervals, on the kernel's clock.

mod extremes;
mod intervals;

use std::cell::{Cell, RefCell};
use std::future::{pending, poll_fn, ready};
use std::io;
use std::pin::pin;
use std::rc::Rc;
use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};
use std::task::{Context, Poll, Wake, Waker};

use uring::time::{Duration, Instant, sleep, sleep_until, timeout, timeout_at};
use uring::{spawn, stats, yield_now};

use crate::alone::on_a_core;
use crate::kit::{Random, poll_once};

const MS: Duration = Duration::from_millis(1);

#[test]
fn a_sleep_takes_its_time_and_hardly_more() {
    on_a_core(async {
        for duration in [Duration::ZERO, Duration::from_nanos(1), Duration::from_micros(50), MS, 30 * MS] {
            let start = std::time::Instant::now();
            sleep(duration).await;
            let taken = start.elapsed();
            assert!(taken >= duration, "{taken:?} instead of {duration:?}");
            assert!(taken < duration + 50 * MS, "{taken:?} instead of {duration:?}");
        }
    });
}

#[test]
fn a_deadline_that_has_passed_is_met_at_the_first_poll() {
    on_a_core(async {
        let now = Instant::now();
        for deadline in [now, now - MS, now - Duration::MAX] {
            let mut past = sleep_until(deadline);
            assert!(past.is_elapsed());
            assert_eq!(poll_once(&mut past).await, Poll::Ready(()));
            assert_eq!(poll_once(&mut past).await, Poll::Ready(()), "and it stays so");
        }
    });
}

#[test]
fn sleeps_end_in_the_order_of_their_deadlines() {
    // The break: `max_by_key` for a node's child in `Timers::sift_down`.
    on_a_core(async {
        let mut random = Random::new();
        let order = Rc::new(RefCell::new(Vec::new()));
        // When the last of them was armed: only later deadlines have an order, whatever else the machine does meanwhile.
        let armed = Rc::new(Cell::new(Instant::now()));
        let start = Instant::now() + 50 * MS;
        let tasks: Vec<_> = (0..500)
            .map(|_| {
                let deadline = start + Duration::from_micros(random.below(20_000));
                let (order, armed) = (Rc::clone(&order), Rc::clone(&armed));
                spawn(async move {
                    let sleeping = sleep_until(deadline);
                    armed.set(Instant::now());
                    sleeping.await;
                    assert!(Instant::now() >= deadline);
                    order.borrow_mut().push(deadline);
                })
            })
            .collect();
        for task in tasks {
            task.await.unwrap();
        }
        let in_order = order.borrow().iter().filter(|deadline| **deadline > armed.get() + MS).is_sorted();
        assert!(in_order, "{order:?}");
    });
}

#[test]
fn a_future_that_is_ready_is_never_timed_out() {
    // The break: looking at the deadline before the future in `Timeout::poll`.
    on_a_core(async {
        assert_eq!(timeout(Duration::ZERO, ready(7)).await, Ok(7));
        assert_eq!(timeout_at(Instant::now() - MS, ready(7)).await, Ok(7));
        assert_eq!(timeout(Duration::MAX, sleep(MS)).await, Ok(()));
    });
}

#[test]
fn a_future_that_is_late_is_timed_out_at_its_deadline() {
    on_a_core(async {
        let start = Instant::now();
        let elapsed = timeout(10 * MS, pending::<()>()).await.unwrap_err();
        assert!(start.elapsed() >= 10 * MS);
        assert_eq!(elapsed.to_string(), "the deadline has passed");
        assert_eq!(io::Error::from(elapsed).kind(), io::ErrorKind::TimedOut);
        assert!(timeout_at(start + 20 * MS, pending::<()>()).await.is_err());
        assert!((20 * MS..5000 * MS).contains(&start.elapsed()));
        assert!(timeout(Duration::ZERO, yield_now()).await.is_err());
    });
}

#[test]
fn the_future_can_be_taken_out_of_its_timeout() {
    on_a_core(async {
        let mut late = timeout(Duration::ZERO, sleep(2 * MS));
        assert!(matches!(poll_once(&mut late).await, Poll::Ready(Err(_))));
        late.into_inner().await;
    });
}

#[test]
fn a_sleep_can_be_moved_earlier_and_later_and_begun_again() {
    // The break: no `push` for a timer that has fired in `Timers::reset`.
    on_a_core(async {
        let start = Instant::now();
        let mut moved = sleep(Duration::from_secs(60));
        assert!(poll_once(&mut moved).await.is_pending());
        moved.reset(start + 5 * MS);
        assert_eq!(moved.deadline(), start + 5 * MS);
        (&mut moved).await;
        assert!((5 * MS..5000 * MS).contains(&start.elapsed()), "earlier");

        let start = Instant::now();
        moved.reset(start + 2 * MS);
        assert!(poll_once(&mut moved).await.is_pending(), "again, after it had ended");
        moved.reset(start + 10 * MS);
        (&mut moved).await;
        assert!(start.elapsed() >= 10 * MS, "later");
        assert!(moved.is_elapsed());

        moved.reset(Instant::now() - MS);
        (&mut moved).await;
    });
}

#[test]
fn a_sleep_that_another_task_moves_wakes_who_waits_for_it() {
    // The break: `Timers::reset` forgets the owner.
    on_a_core(async {
        let shared = Rc::new(RefCell::new(Box::pin(sleep(Duration::from_secs(60)))));
        let waiting = Rc::clone(&shared);
        let task = spawn(poll_fn(move |cx| waiting.borrow_mut().as_mut().poll(cx)));
        yield_now().await;
        shared.borrow_mut().reset(Instant::now() + 2 * MS);
        timeout(Duration::from_secs(5), task).await.unwrap().unwrap();
    });
}

#[test]
fn a_hundred_thousand_timers_fire_once_each_and_none_early() {
    on_a_core(async {
        let mut random = Random::new();
        let (fired, early) = (Rc::new(Cell::new(0u32)), Rc::new(Cell::new(0u32)));
        let start = Instant::now();
        let mut dropped = Vec::new();
        for number in 0..100_000 {
            let mut timer = sleep_until(start + Duration::from_micros(random.below(500_000)));
            if number % 2 == 0 {
                // Half of them are armed and dropped before they can fire, or just then.
                assert!(number < 1000 || poll_once(&mut timer).await.is_pending() || timer.is_elapsed());
                dropped.push(timer);
                continue;
            }
            let (fired, early) = (Rc::clone(&fired), Rc::clone(&early));
            drop(spawn(async move {
                let deadline = timer.deadline();
                timer.await;
                fired.set(fired.get() + 1);
                early.set(early.get() + u32::from(Instant::now() < deadline));
            }));
        }
        yield_now().await;
        while let Some(timer) = dropped.pop() {
            drop(timer);
        }
        crate::kit::until("all have fired", || fired.get() == 50_000).await;
        assert_eq!((early.get(), stats().tasks), (0, 0));
    });
}

#[test]
fn timers_that_are_due_at_once_fire_in_slices_between_which_tasks_run() {
    // The break: `loop` instead of `for _ in 0..TIMERS_MAX` in `Core::fire_timers`.
    on_a_core(async {
        let counting = Arc::new(Counting::default());
        let waker = Waker::from(Arc::clone(&counting));
        let due = Instant::now() + 300 * MS;
        let mut sleeps: Vec<_> = (0..20_000).map(|_| Box::pin(sleep_until(due))).collect();
        for sleep in &mut sleeps {
            assert!(sleep.as_mut().poll(&mut Context::from_waker(&waker)).is_pending());
        }
        sleep_until(due - 10 * MS).await;
        let (mut before, mut largest) = (0, 0);
        while before < 20_000 {
            yield_now().await;
            let fired = counting.0.load(Ordering::Relaxed);
            largest = largest.max(fired - before);
            before = fired;
        }
        assert!(largest <= 256, "{largest} timers fired while a task was ready");
    });
}

/// A waker that counts.
#[derive(Default)]
struct Counting(AtomicU32);

impl Wake for Counting {
    fn wake(self: Arc<Self>) {
        self.0.fetch_add(1, Ordering::Relaxed);
    }
}

#[test]
fn a_timer_that_is_dropped_wakes_nobody() {
    // The break: no `disarm` in the drop of `Sleep`.
    on_a_core(async {
        for _ in 0..100 {
            let mut dropped = pin!(sleep(5 * MS));
            assert!(poll_once(&mut dropped).await.is_pending());
        }
        sleep(MS).await;
        let polls = stats().polls;
        sleep(20 * MS).await;
        assert_eq!(stats().polls - polls, 1, "only the sleep that is awaited woke its task");
    });
}

#[test]
fn instants_saturate_and_need_no_runtime() {
    let now = Instant::now();
    assert!(now.elapsed() < Duration::from_secs(60));
    assert_eq!((now + MS) - now, MS);
    assert_eq!(now - (now + MS), Duration::ZERO);
    assert_eq!(now.checked_duration_since(now + MS), None);
    assert_eq!((now + MS).checked_duration_since(now), Some(MS));
    assert_eq!(now + Duration::MAX, now + Duration::MAX + Duration::MAX);
    assert_eq!(now - Duration::MAX, now - Duration::MAX - Duration::MAX);
    let mut moved = now;
    moved += 3 * MS;
    moved -= MS;
    assert_eq!(moved.duration_since(now), 2 * MS);
}
