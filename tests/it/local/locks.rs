//! `Mutex` and `RwLock`: who is alone, who is next, and that no turn is lost.

use std::cell::Cell;
use std::collections::VecDeque;
use std::rc::Rc;
use std::task::Poll;

use uring::local::{
    Mutex, OwnedMutexGuard, OwnedRwLockReadGuard, OwnedRwLockWriteGuard, RwLock, TryLockError,
};
use uring::{spawn, yield_now};

use super::{Acts, Hand, now};
use crate::alone::on_a_core;
use crate::kit::{Random, panic_text};

fn locking(lock: &Rc<Mutex<u32>>) -> Hand<OwnedMutexGuard<u32>> {
    Hand::waiting(Rc::clone(lock).lock_owned())
}

#[test]
fn a_mutex_is_given_to_one_at_a_time_in_the_order_of_coming() {
    // The break: `Inner::push` puts who comes at the front of the line.
    let lock = Rc::new(Mutex::new(0));
    let held = now(lock.lock());
    let (mut first, mut second) = (locking(&lock), locking(&lock));
    assert_eq!(lock.try_lock().unwrap_err(), Rc::clone(&lock).try_lock_owned().unwrap_err());
    drop(held);
    assert!(lock.try_lock().is_err(), "it is somebody's turn");
    assert!(second.poll().is_pending());
    *first.output() += 1;
    *second.output() += 1;
    let mut lock = Rc::into_inner(lock).unwrap();
    *lock.get_mut() += 1;
    assert_eq!(lock.into_inner(), 3);
}

#[test]
fn the_turn_of_a_lock_that_is_dropped_goes_to_the_next() {
    // The break: `Left::Called(Ok(()))` does nothing in the drop of `Take`.
    let lock = Rc::new(Mutex::new(0));
    let held = now(lock.lock());
    let (first, mut second) = (locking(&lock), locking(&lock));
    drop(held);
    assert!(first.is_woken());
    drop(first);
    drop(second.output());
    assert!(lock.try_lock().is_ok());
}

#[test]
fn a_panic_with_the_guard_in_hand_unlocks_the_value_as_it_is() {
    // The break: no `value.set` in `Mutex::unlock`.
    let lock = Mutex::new(1);
    let text = panic_text(|| {
        *now(lock.lock()) = 2;
        let mut guard = now(lock.lock());
        *guard += 1;
        panic!("in the middle");
    });
    assert_eq!(text, "in the middle");
    assert_eq!(*now(lock.lock()), 3);
}

#[test]
fn a_writer_is_not_starved_by_readers_that_come_after_it() {
    // The break: no look at the line in `Permits::try_take`.
    let lock = Rc::new(RwLock::new(0));
    let held = now(lock.read());
    let mut writer = Hand::waiting(Rc::clone(&lock).write_owned());
    assert!(lock.try_read().is_err(), "a writer waits");
    let mut reader = Hand::waiting(Rc::clone(&lock).read_owned());
    drop(held);
    assert!(reader.poll().is_pending());
    *writer.output() = 5;
    assert_eq!(*reader.output(), 5);
}

#[test]
fn readers_behind_a_writer_that_is_dropped_read_at_once() {
    // The break: `Left::Waiting` does nothing in the drop of `Take`.
    let lock = Rc::new(RwLock::new(0));
    let held = now(lock.read());
    let writer = Hand::waiting(Rc::clone(&lock).write_owned());
    let mut readers: Vec<_> = (0..3).map(|_| Hand::waiting(Rc::clone(&lock).read_owned())).collect();
    drop(writer);
    let guards: Vec<_> = readers.iter_mut().map(Hand::output).collect();
    drop((held, guards));
    assert_eq!(lock.try_write().map(|guard| *guard), Ok(0));
}

#[test]
fn a_writer_that_goes_on_as_a_reader_lets_readers_in_and_no_writer() {
    // The break: all permits are given back in `downgrade`.
    let lock = Rc::new(RwLock::new(0));
    let mut held = now(lock.write());
    *held = 1;
    let mut reader = Hand::waiting(Rc::clone(&lock).read_owned());
    let mut writer = Hand::waiting(Rc::clone(&lock).write_owned());
    let held = held.downgrade();
    let other = reader.output();
    assert_eq!((*held, *other), (1, 1));
    drop(other);
    assert!(writer.poll().is_pending());
    drop(held);
    let owned = writer.output().downgrade();
    assert!(lock.try_write().is_err() && lock.try_read().is_ok());
    drop(owned);
    assert_eq!(Rc::into_inner(lock).unwrap().into_inner(), 1);
}

