//! Models of errands: each is done once, by the core that it was meant for, or comes back. It owns nothing.

use std::sync::Arc;

use loom::thread::{self, JoinHandle};

use super::place::Place;
use super::sync::{Bell, Errand};
use super::{TENANCY, open_place, waker};

/// Sends from another thread, and gives what came back.
fn sender(place: &Arc<Place>, tenancy: u64, errand: &Errand) -> JoinHandle<Result<(), Errand>> {
    let (place, errand) = (Arc::clone(place), Arc::clone(errand));
    thread::spawn(move || place.send(tenancy, errand))
}

/// Turns until so many errands were taken.
fn turns(place: &Place, bell: &Bell, count: usize) -> Vec<Errand> {
    let mut got = Vec::new();
    while got.len() < count {
        if place.is_waiting() {
            got.extend(place.take(|_| {}));
        } else {
            if place.fall_asleep() {
                bell.sleep();
            }
            place.wake_up();
        }
    }
    got
}

// The break: in `send`, `self.announce(woken);` becomes `drop(woken);`.
#[test]
fn a_core_that_falls_asleep_does_not_miss_an_errand() {
    loom::model(|| {
        let (place, bell) = open_place();
        let sender = sender(&place, TENANCY, &Errand::new(3));
        assert_eq!(*turns(&place, &bell, 1)[0], 3);
        assert!(sender.join().unwrap().is_ok());
    });
}

// The break: `mem::take(errands)` becomes `mem::take(errands).into_iter().take(1).collect()`.
#[test]
fn two_errands_of_two_threads_and_a_wake_are_taken_once_each() {
    loom::model(|| {
        let (place, bell) = open_place();
        let errand = Errand::new(3);
        let senders = [sender(&place, TENANCY, &errand), sender(&place, TENANCY, &errand)];
        assert_eq!(turns(&place, &bell, 2).len(), 2);
        senders.into_iter().for_each(|sender| assert!(sender.join().unwrap().is_ok()));
        assert!(place.take(|_| {}).is_empty());
        assert_eq!(Arc::strong_count(&errand), 1);
    });
}

// The break: `let _closed = mem::take(&mut *lock(&self.woken));` becomes
// `std::mem::forget(mem::take(&mut *lock(&self.woken)));`.
#[test]
fn an_errand_beside_the_close_comes_back_or_is_dropped_with_the_place() {
    loom::model(|| {
        let (place, _bell) = open_place();
        let errand = Errand::new(3);
        let sender = sender(&place, TENANCY, &errand);
        place.close();
        drop(sender.join().unwrap());
        assert_eq!(Arc::strong_count(&errand), 1, "somebody holds it for ever");
    });
}

// The break: ` || woken.tenancy != tenancy` goes.
#[test]
fn an_errand_for_a_core_that_has_ended_does_not_reach_its_successor() {
    loom::model(|| {
        let (place, _bell) = open_place();
        let errand = Errand::new(3);
        let late = sender(&place, TENANCY, &errand);
        place.close();
        place.open(Arc::new(Bell::new()), TENANCY + 1);
        drop(late.join().unwrap());
        assert!(place.take(|_| {}).is_empty(), "the successor has it");
    });
}

// The break: `if woken.bell.is_none() || woken.tenancy` becomes `if woken.tenancy` in `send`.
#[test]
fn a_place_that_nobody_has_refuses_errands() {
    loom::model(|| {
        let (place, _bell) = open_place();
        place.close();
        let refused = sender(&place, 0, &Errand::new(3)).join().unwrap();
        assert_eq!(refused.unwrap_err(), Errand::new(3));
    });
}

// The break: in `send`, the errand is pushed behind `self.announce(woken);`, under a second lock.
#[test]
fn an_errand_that_is_announced_is_there() {
    loom::model(|| {
        let (place, _bell) = open_place();
        let sender = sender(&place, TENANCY, &Errand::new(3));
        let waker = waker(&place, 3);
        let mut tasks = Vec::new();
        let mut errands = place.take(|index| tasks.push(index));
        assert!(sender.join().unwrap().is_ok());
        waker.join().unwrap();
        assert_eq!(place.is_waiting(), errands.is_empty() || tasks.is_empty());
        errands.extend(place.take(|index| tasks.push(index)));
        assert_eq!((errands.len(), tasks.len()), (1, 1));
    });
}
