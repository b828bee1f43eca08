//! Channels: order, both ends, permits, and what becomes of values and of turns that nobody comes for.

use std::cell::Cell;
use std::rc::Rc;

use uring::local::mpsc::error::{SendError, TryRecvError, TrySendError};
use uring::local::mpsc::{Receiver, Sender, channel, unbounded_channel};
use uring::{spawn, yield_now};

use super::{Bomb, Hand, now};
use crate::alone::on_a_core;
use crate::kit::panic_text;

fn sending(tx: &Sender<u32>, value: u32) -> Hand<Result<(), SendError<u32>>> {
    let tx = tx.clone();
    Hand::waiting(async move { tx.send(value).await })
}

fn drain(rx: &mut Receiver<u32>) -> Vec<u32> {
    std::iter::from_fn(|| rx.try_recv().ok()).collect()
}

#[test]
fn tasks_pass_values_in_order_through_a_channel_of_one() {
    // The break: no `receiver.wake()` in `Queue::push`.
    on_a_core(async {
        let (tx, mut rx) = channel(1);
        let sender = spawn(async move {
            for number in 0..1000 {
                tx.send(number).await.unwrap();
            }
        });
        for number in 0..1000 {
            assert_eq!(rx.recv().await, Some(number));
        }
        assert_eq!(rx.recv().await, None);
        sender.await.unwrap();
    });
}

#[test]
fn senders_wait_for_room_in_the_order_of_their_coming() {
    // The break: `Inner::push` puts who comes at the front of the line.
    let (tx, mut rx) = channel(1);
    tx.try_send(0).unwrap();
    let mut waiting: Vec<_> = (1..4).map(|value| sending(&tx, value)).collect();
    assert_eq!(tx.capacity(), 0);
    for value in 0..4 {
        assert_eq!(rx.try_recv(), Ok(value));
        assert_eq!(rx.try_recv(), Err(TryRecvError::Empty), "the room belongs to who has waited");
        if value < 3 {
            assert!(matches!(tx.try_send(9), Err(TrySendError::Full(9))));
            waiting.remove(0).output().unwrap();
        }
    }
    tx.try_send(4).unwrap();
}

#[test]
fn room_for_a_send_that_is_dropped_goes_to_the_next() {
    // The break: `Left::Called(Ok(()))` does nothing in the drop of `Take`.
    let (tx, mut rx) = channel(1);
    tx.try_send(0).unwrap();
    let (first, mut second) = (sending(&tx, 1), sending(&tx, 2));
    assert_eq!(drain(&mut rx), [0]);
    drop(first);
    second.output().unwrap();
    assert_eq!(drain(&mut rx), [2]);
}

#[test]
fn dropping_the_receiver_wakes_every_sender_and_gives_the_values_back() {
    // The breaks: no `room.close()` in `Queue::close`; no `closing.call_all` there.
    let (tx, rx) = channel(1);
    tx.try_send(0).unwrap();
    let mut waiting: Vec<_> = (1..4).map(|value| sending(&tx, value)).collect();
    let watching = tx.clone();
    let mut closed = Hand::waiting(async move { watching.closed().await });
    drop(rx);
    for (value, send) in (1..4).zip(&mut waiting) {
        assert!(send.output() == Err(SendError(value)));
    }
    closed.output();
    assert!(tx.is_closed());
    assert!(now(tx.send(5)) == Err(SendError(5)));
    assert!(matches!(tx.try_reserve(), Err(TrySendError::Closed(()))));
}

#[test]
fn the_end_of_the_last_sender_wakes_the_receiver_after_the_last_value() {
    // The break: no `wake` in `Queue::remove_sender`.
    let (tx, mut rx) = channel::<u32>(2);
    let other = tx.clone();
    tx.try_send(1).unwrap();
    assert_eq!(now(rx.recv()), Some(1));
    let mut receiving = Hand::waiting(async move { rx.recv().await });
    drop(tx);
    assert!(!receiving.is_woken());
    drop(other);
    assert_eq!(receiving.output(), None);
}

#[test]
fn a_receiver_that_was_closed_waits_for_permits_that_are_out() {
    // The breaks: no `tell_if_closed` in `Queue::unreserve`; `is_over` without the look at what is free.
    let (tx, mut rx) = channel(3);
    let (sent, unsent) = (tx.try_reserve().unwrap(), now(tx.clone().reserve_owned()).unwrap());
    rx.close();
    assert!(tx.try_send(1).is_err());
    sent.send(7);
    assert_eq!(now(rx.recv()), Some(7));
    let mut receiving = Hand::waiting(async move { rx.recv().await });
    drop(unsent);
    assert_eq!(receiving.output(), None);
}

#[test]
fn a_receiver_that_was_closed_is_woken_when_a_send_that_was_granted_room_is_dropped() {
    // The break: no `Leaving` in `Queue::reserve`.
    let (tx, mut rx) = channel(1);
    tx.try_send(0).unwrap();
    let granted = sending(&tx, 1);
    assert_eq!(now(rx.recv()), Some(0));
    rx.close();
    let mut receiving = Hand::waiting(async move { rx.recv().await });
    assert!(granted.is_woken());
    drop(granted);
    assert_eq!(receiving.output(), None);
}

