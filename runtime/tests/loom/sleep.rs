//! Models of a core that falls asleep beside wakes: it sleeps through none. It owns nothing.

use std::sync::Arc;

use loom::thread;

use super::{open_place, turns, waker};

// The break: `self.asleep.store(true, Ordering::Relaxed);\n        fence(Ordering::SeqCst);` becomes
// `self.asleep.store(true, Ordering::Relaxed);\n        fence(Ordering::AcqRel);`.
#[test]
fn a_core_that_falls_asleep_does_not_miss_a_wake() {
    loom::model(|| {
        let (place, bell) = open_place();
        let waker = waker(&place, 3);
        assert_eq!(turns(&place, &bell, 1), [3]);
        waker.join().unwrap();
    });
}

// The break: `self.waiting.store(true, Ordering::Relaxed);\n        fence(Ordering::SeqCst);` becomes
// `self.waiting.store(true, Ordering::Relaxed);\n        fence(Ordering::AcqRel);`.
#[test]
fn a_core_that_falls_asleep_does_not_miss_two_wakers_of_two_tasks() {
    loom::model(|| {
        let (place, bell) = open_place();
        let wakers = [waker(&place, 3), waker(&place, 70)];
        assert_eq!(turns(&place, &bell, 2), [3, 70]);
        wakers.into_iter().for_each(|waker| waker.join().unwrap());
    });
}

// The break: `if self.waiting.load(Ordering::Relaxed) {` becomes `if false {`.
#[test]
fn three_rounds_of_sleep_and_wake_take_all_tasks() {
    loom::model(|| {
        let (place, bell) = open_place();
        let waker = {
            let place = Arc::clone(&place);
            thread::spawn(move || (1..=3).for_each(|index| place.wake(index)))
        };
        assert_eq!(turns(&place, &bell, 3), [1, 2, 3]);
        waker.join().unwrap();
    });
}

// The break: `self.waiting.store(true, Ordering::Relaxed);` becomes
// `if self.asleep.load(Ordering::Relaxed) {\n            self.waiting.store(true, Ordering::Relaxed);\n        }`.
#[test]
fn a_wake_beside_a_core_that_wakes_up_by_itself_is_not_lost() {
    loom::model(|| {
        let (place, bell) = open_place();
        if place.fall_asleep() {
            // A completion or a timer ends this sleep, and no bell.
            let waker = waker(&place, 3);
            place.wake_up();
            assert_eq!(turns(&place, &bell, 1), [3]);
            waker.join().unwrap();
        }
    });
}
