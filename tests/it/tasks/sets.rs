//! Sets of tasks, and handles that only abort.

use std::cell::{Cell, RefCell};
use std::future::{pending, ready};
use std::rc::Rc;
use std::sync::Arc;
use std::task::{Context, Wake, Waker};

use uring::macro_support::test_builder;
use uring::task::{AbortHandle, JoinSet, Priority};
use uring::time::{Duration, sleep, timeout};
use uring::{spawn, stats, yield_now};

use crate::alone::{alone, on_a_core};
use crate::kit::{Dropped, Random, poll_once, without_panic_messages};

#[test]
fn an_abort_handle_aborts_the_task_and_tells_when_it_is_over() {
    // The break: no wake in `AbortHandle::abort`.
    on_a_core(async {
        let dropped = Rc::new(Cell::new(0));
        let held = Dropped::new(&dropped);
        let task = spawn(async move {
            pending::<()>().await;
            drop(held);
        });
        let (first, second) = (task.abort_handle(), task.abort_handle().clone());
        yield_now().await;
        assert!(!first.is_finished());
        first.abort();
        second.abort();
        assert!(task.await.unwrap_err().is_cancelled());
        assert!(first.is_finished() && second.is_finished());
        assert_eq!(dropped.get(), 1);
        first.abort();
    });
}

#[test]
fn an_abort_handle_keeps_no_output_alive_whoever_leaves_last() {
    // The breaks: no `discard` in the drop of `raw::Task`, or in that of `Joined`, so that the output of a task whose
    // handle is gone stays as long as somebody can abort it.
    on_a_core(async {
        let dropped = Rc::new(Cell::new(0));
        // The handle leaves first, then the task finishes.
        let task = spawn(ready(Dropped::new(&dropped)));
        let abort = task.abort_handle();
        drop(task);
        yield_now().await;
        assert!(abort.is_finished());
        assert_eq!(dropped.get(), 1);
        drop(abort);
        // The task finishes, then the handle leaves.
        let task = spawn(ready(Dropped::new(&dropped)));
        let abort = task.abort_handle();
        yield_now().await;
        assert_eq!(dropped.get(), 1);
        drop(task);
        assert_eq!(dropped.get(), 2);
        drop(abort);
        // The abort handle leaves first, and then as above.
        let task = spawn(ready(Dropped::new(&dropped)));
        drop(task.abort_handle());
        yield_now().await;
        drop(task.await.unwrap());
        assert_eq!(dropped.get(), 3);
    });
}

#[test]
fn an_abort_handle_outlives_its_runtime() {
    // The break: `Header::watch` does not count who comes.
    alone(|| {
        let dropped = Rc::new(Cell::new(0));
        let runtime = test_builder().build().unwrap();
        let aborts: Vec<AbortHandle> = runtime.block_on(async {
            let task = || {
                let held = Dropped::new(&dropped);
                spawn(async move {
                    pending::<()>().await;
                    drop(held);
                })
                .abort_handle()
            };
            (0..100).map(|_| task()).collect()
        });
        drop(runtime);
        assert_eq!(dropped.get(), 100);
        assert!(aborts.iter().all(AbortHandle::is_finished));
        aborts.iter().for_each(AbortHandle::abort);
    });
}

#[test]
fn a_set_gives_its_tasks_in_the_order_in_which_they_finish() {
    // The break: `Finished` is filled at the front (`push_front`).
    on_a_core(async {
        let mut set = JoinSet::new();
        let signals: Vec<_> = (0..50).map(|_| Rc::new(Cell::new(false))).collect();
        for (number, signal) in signals.iter().enumerate() {
            let signal = Rc::clone(signal);
            set.spawn(async move {
                while !signal.get() {
                    yield_now().await;
                }
                number
            });
        }
        assert_eq!((set.len(), set.is_empty()), (50, false));
        assert!(set.try_join_next().is_none());
        let (mut random, mut left) = (Random::new(), (0..50).collect::<Vec<_>>());
        let mut order = Vec::new();
        while !left.is_empty() {
            let next = left.swap_remove(random.below(left.len() as u64) as usize);
            signals[next].set(true);
            order.push(next);
            // Until it has finished.
            yield_now().await;
            yield_now().await;
        }
        let mut found = Vec::new();
        while let Some(number) = set.join_next().await {
            found.push(number.unwrap());
        }
        assert_eq!(found, order);
        assert!(set.is_empty() && set.try_join_next().is_none());
        assert!(set.join_next().await.is_none());
    });
}

#[test]
fn a_join_that_is_dropped_loses_no_output() {
    // The break: `oldest` takes the key out of the queue before the output is there to be taken.
    on_a_core(async {
        let mut set = JoinSet::new();
        for number in 0..200_u64 {
            set.spawn(async move {
                sleep(Duration::from_micros(number * 20)).await;
                number
            });
        }
        let mut sum = 0;
        while !set.is_empty() {
            // Nearly every deadline comes before the task, or together with it.
            if let Ok(Some(number)) = timeout(Duration::from_micros(15), set.join_next()).await {
                sum += number.unwrap();
            }
        }
        assert_eq!(sum, (0..200).sum::<u64>());
    });
}

