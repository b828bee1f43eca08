//! The channel for the latest value: nothing that changed is overlooked, borrows, both ends, and a model.

use std::cell::{Cell, RefCell};
use std::rc::Rc;
use std::task::Poll;

use uring::local::watch::{Receiver, Sender, channel};

use super::{Acts, Hand, now};
use crate::kit::{Random, panic_text, poll_idly};

fn changing(rx: &Receiver<u32>) -> Hand<Result<u32, ()>> {
    let mut rx = rx.clone();
    Hand::waiting(async move {
        let changed = rx.changed().await;
        changed.map(|()| *rx.borrow()).map_err(drop)
    })
}

#[test]
fn a_change_wakes_all_who_wait_also_when_one_of_them_is_dropped() {
    // The break: no `call_all` in `Shared::tell`.
    let (tx, rx) = channel(0);
    let mut waiting: Vec<_> = (0..4).map(|_| changing(&rx)).collect();
    tx.send(1).unwrap();
    drop(waiting.remove(0));
    tx.send(2).unwrap();
    assert!(waiting.iter_mut().all(|waiting| waiting.output() == Ok(2)), "they see the latest");
}

#[test]
fn the_end_of_the_last_sender_and_of_the_last_receiver_wakes_the_other_side() {
    // The breaks: no `call_all` in the drop of `Sender`; nor in that of `Receiver`.
    let (tx, rx) = channel(0);
    let mut changed = changing(&rx);
    let other = tx.clone();
    drop(tx);
    assert!(!changed.is_woken());
    drop(other);
    assert_eq!(changed.output(), Err(()));
    let (tx, rx) = channel(0);
    let watching = tx.clone();
    let mut closed = Hand::waiting(async move { watching.closed().await });
    let other = rx.clone();
    drop(rx);
    assert!(!closed.is_woken());
    drop(other);
    closed.output();
    assert!(tx.send(1).is_err());
    assert_eq!(tx.send_replace(2), 0);
    assert_eq!(*tx.subscribe().borrow(), 2);
}

#[test]
fn the_last_value_is_seen_after_the_end_of_its_sender() {
    // The break: the look at `senders` comes first in `Receiver::changed`.
    let (tx, mut rx) = channel(0);
    tx.send(1).unwrap();
    drop(tx);
    assert_eq!(now(rx.changed()), Ok(()));
    assert!(!rx.borrow().has_changed());
    assert!(now(rx.changed()).is_err());
}

#[test]
fn a_change_that_nobody_came_for_is_still_a_change() {
    // The break: `changed` does not count the value as seen.
    let (tx, mut rx) = channel(0);
    {
        let mut changed = std::pin::pin!(rx.changed());
        assert!(poll_idly(changed.as_mut()).is_pending());
        tx.send(1).unwrap();
    }
    assert!(rx.borrow().has_changed());
    assert_eq!(rx.has_changed(), Ok(true));
    assert!(rx.borrow_and_update().has_changed());
    assert_eq!(rx.has_changed(), Ok(false));
    rx.mark_changed();
    assert_eq!(now(rx.changed()), Ok(()));
    assert!(poll_idly(std::pin::pin!(rx.changed())).is_pending());
}

#[test]
fn a_value_that_is_awaited_may_be_there_already() {
    // The break: `wait_for` waits for a change first.
    let (tx, rx) = channel(3);
    let wait = |wanted: u32| {
        let mut rx = rx.clone();
        async move { rx.wait_for(|value| *value >= wanted).await.map(|value| *value).map_err(drop) }
    };
    assert_eq!(now(wait(3)), Ok(3));
    let (mut low, mut high) = (Hand::waiting(wait(5)), Hand::waiting(wait(100)));
    tx.send(4).unwrap();
    assert!(low.poll().is_pending());
    tx.send(9).unwrap();
    assert_eq!(low.output(), Ok(9));
    drop(tx);
    assert_eq!(high.output(), Err(()));
}

#[test]
fn a_value_is_sent_past_a_borrow_and_not_changed_under_one() {
    // The break: no look at who borrows in `Shared::modify` (the panic is then another one).
    let (tx, rx) = channel(vec![1]);
    let borrowed = rx.borrow();
    tx.send(vec![2]).unwrap();
    assert_eq!((&*borrowed, &*rx.borrow()), (&vec![1], &vec![2]));
    tx.send_modify(|value| value.push(3));
    let again = tx.borrow();
    assert!(panic_text(|| tx.send_modify(|value| value.push(4))).contains("is borrowed"));
    assert_eq!(*again, [2, 3]);
    drop((borrowed, again));
    assert!(!tx.send_if_modified(|_| false));
    tx.send_modify(|value| value.clear());
    assert!(rx.borrow().is_empty());
}

#[test]
fn a_value_stays_when_what_changes_it_panics_or_looks_at_it() {
    // The break: no guard around `modify` in `Shared::modify`.
    let (tx, rx) = channel(1);
    let text = panic_text(|| {
        tx.send_modify(|value| {
            *value = 2;
            panic!("in the middle");
        });
    });
    assert_eq!(text, "in the middle");
    assert!(!rx.borrow().has_changed(), "nobody was told");
    assert_eq!(*rx.borrow(), 2);
    assert!(panic_text(|| tx.send_modify(|_| drop(rx.borrow()))).contains("being changed"));
    tx.send(3).unwrap();
    assert_eq!(*rx.borrow(), 3);
}

#[test]
fn a_value_that_is_replaced_may_use_its_channel_when_it_is_dropped() {
    // The break: `drop(before)` ahead of `tell` in `Sender::send`: the value is then not told of.
    let (tx, rx) = channel(Acts::new(|| {}));
    let (rx, seen) = (Rc::new(RefCell::new(rx)), Rc::new(Cell::new(false)));
    let (ours, told) = (Rc::clone(&rx), Rc::clone(&seen));
    tx.send(Acts::new(move || told.set(ours.borrow().borrow().has_changed()))).ok().unwrap();
    rx.borrow_mut().mark_unchanged();
    tx.send(Acts::new(|| {})).ok().unwrap();
    assert!(seen.get());
}

#[test]
fn receivers_see_what_those_of_a_simple_one_see() {
    // The break: no new version in `Shared::tell`.
    let mut random = Random::new();
    let tx = Sender::new(0_u64);
    let mut receivers: Vec<(Receiver<u64>, bool)> = Vec::new();
    for value in 1..20_000_u64 {
        let at = random.below(receivers.len().max(1) as u64) as usize;
        match random.below(10) {
            0 if receivers.len() < 10 => receivers.push((tx.subscribe(), false)),
            1 if at < receivers.len() => receivers.push(receivers[at].clone()),
            2 if at < receivers.len() => drop(receivers.swap_remove(at)),
            3..=4 => {
                let sent = tx.send(value);
                assert_eq!(sent.is_ok(), !receivers.is_empty());
                tx.send_if_modified(|place| std::mem::replace(place, value) != value);
                receivers.iter_mut().for_each(|(_, behind)| *behind = true);
            }
            _ if at < receivers.len() => {
                let (receiver, behind) = &mut receivers[at];
                assert_eq!(receiver.has_changed(), Ok(*behind));
                assert_eq!(*receiver.borrow(), *tx.borrow());
                match poll_idly(std::pin::pin!(receiver.changed())) {
                    Poll::Ready(changed) => assert!(changed.is_ok() && std::mem::take(behind)),
                    Poll::Pending => assert!(!*behind),
                }
            }
            _ => {}
        }
        assert_eq!(tx.receiver_count(), receivers.len());
    }
}
