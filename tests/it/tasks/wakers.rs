//! Wakers: from other threads, after their task and after their runtime; and that nobody starves (C1, C9, D1, D3).

use std::cell::Cell;
use std::future::poll_fn;
use std::hint::spin_loop;
use std::rc::Rc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Mutex, mpsc};
use std::task::{Poll, Waker};
use std::thread;

use uring::fs::File;
use uring::macro_support::test_builder;
use uring::time::{Duration, sleep};
use uring::{spawn, stats, yield_now};

use crate::alone::{alone, alone_for_long, on_a_core};
use crate::kit::{Random, descriptors, threads};

/// A number that another thread sets, and who waits for it.
#[derive(Default)]
struct Signal {
    value: AtomicU64,
    waker: Mutex<Option<Waker>>,
}

impl Signal {
    fn set(&self, value: u64) {
        self.value.store(value, Ordering::SeqCst);
        if let Some(waker) = self.waker.lock().unwrap().take() {
            waker.wake();
        }
    }

    async fn reaches(&self, value: u64) {
        poll_fn(|cx| {
            *self.waker.lock().unwrap() = Some(cx.waker().clone());
            if self.value.load(Ordering::SeqCst) >= value { Poll::Ready(()) } else { Poll::Pending }
        })
        .await;
    }
}

/// How long a wake may take: a watcher that ran so often meanwhile has seen none arrive. A wake that is lost never comes, so
/// this can be patient with a processor that was taken away for a while.
const STALL_LOOKS: u32 = 100;
const LOOK_EVERY: Duration = Duration::from_millis(100);

/// Aborts the process when the number stands still for ten seconds.
fn watch(progress: Arc<AtomicU64>) {
    thread::spawn(move || {
        let (mut seen, mut looks) = (0, 0);
        loop {
            thread::sleep(LOOK_EVERY);
            let now = progress.load(Ordering::Relaxed);
            looks = if now == seen { looks + 1 } else { 0 };
            seen = now;
            if looks == STALL_LOOKS {
                println!("a wake was lost: nothing has come for ten seconds after {now} wakes");
                std::process::abort();
            }
        }
    });
}

/// Another thread wakes the core, which mostly sleeps by then or is about to, so many times.
async fn wakes_from_another_thread(wakes: u64) {
    let mut random = Random::new();
    let signal = Arc::new(Signal::default());
    let (ask, asked) = mpsc::channel::<(u64, u64)>();
    let answering = Arc::clone(&signal);
    let other = thread::spawn(move || {
        for (round, spins) in asked {
            (0..spins).for_each(|_| spin_loop());
            answering.set(round);
        }
    });
    let progress = Arc::new(AtomicU64::new(0));
    watch(Arc::clone(&progress));
    let before = stats().enters;
    for round in 1..=wakes {
        ask.send((round, random.below(600))).unwrap();
        signal.reaches(round).await;
        progress.store(round, Ordering::Relaxed);
    }
    assert!(stats().enters - before > 100, "the core has slept in between");
    println!("{wakes} wakes, {} enters", stats().enters - before);
    drop(ask);
    other.join().unwrap();
}

#[test]
fn a_hundred_thousand_wakes_from_another_thread_all_reach_a_core_that_falls_asleep() {
    // The break: no look at `waiting` in `Inbox::fall_asleep`; or no bell in `inbox::wake`.
    on_a_core(async { wakes_from_another_thread(100_000).await });
}

#[test]
#[ignore = "long: ten million wakes take minutes"]
fn ten_million_wakes_from_another_thread_all_reach_a_core_that_falls_asleep() {
    // The breaks of the short form, and those that lose a wake in a million.
    alone_for_long(|| test_builder().build().unwrap().block_on(wakes_from_another_thread(10_000_000)));
}

#[test]
fn wakes_of_many_tasks_from_many_threads_are_neither_lost_nor_mixed_up() {
    // The break: `marks` not cleared in `Inbox::take`, so that a task can be woken from outside only once.
    on_a_core(async {
        let signals: Vec<_> = (0..200).map(|_| Arc::new(Signal::default())).collect();
        let wait = |signal: &Arc<Signal>| {
            let signal = Arc::clone(signal);
            spawn(async move {
                for round in 1..=50 {
                    signal.reaches(round).await;
                }
            })
        };
        let tasks: Vec<_> = signals.iter().map(wait).collect();
        yield_now().await;
        let wake = |part: &[Arc<Signal>]| {
            let part = part.to_vec();
            thread::spawn(move || {
                for round in 1..=50 {
                    part.iter().for_each(|signal| signal.set(round));
                    thread::sleep(Duration::from_micros(50));
                }
            })
        };
        let others: Vec<_> = signals.chunks(50).map(wake).collect();
        for task in tasks {
            task.await.unwrap();
        }
        for other in others {
            other.join().unwrap();
        }
    });
}

/// Wakers of tasks that wait, have finished, were aborted, and of the main future.
async fn collect_wakers() -> Vec<Waker> {
    let wakers = Rc::new(Cell::new(Vec::new()));
    for number in 0..300 {
        let wakers = Rc::clone(&wakers);
        let task = spawn(poll_fn(move |cx| {
            let mut all = wakers.take();
            all.push(cx.waker().clone());
            wakers.set(all);
            if number % 3 == 0 { Poll::Ready(()) } else { Poll::Pending }
        }));
        yield_now().await;
        if number % 3 == 1 {
            task.abort();
        }
    }
    poll_fn(|cx| {
        let mut all = wakers.take();
        all.push(cx.waker().clone());
        wakers.set(all);
        Poll::Ready(())
    })
    .await;
    wakers.take()
}

