//! Models of a core that takes tasks beside wakes: each task is there once, and none is forgotten. It owns nothing.

use std::sync::Arc;

use loom::sync::atomic::{AtomicUsize, Ordering};
use loom::thread;

use super::{open_place, turn, turns, wake_and_join, waker};

// The break: `if woken.marks[word] & bit == 0 {` becomes `{`.
#[test]
fn a_task_that_two_threads_wake_before_it_is_taken_is_taken_once() {
    loom::model(|| {
        let (place, _bell) = open_place();
        let wakers = [waker(&place, 3), waker(&place, 3)];
        wakers.into_iter().for_each(|waker| waker.join().unwrap());
        let mut got = Vec::new();
        place.take(|index| got.push(index));
        assert_eq!(got, [3]);
    });
}

// The break: `marks[index as usize / 64] &= !(1 << (index % 64));` becomes `let _ = &marks;`.
#[test]
fn a_task_sees_what_each_of_its_wakers_did_before_it_woke() {
    loom::model(|| {
        let (place, bell) = open_place();
        let done = Arc::new(AtomicUsize::new(0));
        let wakers = [0; 2].map(|_| {
            let (place, done) = (Arc::clone(&place), Arc::clone(&done));
            thread::spawn(move || {
                done.fetch_add(1, Ordering::Relaxed);
                place.wake(3);
            })
        });
        let mut seen = 0;
        while seen < 2 {
            turn(&place, &bell, |_| seen = done.load(Ordering::Relaxed));
        }
        wakers.into_iter().for_each(|waker| waker.join().unwrap());
    });
}

// The break: in `wake`, `self.waiting.store(true, Ordering::Relaxed);` moves in front of
// `let mut woken = lock(&self.woken);`.
#[test]
fn a_wake_beside_a_take_is_in_this_batch_or_announces_the_next() {
    loom::model(|| {
        let (place, _bell) = open_place();
        let waker = waker(&place, 3);
        let mut got = Vec::new();
        place.take(|index| got.push(index));
        waker.join().unwrap();
        assert_ne!(got == [3], place.is_waiting(), "{got:?}");
        place.take(|index| got.push(index));
        assert_eq!(got, [3]);
    });
}

// The break: in `take`, `self.waiting.store(false, Ordering::Relaxed);` moves to the end, behind a `drop(woken);`.
#[test]
fn a_core_that_has_taken_one_task_does_not_forget_another() {
    loom::model(|| {
        let (place, bell) = open_place();
        place.wake(3);
        let waker = waker(&place, 70);
        assert_eq!(turns(&place, &bell, 2), [3, 70]);
        waker.join().unwrap();
    });
}

// The break: in `take`, `self.waiting.store(false, Ordering::Relaxed);` goes.
#[test]
fn a_core_that_has_taken_all_tasks_may_sleep() {
    loom::model(|| {
        let (place, bell) = open_place();
        let waker = waker(&place, 3);
        assert_eq!(turns(&place, &bell, 1), [3]);
        waker.join().unwrap();
        assert!(!place.is_waiting());
        assert!(place.fall_asleep());
    });
}

// The break: `for index in tasks.drain(..) {` becomes `for index in tasks.clone() {`.
#[test]
fn a_task_that_was_taken_is_not_taken_again_with_the_next_one() {
    loom::model(|| {
        let (place, bell) = open_place();
        wake_and_join(&place, 3);
        let waker = waker(&place, 70);
        let mut got = turns(&place, &bell, 2);
        waker.join().unwrap();
        place.take(|index| got.push(index));
        assert_eq!(got, [3, 70]);
    });
}