#[test]
fn a_receive_that_was_woken_and_dropped_leaves_the_value_there() {
    // The break: a second `pop` in `Queue::poll_recv`.
    let (tx, rx) = channel(2);
    let rx = Rc::new(Cell::new(Some(rx)));
    let place = Rc::clone(&rx);
    let receiving = Hand::waiting(async move {
        let mut rx = Returned(place.take(), place);
        rx.0.as_mut().unwrap().recv().await
    });
    tx.try_send(1).unwrap();
    assert!(receiving.is_woken());
    drop(receiving);
    tx.try_send(2).unwrap();
    let mut rx = rx.take().unwrap();
    assert_eq!(now(rx.recv()), Some(1));
    assert_eq!(now(rx.recv()), Some(2));
}

/// Puts the receiver back where it was taken from.
struct Returned(Option<Receiver<u32>>, Rc<Cell<Option<Receiver<u32>>>>);

impl Drop for Returned {
    fn drop(&mut self) {
        self.1.set(self.0.take());
    }
}

#[test]
fn permits_that_are_dropped_or_released_give_their_room_back() {
    // The break: no `unreserve` in the drop of `Permit`.
    let (tx, mut rx) = channel(1);
    drop(tx.try_reserve().unwrap());
    let tx = now(tx.reserve_owned()).unwrap().release();
    let tx = now(tx.reserve_owned()).unwrap().send(5);
    assert!(tx.try_reserve().is_err());
    assert_eq!(drain(&mut rx), [5]);
    now(tx.reserve()).unwrap().send(6);
    assert_eq!((rx.len(), rx.capacity(), rx.max_capacity()), (1, 0, 1));
}

#[test]
fn many_values_are_received_at_once_and_never_more_than_the_limit() {
    // The break: no look at the limit in `Queue::poll_recv_many`.
    let (tx, mut rx) = channel(10);
    (0..7).for_each(|value| tx.try_send(value).unwrap());
    let mut values = vec![99];
    assert_eq!(now(rx.recv_many(&mut values, 5)), 5);
    assert_eq!(now(rx.recv_many(&mut values, 0)), 0);
    assert_eq!(now(rx.recv_many(&mut values, 5)), 2);
    assert_eq!(values, [99, 0, 1, 2, 3, 4, 5, 6]);
    drop(tx);
    assert_eq!(now(rx.recv_many(&mut values, 5)), 0);
}

#[test]
fn a_channel_without_a_bound_takes_everything_and_ends_as_any_other() {
    // The break: `Refused::TooFew` for a queue with values in `Queue::try_reserve`.
    let (tx, mut rx) = unbounded_channel();
    (0..100_000).for_each(|value| tx.clone().send(value).unwrap());
    assert_eq!(rx.len(), 100_000);
    assert!((0..100_000).all(|value| now(rx.recv()) == Some(value)));
    rx.close();
    assert!(tx.send(1) == Err(SendError(1)));
    assert_eq!(now(rx.recv()), None);
    drop(rx);
    now(tx.closed());
}

#[test]
fn a_channel_without_room_is_refused_in_words() {
    // The break: no assertion in `channel`.
    assert!(panic_text(|| drop(channel::<()>(0))).contains("cannot be 0"));
}

#[test]
fn a_value_that_panics_when_it_is_dropped_takes_no_other_with_it() {
    // The break: no `contain` in `Queue::abandon`.
    let drops = Rc::new(Cell::new(0));
    let (tx, rx) = unbounded_channel();
    for number in 0..10 {
        let bomb = if number == 3 { Bomb::armed(&drops) } else { Bomb::new(&drops) };
        assert!(tx.send(bomb).is_ok());
    }
    drop(rx);
    assert_eq!(drops.get(), 10);
    assert!(tx.send(Bomb::new(&drops)).is_err());
    assert_eq!(drops.get(), 11);
}

#[test]
fn a_value_for_a_receiver_that_is_gone_is_dropped_at_once() {
    // The break: no look at `is_abandoned` in `Queue::push`: the value then stays as long as a sender.
    let drops = Rc::new(Cell::new(0));
    let (tx, rx) = channel(1);
    let permit = now(tx.reserve_owned()).unwrap();
    drop(rx);
    let _tx = permit.send(Bomb::new(&drops));
    assert_eq!(drops.get(), 1);
}

#[test]
fn a_waiting_send_is_as_good_in_a_task_that_was_aborted() {
    // The break: `Left::Called(Ok(()))` does nothing in the drop of `Take`.
    on_a_core(async {
        let (tx, mut rx) = channel(1);
        tx.send(0).await.unwrap();
        let tasks: Vec<_> = (1..=10)
            .map(|value| {
                let tx = tx.clone();
                spawn(async move { tx.send(value).await.unwrap() })
            })
            .collect();
        yield_now().await;
        drop(tx);
        let mut seen = Vec::new();
        while let Some(value) = rx.recv().await {
            // The task that sends the next value has room for it by now, and has not run since.
            if value % 2 == 0 && value < 10 {
                tasks[value as usize].abort();
            }
            seen.push(value);
        }
        let mut sent = vec![0];
        for (value, task) in (1..).zip(tasks) {
            if task.await.is_ok() {
                sent.push(value);
            }
        }
        assert_eq!(seen, sent);
        assert!(sent.len() < 11 && sent.last() == Some(&10), "{sent:?}");
    });
}
