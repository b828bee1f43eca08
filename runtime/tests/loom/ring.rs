//! Models of the bell: it is rung for a core that sleeps, once, and for no other. It owns nothing.

use super::{open_place, turn, wake_and_join, waker};

// The break: `self.asleep.swap(false, Ordering::Relaxed)` becomes `self.asleep.load(Ordering::Relaxed)`.
#[test]
fn two_wakers_ring_the_bell_of_one_sleep_once() {
    loom::model(|| {
        let (place, bell) = open_place();
        assert!(place.fall_asleep());
        let wakers = [waker(&place, 3), waker(&place, 70)];
        wakers.into_iter().for_each(|waker| waker.join().unwrap());
        assert_eq!(bell.rings(), 1);
    });
}

// The break: `self.asleep.swap(false, Ordering::Relaxed)` becomes `self.asleep.swap(true, Ordering::Relaxed)`.
#[test]
fn the_bell_is_rung_at_most_once_for_each_time_that_the_core_falls_asleep() {
    loom::model(|| {
        let (place, bell) = open_place();
        let wakers = [waker(&place, 3), waker(&place, 70)];
        let (mut got, mut sleeps) = (0, 0);
        while got < 2 {
            sleeps += usize::from(!place.is_waiting());
            turn(&place, &bell, |_| got += 1);
        }
        wakers.into_iter().for_each(|waker| waker.join().unwrap());
        assert!(bell.rings() <= sleeps, "{} rings, {sleeps} sleeps", bell.rings());
    });
}

// The break: `{ woken.bell.clone() } else { None }` becomes `{ woken.bell.clone() } else { woken.bell.clone() }`.
#[test]
fn a_wake_of_a_core_that_is_awake_rings_nothing() {
    loom::model(|| {
        let (place, bell) = open_place();
        let waker = waker(&place, 3);
        place.take(|_| {});
        waker.join().unwrap();
        assert_eq!(bell.rings(), 0);
    });
}

// The break: `self.asleep.store(false, Ordering::Relaxed);\n            return false;` becomes `return false;`.
#[test]
fn a_sleep_that_a_wake_in_time_prevents_asks_for_no_further_ring() {
    loom::model(|| {
        let (place, bell) = open_place();
        let early = waker(&place, 3);
        let sleeps = place.fall_asleep();
        early.join().unwrap();
        let rings = bell.rings();
        assert!(!sleeps || rings == 1, "it sleeps and nobody rang");
        wake_and_join(&place, 70);
        assert_eq!(bell.rings(), rings);
    });
}

// The break: in `wake_up`, `self.asleep.store(false, Ordering::Relaxed);` becomes
// `let _ = self.asleep.load(Ordering::Relaxed);`.
#[test]
fn a_core_that_woke_up_by_itself_is_not_rung_for() {
    loom::model(|| {
        let (place, bell) = open_place();
        assert!(place.fall_asleep());
        place.wake_up();
        let waker = waker(&place, 3);
        place.take(|_| {});
        waker.join().unwrap();
        assert_eq!(bell.rings(), 0);
    });
}
