//! Models of what threads share: `loom` runs the production files of the protocols through every interleaving of a few
//! threads, and through what weak memory may show them. Those of the inbox are here, those of the channels in `channels`,
//! those of tasks on other cores in `remote`.
//!
//! It owns what the inbox's models share: a place, a core that runs turns, wakers. It must not know the table of places.
//!
//! Each model's comment names its break: a text of the production file and what replaces it. The same breaks are data in
//! `tests/mutants/wakes.toml` and `tests/mutants/channels.toml`.
#![cfg(loom)]
#![allow(clippy::unwrap_used, reason = "tests")]

#[path = "../../src/task/place.rs"]
mod place;
mod sync;

mod channels;
mod errands;
mod remote;
mod reuse;
mod ring;
mod sleep;
mod take;

use std::sync::Arc;

use loom::thread::{self, JoinHandle};
use place::{Place, Woken};
use sync::{AtomicBool, Bell, Mutex};

/// The number of the core that has the place, where a model has only one.
const TENANCY: u64 = 1;

/// A place that is open, and its bell.
fn open_place() -> (Arc<Place>, Arc<Bell>) {
    let place = Arc::new(Place {
        woken: Mutex::new(Woken::default()),
        waiting: AtomicBool::new(false),
        asleep: AtomicBool::new(false),
    });
    let bell = open(&place);
    (place, bell)
}

/// What a core does that has claimed the place.
fn open(place: &Place) -> Arc<Bell> {
    let bell = Arc::new(Bell::new());
    place.open(Arc::clone(&bell), TENANCY);
    bell
}

/// One turn of a core: it takes what was woken, or sleeps until the bell rings. A wake that is lost leaves it asleep.
fn turn(place: &Place, bell: &Bell, each: impl FnMut(u32)) {
    if place.is_waiting() {
        drop(place.take(each));
    } else {
        if place.fall_asleep() {
            bell.sleep();
        }
        place.wake_up();
    }
}

/// Turns until `count` tasks were taken, which are given in order.
fn turns(place: &Place, bell: &Bell, count: usize) -> Vec<u32> {
    let mut got = Vec::new();
    while got.len() < count {
        turn(place, bell, |index| got.push(index));
    }
    got.sort_unstable();
    got
}

fn waker(place: &Arc<Place>, index: u32) -> JoinHandle<()> {
    let place = Arc::clone(place);
    thread::spawn(move || place.wake(index))
}

/// Wakes from another thread and waits until that is done.
fn wake_and_join(place: &Arc<Place>, index: u32) {
    waker(place, index).join().unwrap();
}