#[test]
fn wakers_outlive_their_tasks_and_their_runtime_on_any_thread() {
    // The break: `Inbox::close` keeps the bell: the descriptors are then not back to where they were.
    alone(|| {
        let (fds, tasks) = (descriptors(), threads());
        let runtime = test_builder().build().unwrap();
        let wakers = runtime.block_on(collect_wakers());
        assert!(wakers.len() >= 300);
        let stop = Arc::new(AtomicBool::new(false));
        let storm = || {
            let (wakers, stop) = (wakers.clone(), Arc::clone(&stop));
            thread::spawn(move || {
                while !stop.load(Ordering::Relaxed) {
                    for waker in &wakers {
                        waker.wake_by_ref();
                        let clone = waker.clone();
                        drop(clone.clone());
                        clone.wake();
                    }
                }
            })
        };
        let others: Vec<_> = (0..3).map(|_| storm()).collect();
        // The runtime goes on under wakes of tasks that are gone, ends under them, and so do the next ones, which
        // have its place.
        runtime.block_on(async { sleep(Duration::from_millis(50)).await });
        assert_eq!(runtime.shutdown(), 0);
        for round in 0..20 {
            let next = test_builder().build().unwrap();
            let task = next.block_on(async move {
                let task = spawn(async move {
                    sleep(Duration::from_micros(500)).await;
                    round
                });
                sleep(Duration::from_millis(1)).await;
                task.await
            });
            assert_eq!(task.unwrap(), round);
            assert_eq!(next.stats().unknown, 0);
        }
        stop.store(true, Ordering::Relaxed);
        for other in others {
            other.join().unwrap();
        }
        wakers.into_iter().for_each(Waker::wake);
        crate::kit::eventually("all descriptors and threads are given back", || {
            (descriptors(), threads()) == (fds, tasks)
        });
    });
}

#[test]
fn a_hundred_thousand_clones_of_a_waker_are_all_the_same_waker() {
    // The break: a name of its own for each clone in `waker::clone` (`name` plus one).
    on_a_core(async {
        let woken = Arc::new(AtomicBool::new(false));
        let (give, given) = mpsc::channel::<Waker>();
        let seen = Arc::clone(&woken);
        let task = spawn(poll_fn(move |cx| {
            if seen.load(Ordering::SeqCst) {
                return Poll::Ready(());
            }
            give.send(cx.waker().clone()).unwrap();
            Poll::Pending
        }));
        yield_now().await;
        let first = given.recv().unwrap();
        thread::spawn(move || {
            let clones: Vec<_> = (0..100_000).map(|_| first.clone()).collect();
            assert!(clones.iter().all(|clone| clone.will_wake(&first)));
            let mut last = first;
            for clone in clones {
                last = clone.clone();
            }
            woken.store(true, Ordering::SeqCst);
            last.wake();
        });
        task.await.unwrap();
    });
}

#[test]
fn a_main_future_that_wakes_itself_for_ever_starves_none_of_a_thousand_tasks() {
    // The break: `push_front` in `Tasks::schedule`.
    on_a_core(async {
        let left = Rc::new(Cell::new(1000));
        for _ in 0..1000 {
            let left = Rc::clone(&left);
            drop(spawn(async move {
                for _ in 0..100 {
                    yield_now().await;
                }
                left.set(left.get() - 1);
            }));
        }
        let mut polls = 0;
        poll_fn(|cx| {
            polls += 1;
            cx.waker().wake_by_ref();
            if left.get() == 0 { Poll::Ready(()) } else { Poll::Pending }
        })
        .await;
        assert!((100..=110).contains(&polls), "a turn for each, and not {polls} for the main future");
    });
}

#[test]
fn a_task_that_is_always_ready_starves_neither_completions_nor_timers_nor_wakes() {
    // The break: `loop` instead of the budget `for _ in 0..POLLS_MAX` in `Core::run`.
    on_a_core(async {
        let spinning = spawn(poll_fn(|cx| {
            cx.waker().wake_by_ref();
            Poll::<()>::Pending
        }));
        let signal = Arc::new(Signal::default());
        let setting = Arc::clone(&signal);
        let other = thread::spawn(move || setting.set(1));
        let file = File::open("/proc/self/stat").await.unwrap();
        for _ in 0..100 {
            assert!(file.read_at(Vec::with_capacity(16), 0).await.0.unwrap() > 0);
        }
        sleep(Duration::from_millis(1)).await;
        signal.reaches(1).await;
        other.join().unwrap();
        spinning.abort();
        assert!(spinning.await.unwrap_err().is_cancelled());
    });
}

#[test]
fn a_future_that_wakes_itself_while_it_is_polled_is_polled_again_once() {
    // The break: `scheduled` not cleared before the poll in `Tasks::next`, which loses the wake.
    on_a_core(async {
        let polls = Rc::new(Cell::new(0));
        let counted = Rc::clone(&polls);
        let task = spawn(poll_fn(move |cx| {
            counted.set(counted.get() + 1);
            if counted.get() == 1 {
                (0..10).for_each(|_| cx.waker().wake_by_ref());
            }
            Poll::<()>::Pending
        }));
        for _ in 0..10 {
            yield_now().await;
        }
        assert_eq!(polls.get(), 2);
        task.abort();
    });
}