#[test]
fn a_value_may_use_the_lock_that_it_replaces_a_value_in() {
    // The break: the guard's value is dropped instead of put back in `Mutex::unlock`.
    let lock = Rc::new(Mutex::new(None));
    let (ours, seen) = (Rc::clone(&lock), Rc::new(Cell::new(false)));
    let told = Rc::clone(&seen);
    *now(lock.lock()) = Some(Acts::new(move || told.set(ours.try_lock().is_err())));
    *now(lock.lock()) = None;
    assert!(seen.get(), "it was dropped under the lock, and could look at it");
    assert!(lock.try_lock().is_ok());
}

#[test]
fn tasks_that_are_aborted_at_any_moment_leave_a_lock_for_the_others() {
    // The break: `Left::Called(Ok(()))` does nothing in the drop of `Take`.
    on_a_core(async {
        let mut random = Random::new();
        let lock = Rc::new(Mutex::new(0));
        let tasks: Vec<_> = (0..300)
            .map(|_| {
                let lock = Rc::clone(&lock);
                spawn(async move {
                    let mut count = lock.lock().await;
                    let before = *count;
                    yield_now().await;
                    *count = before + 1;
                })
            })
            .collect();
        // The one that has the lock, or the one whose turn it is next, is aborted while the others wait.
        while let Some(first) = tasks.iter().position(|task| !task.is_finished()) {
            let next = (first + random.below(2) as usize).min(tasks.len() - 1);
            tasks[next].abort();
            for _ in 0..random.below(5) {
                yield_now().await;
            }
        }
        let mut finished = 0;
        for task in tasks {
            finished += u32::from(task.await.is_ok());
        }
        assert_eq!(*lock.lock().await, finished);
        assert!((1..300).contains(&finished), "{finished}");
    });
}

/// Somebody who waits, or has the lock.
enum Guard {
    Reads(OwnedRwLockReadGuard<u64>),
    Writes(OwnedRwLockWriteGuard<u64>),
}

#[derive(Clone, Copy, PartialEq)]
enum Side {
    Reads,
    Writes,
}

fn lock(lock: &Rc<RwLock<u64>>, side: Side) -> Hand<Guard> {
    let lock = Rc::clone(lock);
    Hand::new(async move {
        match side {
            Side::Reads => Guard::Reads(lock.read_owned().await),
            Side::Writes => Guard::Writes(lock.write_owned().await),
        }
    })
}

#[test]
fn there_is_never_a_writer_beside_anybody_and_nobody_waits_for_nothing() {
    // The break: those of the tests above; a writer takes one permit less.
    let mut random = Random::new();
    let rwlock = Rc::new(RwLock::new(0));
    let mut writes = 0;
    let mut held: Vec<Guard> = Vec::new();
    // In the order of coming.
    let mut line: VecDeque<(Side, Hand<Guard>)> = VecDeque::new();
    for _ in 0..20_000 {
        match random.below(8) {
            0..=3 if line.len() < 20 => {
                let side = if random.below(3) == 0 { Side::Writes } else { Side::Reads };
                let mut future = lock(&rwlock, side);
                match future.poll() {
                    Poll::Ready(guard) => {
                        assert!(line.iter().all(|(_, waiting)| waiting.is_woken()), "nobody is overtaken");
                        held.push(guard);
                    }
                    Poll::Pending => line.push_back((side, future)),
                }
            }
            4 if !line.is_empty() => drop(line.remove(random.below(line.len() as u64) as usize)),
            _ if !held.is_empty() => {
                drop(held.swap_remove(random.below(held.len() as u64) as usize));
            }
            _ => {}
        }
        // Whoever is woken comes, now or later. Those who are woken are the first ones.
        let woken = line.iter().take_while(|(_, waiting)| waiting.is_woken()).count();
        assert!(line.iter().skip(woken).all(|(_, waiting)| !waiting.is_woken()));
        if woken > 0 && random.below(2) == 0 {
            let (_, mut future) = line.remove(random.below(woken as u64) as usize).unwrap();
            held.push(future.output());
        }
        let writers = held.iter().filter(|guard| matches!(guard, Guard::Writes(_))).count();
        assert!(writers == 0 || held.len() == 1, "a writer is alone");
        assert!(!held.is_empty() || line.front().is_none_or(|(_, first)| first.is_woken()));
        for guard in &mut held {
            match guard {
                Guard::Reads(value) => assert_eq!(**value, writes),
                Guard::Writes(value) => {
                    writes += 1;
                    **value = writes;
                }
            }
        }
    }
    drop((held, line));
    assert_eq!(rwlock.try_write().map(|guard| *guard), Ok(writes));
    let taken: Result<(), TryLockError> = rwlock.try_read().map(drop);
    assert_eq!(taken, Ok(()));
}