#[test]
fn a_set_wakes_who_waits_whatever_the_end_of_the_task() {
    // The breaks: no wake in `Note::drop`; the note is dropped only when the future has completed.
    alone(|| {
        without_panic_messages();
        test_builder().build().unwrap().block_on(async {
            let mut set = JoinSet::new();
            set.spawn(async {
                yield_now().await;
                7
            });
            assert_eq!(set.join_next().await.unwrap().unwrap(), 7);
            set.spawn(async {
                yield_now().await;
                panic!("on purpose");
            });
            assert!(set.join_next().await.unwrap().unwrap_err().is_panic());
            let abort = set.spawn(pending());
            let aborting = spawn(async move { abort.abort() });
            assert!(set.join_next().await.unwrap().unwrap_err().is_cancelled());
            aborting.await.unwrap();
            assert!(set.is_empty());
        });
    });
}

/// A waker that only counts who has it.
struct Idle;

impl Wake for Idle {
    fn wake(self: Arc<Self>) {}
}

#[test]
fn who_waits_for_ten_thousand_tasks_of_a_set_asks_none_of_them() {
    // The break: `poll_join_next` polls every handle, each of which keeps a waker.
    on_a_core(async {
        let mut set = JoinSet::new();
        let go = Rc::new(Cell::new(false));
        for _ in 0..10_000 {
            let go = Rc::clone(&go);
            set.spawn_with(Priority::Normal, async move {
                while !go.get() {
                    yield_now().await;
                }
            });
        }
        let known = Arc::new(Idle);
        let waker = Waker::from(Arc::clone(&known));
        for _ in 0..3 {
            assert!(set.poll_join_next(&mut Context::from_waker(&waker)).is_pending());
            assert!(Arc::strong_count(&known) <= 3, "{} hold the waker", Arc::strong_count(&known));
        }
        go.set(true);
        let mut joined = 0;
        while let Some(output) = set.join_next().await {
            output.unwrap();
            joined += 1;
        }
        assert_eq!(joined, 10_000);
    });
}

#[test]
fn a_set_that_is_dropped_aborts_its_tasks() {
    // The break: no `abort_all` in the drop of `JoinSet`.
    on_a_core(async {
        let dropped = Rc::new(Cell::new(0));
        let mut set = JoinSet::new();
        for _ in 0..100 {
            let held = Dropped::new(&dropped);
            set.spawn(async move {
                pending::<()>().await;
                drop(held);
            });
        }
        yield_now().await;
        drop(set);
        yield_now().await;
        assert_eq!((dropped.get(), stats().tasks), (100, 0));
    });
}

#[test]
fn a_set_can_be_shut_down_and_used_again() {
    // The break: `shutdown` does not wait: tasks are left in the set.
    on_a_core(async {
        let dropped = Rc::new(Cell::new(0));
        let mut set = JoinSet::new();
        for _ in 0..10 {
            let held = Dropped::new(&dropped);
            set.spawn(async move {
                pending::<()>().await;
                drop(held);
            });
        }
        set.shutdown().await;
        assert_eq!((set.len(), dropped.get(), stats().tasks), (0, 10, 0));
        set.spawn(ready(()));
        set.join_next().await.unwrap().unwrap();
    });
}

#[test]
fn tasks_that_a_set_has_let_go_finish_by_themselves_and_are_not_taken_for_others() {
    // The break: `detach_all` keeps the queue, so that a key of a task that is gone names a new one.
    on_a_core(async {
        let (done, go) = (Rc::new(Cell::new(0)), Rc::new(Cell::new(false)));
        let mut set = JoinSet::new();
        for _ in 0..10 {
            let (done, go) = (Rc::clone(&done), Rc::clone(&go));
            set.spawn(async move {
                while !go.get() {
                    yield_now().await;
                }
                done.set(done.get() + 1);
            });
        }
        set.detach_all();
        assert!(set.is_empty());
        let abort = set.spawn(pending());
        go.set(true);
        for _ in 0..4 {
            yield_now().await;
        }
        assert_eq!((done.get(), stats().tasks), (10, 1));
        assert!(set.try_join_next().is_none());
        assert!(poll_once(&mut Box::pin(set.join_next())).await.is_pending());
        // The second of the new ones is over, and not the first.
        set.spawn(ready(()));
        set.join_next().await.unwrap().unwrap();
        assert!(!abort.is_finished());
        set.shutdown().await;
    });
}

/// Spawns into a set of its own when it is dropped, and notes what comes of it.
struct SpawnsInDrop(Rc<RefCell<Vec<bool>>>);

impl Drop for SpawnsInDrop {
    fn drop(&mut self) {
        let mut set = JoinSet::new();
        set.spawn(ready(()));
        let cancelled =
            set.try_join_next().is_some_and(|joined| joined.is_err_and(|error| error.is_cancelled()));
        self.0.borrow_mut().push(cancelled && set.is_empty());
    }
}

#[test]
fn a_set_on_a_core_that_ends_gives_its_tasks_as_cancelled() {
    // The break: the key is taken after the spawn, so that the note of a future that is dropped at once has none.
    alone(|| {
        let found = Rc::new(RefCell::new(Vec::new()));
        let runtime = test_builder().build().unwrap();
        let set = runtime.block_on(async {
            let held = SpawnsInDrop(Rc::clone(&found));
            drop(spawn(async move {
                pending::<()>().await;
                drop(held);
            }));
            let mut set = JoinSet::new();
            (0..10).for_each(|_| drop(set.spawn(pending::<()>())));
            set
        });
        drop(runtime);
        assert_eq!(*found.borrow(), [true]);
        let mut set = set;
        for _ in 0..10 {
            assert!(set.try_join_next().unwrap().unwrap_err().is_cancelled());
        }
        assert!(set.is_empty());
    });
}
