//! Tasks: spawning, joining, aborting and detaching, through the facade.

mod blocking;
mod budget;
mod misuse;
mod panics;
mod priorities;
mod sets;
mod wakers;

use std::cell::{Cell, RefCell};
use std::future::{pending, poll_fn, ready};
use std::rc::Rc;
use std::task::Poll;

use uring::macro_support::test_builder;
use uring::time::{Duration, sleep, timeout};
use uring::{spawn, stats, yield_now};

use crate::alone::{alone, on_a_core};
use crate::kit::{Dropped, panic_text, poll_idly};

#[test]
fn a_task_gives_its_output_to_who_joins_it() {
    on_a_core(async {
        let text = String::from("owned");
        let task = spawn(async move {
            sleep(Duration::from_millis(1)).await;
            text + " by the task"
        });
        assert!(!task.is_finished());
        assert_eq!(task.await.unwrap(), "owned by the task");
    });
}

#[test]
fn tasks_run_in_the_order_in_which_they_were_spawned_and_take_turns() {
    // The break: `push_front` in `Tasks::schedule`.
    on_a_core(async {
        let seen = Rc::new(RefCell::new(Vec::new()));
        let tasks: Vec<_> = (0..3)
            .map(|number| {
                let seen = Rc::clone(&seen);
                spawn(async move {
                    for _ in 0..2 {
                        seen.borrow_mut().push(number);
                        yield_now().await;
                    }
                })
            })
            .collect();
        assert!(seen.borrow().is_empty(), "a task starts when its spawner waits, not before");
        for task in tasks {
            task.await.unwrap();
        }
        assert_eq!(*seen.borrow(), [0, 1, 2, 0, 1, 2]);
    });
}

#[test]
fn a_handle_tells_when_its_task_is_finished_without_taking_the_output() {
    on_a_core(async {
        let mut task = spawn(ready(7));
        assert!(!task.is_finished());
        yield_now().await;
        assert!(task.is_finished());
        assert_eq!((&mut task).await.unwrap(), 7);
        assert!(task.is_finished());
    });
}

#[test]
fn a_handle_awaited_by_reference_keeps_the_output_for_the_next_time() {
    on_a_core(async {
        let mut task = spawn(async {
            sleep(Duration::from_millis(20)).await;
            7
        });
        assert!(timeout(Duration::from_millis(1), &mut task).await.is_err());
        assert_eq!(task.await.unwrap(), 7);
    });
}

#[test]
fn a_detached_task_goes_on_and_its_output_is_dropped_when_it_comes() {
    // The break: no `free` in the drop of `raw::Task` when the handle has left.
    on_a_core(async {
        let dropped = Rc::new(Cell::new(0));
        let output = Dropped::new(&dropped);
        let done = Rc::new(Cell::new(false));
        let (mark, waiting) = (Rc::clone(&done), sleep(Duration::from_millis(2)));
        drop(spawn(async move {
            waiting.await;
            mark.set(true);
            output
        }));
        yield_now().await;
        assert_eq!((done.get(), dropped.get(), stats().tasks), (false, 0, 1));
        sleep(Duration::from_millis(20)).await;
        assert_eq!((done.get(), dropped.get(), stats().tasks), (true, 1, 0));
    });
}

#[test]
fn an_output_that_nobody_takes_is_dropped_once_with_its_handle() {
    on_a_core(async {
        let dropped = Rc::new(Cell::new(0));
        let task = spawn(ready(Dropped::new(&dropped)));
        yield_now().await;
        assert!(task.is_finished());
        assert_eq!(dropped.get(), 0);
        drop(task);
        assert_eq!(dropped.get(), 1);
    });
}

#[test]
fn an_aborted_task_is_dropped_once_on_its_thread_and_joined_as_cancelled() {
    // The break: no wake in `JoinHandle::abort`, so that a task which waits for ever is never dropped.
    on_a_core(async {
        let dropped = Rc::new(Cell::new(0));
        let held = Dropped::new(&dropped);
        let task = spawn(async move {
            pending::<()>().await;
            drop(held);
        });
        yield_now().await;
        task.abort();
        task.abort();
        let error = task.await.unwrap_err();
        assert!(error.is_cancelled() && !error.is_panic());
        assert_eq!(error.to_string(), "the task was cancelled");
        assert_eq!((dropped.get(), stats().tasks), (1, 0));
    });
}

