//! Priorities: who is polled before whom, and that nobody is starved (hazard C9).

use std::cell::{Cell, RefCell};
use std::future::{poll_fn, ready};
use std::rc::Rc;
use std::task::{Poll, Waker};

use uring::task::{Priority, spawn_local, spawn_urgent, spawn_with};
use uring::time::{Duration, sleep};
use uring::{JoinHandle, spawn, stats, yield_now};

use crate::alone::on_a_core;
use crate::kit::Random;

/// Polls of a turn.
const TURN: usize = 128;
const ALL: [Priority; 3] = [Priority::Urgent, Priority::Normal, Priority::Background];

type Log<T> = Rc<RefCell<Vec<T>>>;

/// A task that writes its priority down at each poll and yields, until the log is full.
fn noting(log: &Log<Priority>, priority: Priority, full: usize) -> JoinHandle<()> {
    let log = Rc::clone(log);
    spawn_with(priority, async move {
        while log.borrow().len() < full {
            log.borrow_mut().push(priority);
            yield_now().await;
        }
    })
}

/// The polls of a hundred turns in which tasks of these priorities, three of each, never stop yielding.
async fn polls_of(priorities: &[Priority]) -> Vec<Priority> {
    let log = Log::default();
    let tasks: Vec<_> =
        priorities.iter().flat_map(|priority| [*priority; 3]).map(|p| noting(&log, p, 100 * TURN)).collect();
    for task in tasks {
        task.await.unwrap();
    }
    log.take()
}

fn count(polls: &[Priority], priority: Priority) -> usize {
    polls.iter().filter(|poll| **poll == priority).count()
}

#[test]
fn urgent_tasks_that_never_stop_leave_each_turn_its_share_for_the_others() {
    // The breaks: urgent tasks come first at every poll; no poll for the background in `Priority::order`.
    on_a_core(async {
        for (ready, shares) in [
            (&ALL[..], [92, 32, 4]),
            (&[Priority::Urgent, Priority::Normal], [96, 32, 0]),
            (&[Priority::Urgent, Priority::Background], [92, 0, 36]),
            (&[Priority::Normal, Priority::Background], [0, 124, 4]),
        ] {
            let polls = polls_of(ready).await;
            // A poll of the main future, which is normal, can be in a turn, too.
            for turn in polls.chunks_exact(TURN) {
                for (priority, share) in ALL.into_iter().zip(shares) {
                    let found = count(turn, priority);
                    assert!(
                        found.abs_diff(share) <= 1,
                        "{ready:?}: {found} polls of {priority:?}, not {share}"
                    );
                }
            }
        }
    });
}

#[test]
fn a_task_that_becomes_urgent_among_ten_thousand_that_yield_for_ever_is_next_but_one_at_most() {
    // The break: `Tasks::insert` takes every task for a normal one, which lets it wait for ten thousand polls.
    on_a_core(async {
        let (polls, done) = (Rc::new(Cell::new(0_u64)), Rc::new(Cell::new(false)));
        for _ in 0..10_000 {
            let (polls, done) = (Rc::clone(&polls), Rc::clone(&done));
            drop(spawn(async move {
                while !done.get() {
                    polls.set(polls.get() + 1);
                    yield_now().await;
                }
            }));
        }
        let waker = Rc::new(Cell::new(None::<Waker>));
        let (given, counted) = (Rc::clone(&waker), Rc::clone(&polls));
        let urgent = spawn_urgent(async move {
            let mut waits = Vec::new();
            for _ in 0..300 {
                let asked = Rc::new(Cell::new(u64::MAX));
                let (asking, others) = (Rc::clone(&asked), Rc::clone(&counted));
                let mut first = true;
                poll_fn(|cx| {
                    if !std::mem::take(&mut first) {
                        return Poll::Ready(());
                    }
                    given.set(Some(cx.waker().clone()));
                    Poll::Pending
                })
                .await;
                asking.set(others.get());
                waits.push(asked.get());
            }
            waits
        });
        // A normal task like the others wakes it, now and then.
        let (waking, counted) = (Rc::clone(&waker), Rc::clone(&polls));
        let woken = spawn(async move {
            let mut woken = Vec::new();
            while woken.len() < 300 {
                if let Some(waker) = waking.take() {
                    woken.push(counted.get());
                    waker.wake();
                }
                yield_now().await;
            }
            woken
        });
        let waits = urgent.await.unwrap();
        for (woken, polled) in woken.await.unwrap().into_iter().zip(waits) {
            assert!(polled - woken <= 1, "{} polls of others came between", polled - woken);
        }
        done.set(true);
    });
}

