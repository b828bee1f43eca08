//! Models of the queue: values that are pushed beside pops come once, whole and in order. It owns nothing.
//!
//! Nobody waits here, so that nothing but the stamps orders what the threads do.

use loom::thread;

use super::channel::{Consumer, Producer, channel};
use super::error::TrySendError;
use super::prims::Arc;
use super::sleeper::Sleeper;

fn queue<T>(capacity: usize) -> (Producer<T>, Consumer<T>) {
    channel(capacity, Arc::new(Sleeper::new()))
}

/// Pushes until it is taken, with the other threads run meanwhile.
fn push<T>(producer: &Producer<T>, mut value: T) {
    while let Err(refused) = producer.try_send(value) {
        value = match refused {
            TrySendError::Full(value) => value,
            TrySendError::Closed(_) => panic!("nobody closes it"),
        };
        thread::yield_now();
    }
}

fn pop<T>(consumer: &mut Consumer<T>) -> T {
    loop {
        match consumer.pop() {
            Some(value) => return value,
            None => thread::yield_now(),
        }
    }
}

// The break: `publish(&slot.stamp, tail + 1);` becomes `slot.stamp.store(tail + 1, Ordering::Relaxed);`.
#[test]
fn a_value_that_is_taken_beside_its_push_is_whole() {
    loom::model(|| {
        let (producer, mut consumer) = queue(2);
        let thread = thread::spawn(move || (1..=2).for_each(|value| push(&producer, Box::new(value))));
        assert_eq!((*pop(&mut consumer), *pop(&mut consumer)), (1, 2));
        thread.join().unwrap();
    });
}

// The break: `publish(&slot.stamp, head + self.lap);` becomes `slot.stamp.store(head + self.lap, Ordering::Relaxed);`.
#[test]
fn a_slot_is_written_again_only_when_its_value_was_taken_out() {
    loom::model(|| {
        let (producer, mut consumer) = queue(1);
        let thread = thread::spawn(move || (1..=3).for_each(|value| push(&producer, Box::new(value))));
        assert_eq!((*pop(&mut consumer), *pop(&mut consumer), *pop(&mut consumer)), (1, 2, 3));
        thread.join().unwrap();
    });
}

// The break: `match self.tail.0.compare_exchange_weak(tail, next, Ordering::Relaxed, Ordering::Relaxed) {` becomes
// `self.tail.0.store(next, Ordering::Relaxed);\n                match Ok::<usize, usize>(tail) {`.
#[test]
fn two_producers_take_different_slots() {
    loom::model(|| {
        let (producer, mut consumer) = queue(2);
        let other = producer.clone();
        let threads =
            [(1, producer), (2, other)].map(|(value, to)| thread::spawn(move || push(&to, Box::new(value))));
        let mut got = [*pop(&mut consumer), *pop(&mut consumer)];
        got.sort_unstable();
        assert_eq!(got, [1, 2]);
        threads.into_iter().for_each(|thread| thread.join().unwrap());
    });
}

// The break: `self.tail.0.fetch_or(CLOSED, Ordering::Release);` becomes
// `let tail = self.tail.0.load(Ordering::Relaxed);\n        self.tail.0.store(tail | CLOSED, Ordering::Release);`.
#[test]
fn a_push_beside_the_close_is_refused_or_its_value_comes() {
    loom::model(|| {
        let (producer, mut consumer) = queue(2);
        let thread =
            thread::spawn(move || (1..=2).map(|value| producer.try_send(Box::new(value)).is_ok()).collect());
        consumer.close();
        let sent: Vec<bool> = thread.join().unwrap();
        let got: Vec<_> = std::iter::from_fn(|| consumer.try_recv().ok()).map(|value| *value).collect();
        let expected: Vec<_> = (1..=2).zip(&sent).filter_map(|(value, sent)| sent.then_some(value)).collect();
        assert_eq!(got, expected);
        assert!(consumer.is_over());
    });
}

// The break: `self.tail.0.load(Ordering::Acquire) & CLOSED != 0` becomes
// `self.tail.0.load(Ordering::Relaxed) & CLOSED != 0`.
#[test]
fn what_the_last_producer_has_sent_is_there_when_it_is_known_to_be_gone() {
    loom::model(|| {
        let (producer, mut consumer) = queue(1);
        let thread = thread::spawn(move || producer.try_send(Box::new(1)).is_ok());
        let got = loop {
            match consumer.try_recv() {
                Ok(value) => break Some(*value),
                Err(super::error::TryRecvError::Disconnected) => break None,
                Err(super::error::TryRecvError::Empty) => thread::yield_now(),
            }
        };
        assert!(thread.join().unwrap());
        assert_eq!(got, Some(1), "the value is lost");
    });
}