#[test]
fn a_task_aborted_before_its_first_poll_never_runs() {
    // The break: no look at `aborted` before the poll in `Task::run`.
    on_a_core(async {
        let dropped = Rc::new(Cell::new(0));
        let held = Dropped::new(&dropped);
        let task = spawn(async move {
            drop(held);
            panic!("it must not run");
        });
        task.abort();
        assert!(!task.is_finished() && dropped.get() == 0, "it is dropped in its turn");
        assert!(task.await.unwrap_err().is_cancelled());
        assert_eq!(dropped.get(), 1);
    });
}

#[test]
fn aborting_a_finished_task_leaves_its_output() {
    on_a_core(async {
        let task = spawn(ready(7));
        yield_now().await;
        task.abort();
        assert_eq!(task.await.unwrap(), 7);
    });
}

#[test]
fn aborting_a_finished_task_does_not_touch_the_task_that_has_its_place_now() {
    on_a_core(async {
        let old = spawn(ready(()));
        yield_now().await;
        let new = spawn(async {
            yield_now().await;
            7
        });
        old.abort();
        assert_eq!(new.await.unwrap(), 7);
    });
}

#[test]
fn a_task_can_abort_itself() {
    on_a_core(async {
        let own = Rc::new(RefCell::new(None::<uring::JoinHandle<()>>));
        let inside = Rc::clone(&own);
        let dropped = Rc::new(Cell::new(0));
        let held = Dropped::new(&dropped);
        *own.borrow_mut() = Some(spawn(async move {
            inside.borrow().as_ref().unwrap().abort();
            yield_now().await;
            drop(held);
            panic!("it must not go on");
        }));
        yield_now().await;
        yield_now().await;
        let task = own.borrow_mut().take().unwrap();
        assert!(task.await.unwrap_err().is_cancelled());
        assert_eq!(dropped.get(), 1);
    });
}

#[test]
fn a_handle_that_was_joined_refuses_to_be_joined_again() {
    on_a_core(async {
        let mut task = spawn(ready(()));
        (&mut task).await.unwrap();
        let text = panic_text(|| drop(poll_idly(std::pin::pin!(&mut task))));
        assert_eq!(text, "uring: a JoinHandle was polled after it had completed");
    });
}

#[test]
fn places_of_finished_tasks_are_used_again() {
    // The break: no `free.push` in `Tasks::remove`, which also makes `Stats::tasks` wrong.
    on_a_core(async {
        let sum = Rc::new(Cell::new(0u64));
        for round in 0..100 {
            for number in 0..1000 {
                let sum = Rc::clone(&sum);
                drop(spawn(async move { sum.set(sum.get() + round * number) }));
            }
            assert_eq!(stats().tasks, 1000);
            yield_now().await;
            while stats().tasks > 0 {
                yield_now().await;
            }
        }
        assert_eq!(sum.get(), (0..100).sum::<u64>() * (0..1000).sum::<u64>());
    });
}

#[test]
#[allow(clippy::async_yields_async, reason = "the handle is carried from one to the next")]
fn a_task_goes_on_in_the_next_block_on() {
    alone(|| {
        let runtime = test_builder().build().unwrap();
        let steps = Rc::new(Cell::new(0));
        let inside = Rc::clone(&steps);
        let task = runtime.block_on(async {
            let task = spawn(async move {
                for _ in 0..3 {
                    inside.set(inside.get() + 1);
                    sleep(Duration::from_millis(1)).await;
                }
                "done"
            });
            yield_now().await;
            task
        });
        assert_eq!(steps.get(), 1, "nothing runs between two `block_on`");
        assert_eq!(runtime.block_on(task).unwrap(), "done");
        assert_eq!(steps.get(), 3);
    });
}