#[test]
fn an_urgent_timer_is_not_behind_ten_thousand_tasks_that_yield_for_ever() {
    // The break: `Tasks::insert` takes every task for a normal one.
    on_a_core(async {
        let (polls, done) = (Rc::new(Cell::new(0_u64)), Rc::new(Cell::new(false)));
        for _ in 0..10_000 {
            let (polls, done) = (Rc::clone(&polls), Rc::clone(&done));
            drop(spawn(async move {
                while !done.get() {
                    polls.set(polls.get() + 1);
                    yield_now().await;
                }
            }));
        }
        let counted = Rc::clone(&polls);
        let urgent = spawn_urgent(async move {
            let mut seen = Vec::new();
            for _ in 0..20 {
                sleep(Duration::from_nanos(1)).await;
                seen.push(counted.get());
            }
            seen
        });
        let seen = urgent.await.unwrap();
        for pair in seen.windows(2) {
            // The rest of the turn in which it was armed, and its turn in the next.
            assert!(pair[1] - pair[0] <= TURN as u64, "{} polls of others", pair[1] - pair[0]);
        }
        done.set(true);
    });
}

#[test]
fn a_place_takes_the_priority_of_the_task_that_has_it_also_when_it_is_ready_for_one_before() {
    // The breaks: `Queues::schedule_other` does nothing when the place is in any queue; `Standing::leave` gives `true`
    // for any priority; `Tasks::insert` leaves the priority of the task before.
    on_a_core(async {
        for (before, after) in ALL.into_iter().flat_map(|before| ALL.map(|after| (before, after))) {
            let waker = spawn_with(before, poll_fn(|cx| Poll::Ready(cx.waker().clone()))).await.unwrap();
            // The place is free, and in the queue of the task that had it.
            waker.wake();
            let log = Log::default();
            let note = |number: usize| {
                let log = Rc::clone(&log);
                async move { log.borrow_mut().push(number) }
            };
            let new = spawn_with(after, note(0));
            let others = ALL.map(|priority| spawn_with(priority, note(1 + priority as usize)));
            new.await.unwrap();
            for other in others {
                other.await.unwrap();
            }
            let order = log.take();
            let place = |number| order.iter().position(|found| *found == number).unwrap();
            assert_eq!(order.len(), 4, "each ran once");
            // It came before the one of its own priority, which was spawned later.
            assert!(place(0) < place(1 + after as usize), "{before:?}, then {after:?}: {order:?}");
            if after == Priority::Background {
                // Two polls of other priorities lie between two of the background's at the least.
                assert!(place(0) > 0, "{before:?}, then {after:?}: {order:?}");
            }
        }
    });
}

#[test]
fn tasks_of_all_priorities_come_and_go_in_the_same_places_and_each_runs_to_its_end() {
    // The break: no room for the new priority in `Tasks::insert`, which debug builds notice in `Queue::push`.
    on_a_core(async {
        let mut random = Random::new();
        let (begun, ended) = (Cell::new(0_u64), Rc::new(Cell::new(0_u64)));
        let wakers = Rc::new(RefCell::new(Vec::<Waker>::new()));
        for _ in 0..2000 {
            for _ in 0..random.below(8) {
                let (ended, wakers, yields) = (Rc::clone(&ended), Rc::clone(&wakers), random.below(4));
                begun.set(begun.get() + 1);
                drop(spawn_with(ALL[random.below(3) as usize], async move {
                    let waker = poll_fn(|cx| Poll::Ready(cx.waker().clone())).await;
                    wakers.borrow_mut().push(waker);
                    for _ in 0..yields {
                        yield_now().await;
                    }
                    ended.set(ended.get() + 1);
                }));
            }
            // Of tasks that are alive, and of those that are gone.
            wakers.borrow().iter().for_each(Waker::wake_by_ref);
            if wakers.borrow().len() > 64 {
                wakers.borrow_mut().clear();
            }
            yield_now().await;
        }
        while stats().tasks > 0 {
            yield_now().await;
        }
        assert_eq!(ended.get(), begun.get());
    });
}

#[test]
fn each_way_to_spawn_gives_the_priority_that_it_names() {
    // The break: `spawn_urgent` spawns a normal task.
    on_a_core(async {
        let log = Log::default();
        let mut tasks = Vec::new();
        for _ in 0..16 {
            let note = |name| {
                let log = Rc::clone(&log);
                async move { log.borrow_mut().push(name) }
            };
            tasks.push(spawn_with(Priority::Background, note(Priority::Background)));
            tasks.push(spawn(note(Priority::Normal)));
            tasks.push(spawn_local(note(Priority::Normal)));
            tasks.push(spawn_urgent(note(Priority::Urgent)));
            tasks.push(spawn_with(Priority::Urgent, note(Priority::Urgent)));
        }
        for task in tasks {
            task.await.unwrap();
        }
        let polls = log.take();
        assert!(count(&polls[..32], Priority::Urgent) >= 22, "{polls:?}");
        assert!(count(&polls[polls.len() - 12..], Priority::Background) >= 11, "{polls:?}");
        assert_eq!(spawn_urgent(ready(7)).await.unwrap(), 7);
    });
}
