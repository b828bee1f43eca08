//! Models of those that wait for room: whoever can go is let go, whatever the others do. It owns nothing.

use std::task::Poll;

use loom::thread::{self, JoinHandle};

use super::mpsc::{self, Receiver, Sender};
use super::{block_on, poll};

/// Sends from another thread.
fn sends(sender: Sender<u32>, value: u32) -> JoinHandle<Sender<u32>> {
    thread::spawn(move || {
        block_on(sender.send(value)).unwrap();
        sender
    })
}

/// Receives everything, sorted.
fn all(receiver: &mut Receiver<u32>) -> Vec<u32> {
    let mut got: Vec<u32> = std::iter::from_fn(|| block_on(receiver.recv())).collect();
    got.sort_unstable();
    got
}

// The break: `publish(&self.length, waits.wakers.len() + waits.granted);` becomes
// `self.length.store(waits.wakers.len() + waits.granted, std::sync::atomic::Ordering::Release);`.
#[test]
fn a_sender_that_finds_no_room_does_not_miss_the_pop() {
    loom::model(|| {
        let (sender, mut receiver) = mpsc::channel(1);
        sender.try_send(1).unwrap();
        let thread = sends(sender, 2);
        assert_eq!(receiver.try_recv(), Ok(1));
        drop(thread.join().unwrap());
        assert_eq!(all(&mut receiver), [2]);
    });
}

// The break: `if (alone || slots.is_closed())` becomes `if slots.is_closed()`.
#[test]
fn a_sender_that_is_alone_in_the_line_looks_for_room_again() {
    loom::model(|| {
        let (sender, mut receiver) = mpsc::channel(1);
        sender.try_send(1).unwrap();
        let thread = thread::spawn(move || block_on(sender.send(2)).unwrap());
        assert_eq!((block_on(receiver.recv()), block_on(receiver.recv())), (Some(1), Some(2)));
        thread.join().unwrap();
    });
}

// The break: `if !waits.wakers.is_empty() && (unused || has_room()) {` becomes
// `if !waits.wakers.is_empty() && unused {\n                drop(has_room);`.
#[test]
fn a_sender_that_has_sent_lets_the_next_one_go_when_there_is_more_room() {
    loom::model(|| {
        let (sender, mut receiver) = mpsc::channel(2);
        (1..=2).for_each(|value| sender.try_send(value).unwrap());
        let other = sender.clone();
        let (mut first, mut second) = (Box::pin(sender.send(3)), Box::pin(other.send(4)));
        assert!(poll(&mut first).is_pending());
        let thread = thread::spawn(move || {
            assert_eq!((receiver.try_recv(), receiver.try_recv()), (Ok(1), Ok(2)));
            receiver
        });
        // It comes into the line before, between or after the pops, which let go who is there then.
        let early = poll(&mut second);
        block_on(first).unwrap();
        if early.is_pending() {
            block_on(second).unwrap();
        }
        assert_eq!(thread.join().unwrap().len(), 2);
    });
}

// The break: `next = grant(&mut waits);` becomes `next = None;`.
#[test]
fn a_sender_that_is_dropped_with_its_grant_hands_it_on() {
    loom::model(|| {
        let (sender, mut receiver) = mpsc::channel(1);
        sender.try_send(1).unwrap();
        let second = sender.clone();
        let mut gives_up = Box::pin(sender.send(2));
        assert!(poll(&mut gives_up).is_pending());
        let mut waits = Box::pin(second.send(3));
        assert!(poll(&mut waits).is_pending());
        let thread = thread::spawn(move || {
            assert_eq!(receiver.try_recv(), Ok(1));
            receiver
        });
        drop(gives_up);
        block_on(waits).unwrap();
        drop((sender, second));
        assert_eq!(all(&mut thread.join().unwrap()), [3]);
    });
}

// The break: in `Send::poll`, `this.push().map_or(Poll::Pending, Poll::Ready)` becomes `Poll::Pending`.
#[test]
fn a_sender_whose_room_went_to_another_waits_and_is_let_go_again() {
    loom::model(|| {
        let (sender, mut receiver) = mpsc::channel(2);
        (1..=2).for_each(|value| sender.try_send(value).unwrap());
        let senders = [sender.clone(), sender.clone(), sender];
        let [mut first, mut second, third] = [0, 1, 2].map(|at| Box::pin(senders[at].send(3 + at as u32)));
        assert!(poll(&mut first).is_pending() && poll(&mut second).is_pending());
        let mut third = third;
        assert!(poll(&mut third).is_pending());
        // The first two are let go. The first one sends, sees room (the second one's) and lets the third one go.
        assert_eq!((receiver.try_recv(), receiver.try_recv()), (Ok(1), Ok(2)));
        assert!(poll(&mut first).is_ready() && poll(&mut second).is_ready());
        let consumer = thread::spawn(move || {
            assert_eq!(receiver.try_recv(), Ok(3));
            receiver
        });
        block_on(third).unwrap();
        drop((first, second));
        drop(senders);
        assert_eq!(all(&mut consumer.join().unwrap()), [4, 5]);
    });
}

// The break: `self.channel.line.close();` goes.
#[test]
fn a_close_beside_a_sender_that_waits_gives_it_its_value_back() {
    loom::model(|| {
        let (sender, mut receiver) = mpsc::channel(1);
        sender.try_send(1).unwrap();
        let thread = thread::spawn(move || block_on(sender.send(2)).is_ok());
        receiver.close();
        let sent = thread.join().unwrap();
        assert!(!sent, "there was no room");
        assert_eq!(all(&mut receiver), [1]);
    });
}

// The break: `if (alone || slots.is_closed())` becomes `if alone`.
#[test]
fn two_senders_that_come_into_the_line_behind_the_close_learn_it() {
    loom::model(|| {
        let (sender, mut receiver) = mpsc::channel(1);
        sender.try_send(1).unwrap();
        let threads =
            [sender.clone(), sender].map(|sender| thread::spawn(move || (block_on(sender.send(2)), sender)));
        receiver.close();
        threads.into_iter().for_each(|thread| assert!(thread.join().unwrap().0.is_err()));
    });
}