#[test]
#[allow(clippy::async_yields_async, reason = "the handle is carried from one to the next")]
fn a_task_that_was_never_polled_runs_in_the_next_block_on() {
    alone(|| {
        let runtime = test_builder().build().unwrap();
        let task = runtime.block_on(async { spawn(ready(7)) });
        assert!(!task.is_finished());
        assert_eq!(runtime.block_on(task).unwrap(), 7);
    });
}

#[test]
fn the_end_of_a_runtime_drops_each_task_once_and_joins_it_as_cancelled() {
    // The break: no `drop_tasks` in `Core::end`: tasks that hold their runtime's files would keep it for ever.
    alone(|| {
        let dropped = Rc::new(Cell::new(0));
        let runtime = test_builder().build().unwrap();
        let tasks: Vec<_> = runtime.block_on(async {
            let task = |number: u32| {
                let held = Dropped::new(&dropped);
                spawn(async move {
                    match number % 3 {
                        0 => pending().await,
                        1 => sleep(Duration::MAX).await,
                        _ => loop {
                            yield_now().await;
                        },
                    }
                    drop(held);
                })
            };
            let tasks = (0..300).map(task).collect();
            yield_now().await;
            tasks
        });
        assert_eq!(dropped.get(), 0);
        assert_eq!(runtime.shutdown(), 0);
        assert_eq!(dropped.get(), 300);
        let next = test_builder().build().unwrap();
        next.block_on(async {
            for task in tasks {
                assert!(task.is_finished());
                assert!(task.await.unwrap_err().is_cancelled());
            }
        });
    });
}

/// Spawns a task when it is dropped. A panic in a drop has nobody to go to, so it writes down what it finds.
struct SpawnsInDrop {
    found: Rc<RefCell<Vec<Found>>>,
    dropped: Rc<Cell<u32>>,
}

/// How many tasks are left, whether the new one is finished, and whether it was cancelled.
type Found = (u64, bool, bool);

impl Drop for SpawnsInDrop {
    fn drop(&mut self) {
        let held = Dropped::new(&self.dropped);
        let task = spawn(async move { drop(held) });
        let finished = task.is_finished();
        let joined = poll_idly(std::pin::pin!(task));
        let cancelled = matches!(joined, Poll::Ready(Err(error)) if error.is_cancelled());
        self.found.borrow_mut().push((stats().tasks, finished, cancelled));
    }
}

#[test]
fn a_task_spawned_by_a_drop_while_the_runtime_ends_is_dropped_at_once() {
    // The breaks: no look at `is_open` in `spawn`, so that the new task stays in the table; no `free.pop` in
    // `Tasks::pop_any`, which makes the count wrong.
    alone(|| {
        let (found, dropped) = (Rc::new(RefCell::new(Vec::new())), Rc::new(Cell::new(0)));
        let runtime = test_builder().build().unwrap();
        runtime.block_on(async {
            for _ in 0..10 {
                let held = SpawnsInDrop { found: Rc::clone(&found), dropped: Rc::clone(&dropped) };
                drop(spawn(async move {
                    pending::<()>().await;
                    drop(held);
                }));
            }
            // Places that are free again are among those that are taken.
            (0..5).for_each(|_| drop(spawn(ready(()))));
            yield_now().await;
        });
        drop(runtime);
        assert_eq!(*found.borrow(), (0..10).rev().map(|left| (left, true, true)).collect::<Vec<Found>>());
        assert_eq!(dropped.get(), 10);
    });
}

#[test]
fn the_main_future_is_scheduled_like_a_task() {
    // The break: polling `main` once in each turn instead of when it is ready, which the count of polls shows.
    on_a_core(async {
        let mut polls = 0;
        let before = stats().polls;
        let others = spawn(async {
            for _ in 0..1000 {
                yield_now().await;
            }
        });
        let mut others = std::pin::pin!(others);
        poll_fn(|cx| {
            polls += 1;
            others.as_mut().poll(cx)
        })
        .await
        .unwrap();
        assert_eq!(polls, 2, "once to begin, once when the task was finished");
        assert!(stats().polls - before >= 1001);
    });
}
