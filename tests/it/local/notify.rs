//! Notifications: one is never lost, all reaches all, and a model.

use std::collections::VecDeque;
use std::pin::{Pin, pin};
use std::rc::Rc;
use std::task::Poll;

use uring::local::Notify;

use super::{Hand, now};
use crate::kit::Random;

fn notified(notify: &Rc<Notify>) -> Hand<()> {
    let notify = Rc::clone(notify);
    Hand::new(async move { notify.notified().await })
}

fn waiting(notify: &Rc<Notify>) -> Hand<()> {
    let mut hand = notified(notify);
    assert!(hand.poll().is_pending());
    hand
}

#[test]
fn a_notification_for_nobody_is_stored_once() {
    // The break: no permit is set in `notify_one`.
    let notify = Rc::new(Notify::new());
    notify.notify_one();
    notify.notify_one();
    now(notify.notified());
    drop(waiting(&notify));
    notify.notify_waiters();
    drop(waiting(&notify));
}

#[test]
fn a_notification_for_a_future_that_is_dropped_goes_to_the_next_or_is_stored() {
    // The break: no `notify_one` in the drop of `Notified`.
    let notify = Rc::new(Notify::new());
    let (first, mut second) = (waiting(&notify), waiting(&notify));
    notify.notify_one();
    assert!(first.is_woken() && !second.is_woken());
    drop(first);
    second.output();
    let third = waiting(&notify);
    notify.notify_one();
    drop(third);
    now(notify.notified());
}

#[test]
fn all_who_wait_are_notified_and_none_passes_it_on() {
    // The break: `Call::One` in `notify_waiters`, so that a dropped one stores a permit.
    let notify = Rc::new(Notify::new());
    let mut all: Vec<_> = (0..5).map(|_| waiting(&notify)).collect();
    notify.notify_waiters();
    drop(all.pop());
    all.iter_mut().for_each(Hand::output);
    drop(waiting(&notify));
}

#[test]
fn a_future_that_is_older_than_the_call_to_all_is_called_without_a_poll() {
    // The break: `calls` is not counted in `notify_waiters`.
    let notify = Notify::new();
    let old = notify.notified();
    notify.notify_waiters();
    let mut new = pin!(notify.notified());
    now(old);
    assert!(!new.as_mut().enable());
    notify.notify_one();
    assert!(new.as_mut().enable(), "it had taken its place");
    now(new);
    let mut third = notify.notified();
    assert!(!Pin::new(&mut third).enable(), "the permit was taken");
}

#[test]
fn notifications_go_where_those_of_a_simple_one_go() {
    // The break: those of the tests above.
    let mut random = Random::new();
    let notify = Rc::new(Notify::new());
    let (mut permit, mut line, mut called) = (false, VecDeque::new(), Vec::new());
    let mut futures: Vec<(usize, Hand<()>)> = Vec::new();
    for who in 0..20_000 {
        let at = random.below(futures.len().max(1) as u64) as usize;
        let choice = random.below(9);
        let mut passes_on = choice == 4;
        match choice {
            0..=2 if futures.len() < 16 => {
                let mut future = notified(&notify);
                let is_ready = future.poll().is_ready();
                assert_eq!(is_ready, std::mem::take(&mut permit));
                if !is_ready {
                    line.push_back(who);
                    futures.push((who, future));
                }
            }
            3 if at < futures.len() => {
                let (who, future) = futures.swap_remove(at);
                drop(future);
                line.retain(|waiting| *waiting != who);
                let place = called.iter().position(|(called, _)| *called == who);
                passes_on = place.is_some_and(|place| called.swap_remove(place).1 == 1);
            }
            4 => notify.notify_one(),
            5 if random.below(4) == 0 => {
                notify.notify_waiters();
                called.extend(line.drain(..).map(|who| (who, 2)));
            }
            _ if at < futures.len() => {
                let (who, future) = &mut futures[at];
                let place = called.iter().position(|(called, _)| called == who);
                match future.poll() {
                    Poll::Ready(()) => {
                        called.swap_remove(place.expect("it was called"));
                        futures.swap_remove(at);
                    }
                    Poll::Pending => assert_eq!(place, None),
                }
            }
            _ => {}
        }
        if passes_on {
            match line.pop_front() {
                Some(who) => called.push((who, 1)),
                None => permit = true,
            }
        }
        let is_called = |who: usize| called.iter().any(|called| called.0 == who);
        assert!(futures.iter().all(|(who, future)| future.is_woken() == is_called(*who)));
    }
}
