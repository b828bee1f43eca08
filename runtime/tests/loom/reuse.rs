//! Models of a place that a core gives back and another one claims, beside wakers of the first. It owns nothing.
//!
//! The next owner opens the place on the same thread: in the runtime the table's lock orders the two.

use std::sync::Arc;

use loom::sync::atomic::{AtomicBool, Ordering};
use loom::thread;

use super::{open, open_place, turn, wake_and_join, waker};

// The break: the swap behind the unlock, with the bell that was there before: `let bell = if self.asleep.swap(false,
// Ordering::Relaxed) { woken.bell.clone() } else { None };\n        drop(woken);` becomes `let bell =
// woken.bell.clone();\n        drop(woken);\n        let bell = if self.asleep.swap(false, Ordering::Relaxed) { bell }
// else { None };`.
#[test]
fn a_late_waker_of_a_core_that_has_ended_does_not_make_its_successor_deaf() {
    loom::model(|| {
        let (place, _bell) = open_place();
        let late = waker(&place, 3);
        place.close();
        let bell = open(&place);
        let own = waker(&place, 5);
        let mut got = Vec::new();
        while !got.contains(&5) {
            turn(&place, &bell, |index| got.push(index));
        }
        late.join().unwrap();
        own.join().unwrap();
    });
}

// The break: `let _closed = mem::take(&mut *lock(&self.woken));` becomes `lock(&self.woken).bell = None;`.
#[test]
fn a_wake_beside_the_close_leaves_no_task_for_the_next_owner() {
    loom::model(|| {
        let (place, _bell) = open_place();
        let waker = waker(&place, 3);
        place.close();
        waker.join().unwrap();
        let _bell = open(&place);
        place.take(|index| panic!("task {index} of the core before"));
    });
}

// The break: `let _closed = mem::take(&mut *lock(&self.woken));` becomes
// `let mut woken = lock(&self.woken);\n        woken.bell = None;\n        woken.tasks.clear();\n        drop(woken);`.
#[test]
fn a_task_of_the_next_owner_is_taken_although_its_number_was_woken_before() {
    loom::model(|| {
        let (place, _bell) = open_place();
        let late = waker(&place, 3);
        place.close();
        let bell = open(&place);
        let ready = Arc::new(AtomicBool::new(false));
        let own = {
            let (place, ready) = (Arc::clone(&place), Arc::clone(&ready));
            thread::spawn(move || {
                ready.store(true, Ordering::Relaxed);
                place.wake(3);
            })
        };
        let mut seen = false;
        while !seen {
            turn(&place, &bell, |_| seen = ready.load(Ordering::Relaxed));
        }
        late.join().unwrap();
        own.join().unwrap();
    });
}

// The break: `let _closed = mem::take(&mut *lock(&self.woken));` becomes
// `let mut woken = lock(&self.woken);\n        woken.tasks.clear();\n        woken.marks.clear();\n        drop(woken);`.
#[test]
fn a_wake_of_a_place_that_is_closed_rings_nobody_and_leaves_nothing() {
    loom::model(|| {
        let (place, bell) = open_place();
        let _ = place.fall_asleep();
        let beside = waker(&place, 3);
        place.close();
        beside.join().unwrap();
        let rings = bell.rings();
        assert!(rings <= 1);
        wake_and_join(&place, 70);
        assert!(!place.is_waiting());
        assert_eq!(bell.rings(), rings);
        place.take(|index| panic!("task {index} of a place that is closed"));
    });
}

// The break: `let _closed = mem::take(&mut *lock(&self.woken));\n        self.waiting.store(false, Ordering::Relaxed);` becomes
// `self.waiting.store(false, Ordering::Relaxed);\n        let _closed = mem::take(&mut *lock(&self.woken));`.
#[test]
fn the_next_owner_of_a_place_finds_no_wake_announced() {
    loom::model(|| {
        let (place, _bell) = open_place();
        let waker = waker(&place, 3);
        place.close();
        waker.join().unwrap();
        let _bell = open(&place);
        assert!(!place.is_waiting());
        assert!(place.fall_asleep());
    });
}

// The break: in `close`, `self.waiting.store(false, Ordering::Relaxed);\n        self.asleep.store(false,
// Ordering::Relaxed);` becomes `self.waiting.store(false, Ordering::Relaxed);`.
#[test]
fn the_next_owner_of_a_place_that_was_closed_asleep_begins_awake() {
    loom::model(|| {
        let (place, _bell) = open_place();
        assert!(place.fall_asleep());
        place.close();
        let bell = open(&place);
        let waker = waker(&place, 3);
        place.take(|_| {});
        waker.join().unwrap();
        assert_eq!(bell.rings(), 0);
    });
}

// The break: `if woken.marks.len() <= word {` becomes `if woken.marks.is_empty() {`.
#[test]
fn a_stale_name_wakes_somebody_without_need_at_worst() {
    loom::model(|| {
        let (place, _bell) = open_place();
        let stale = waker(&place, 200);
        place.close();
        let bell = open(&place);
        let own = waker(&place, 5);
        let mut got = Vec::new();
        while !got.contains(&5) {
            turn(&place, &bell, |index| got.push(index));
        }
        stale.join().unwrap();
        own.join().unwrap();
        place.take(|index| got.push(index));
        got.sort_unstable();
        assert!(got == [5] || got == [5, 200], "{got:?}");
    });
}
