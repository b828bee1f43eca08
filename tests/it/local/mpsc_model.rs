//! A channel against a queue and a line, with futures that are dropped at any time.

use std::collections::VecDeque;
use std::task::Poll;

use uring::local::mpsc::error::{SendError, TryRecvError, TrySendError};
use uring::local::mpsc::{Receiver, Sender, channel};

use super::Hand;
use crate::kit::Random;

const ROOM: usize = 3;
const FUTURES_MAX: usize = 16;

type Sending = Hand<Result<(), SendError<u32>>>;

/// What a channel is to do, in the simplest way, and the futures that wait for room.
struct Model {
    tx: Sender<u32>,
    rx: Receiver<u32>,
    queue: VecDeque<u32>,
    room: usize,
    /// The values whose senders wait, and those whose senders have room and have not come for it.
    line: VecDeque<u32>,
    called: Vec<u32>,
    futures: Vec<(u32, Sending)>,
}

impl Model {
    fn new() -> Self {
        let (tx, rx) = channel(ROOM);
        let (queue, line) = (VecDeque::new(), VecDeque::new());
        Self { tx, rx, queue, room: ROOM, line, called: Vec::new(), futures: Vec::new() }
    }

    fn is_free(&self) -> bool {
        self.room > 0 && self.line.is_empty()
    }

    fn give_room(&mut self) {
        match self.line.pop_front() {
            Some(value) => self.called.push(value),
            None => self.room += 1,
        }
    }

    fn send(&mut self, value: u32) {
        let tx = self.tx.clone();
        let mut future = Hand::new(async move { tx.send(value).await });
        match future.poll() {
            Poll::Ready(sent) => {
                assert!(sent.is_ok() && self.is_free());
                self.room -= 1;
                self.queue.push_back(value);
            }
            Poll::Pending => {
                assert!(!self.is_free());
                self.line.push_back(value);
                self.futures.push((value, future));
            }
        }
    }

    fn try_send(&mut self, value: u32) {
        match self.tx.try_send(value) {
            Ok(()) => {
                assert!(self.is_free());
                self.room -= 1;
                self.queue.push_back(value);
            }
            Err(TrySendError::Full(back)) => assert!(back == value && !self.is_free()),
            Err(TrySendError::Closed(_)) => panic!("it is open"),
        }
    }

    fn poll(&mut self, at: usize) {
        let (value, future) = &mut self.futures[at];
        let place = self.called.iter().position(|called| called == value);
        match future.poll() {
            Poll::Ready(sent) => {
                sent.unwrap();
                self.called.swap_remove(place.expect("it had room"));
                self.queue.push_back(*value);
                self.futures.swap_remove(at);
            }
            Poll::Pending => assert_eq!(place, None),
        }
    }

    fn drop_future(&mut self, at: usize) {
        let (value, future) = self.futures.swap_remove(at);
        drop(future);
        self.line.retain(|waiting| *waiting != value);
        if let Some(place) = self.called.iter().position(|called| *called == value) {
            self.called.swap_remove(place);
            self.give_room();
        }
    }

    fn receive(&mut self) {
        let found = self.rx.try_recv();
        assert_eq!(found, self.queue.pop_front().ok_or(TryRecvError::Empty));
        if found.is_ok() {
            self.give_room();
        }
    }

    fn check(&self) {
        for (value, future) in &self.futures {
            assert_eq!(future.is_woken(), self.called.contains(value));
        }
        assert_eq!(self.rx.len(), self.queue.len());
        assert_eq!(self.tx.capacity(), if self.line.is_empty() { self.room } else { 0 });
        assert_eq!(self.room + self.called.len() + self.queue.len(), ROOM, "no room is lost");
    }
}

#[test]
fn a_channel_does_what_a_queue_and_a_line_do_whoever_comes_and_goes() {
    // The break: those of the tests of channels; `room` given twice in `Queue::pop`.
    let mut random = Random::new();
    let mut model = Model::new();
    for value in 0..50_000 {
        let at = random.below(model.futures.len().max(1) as u64) as usize;
        let is_there = at < model.futures.len();
        match random.below(10) {
            0..=2 if model.futures.len() < FUTURES_MAX => model.send(value),
            3 => model.try_send(value),
            4..=5 if is_there => model.poll(at),
            6 if is_there => model.drop_future(at),
            7..=9 => model.receive(),
            _ => {}
        }
        model.check();
    }
}

#[test]
fn no_value_is_lost_and_none_comes_twice_in_a_storm_of_dropped_receives() {
    // The break: `pop` before the waker is registered and after, with the second one thrown away.
    let mut random = Random::new();
    let (tx, mut rx) = channel::<u32>(4);
    let (mut next, mut expected) = (0, 0);
    for _ in 0..50_000 {
        for _ in 0..random.below(6) {
            if tx.try_send(next).is_ok() {
                next += 1;
            }
        }
        for _ in 0..random.below(6) {
            // Each of these futures is dropped after one poll.
            let polled = crate::kit::poll_idly(std::pin::pin!(rx.recv()));
            match polled {
                Poll::Ready(value) => {
                    assert_eq!(value, Some(expected));
                    expected += 1;
                }
                Poll::Pending => assert_eq!(expected, next),
            }
        }
    }
    drop(tx);
    while let Poll::Ready(Some(value)) = crate::kit::poll_idly(std::pin::pin!(rx.recv())) {
        assert_eq!(value, expected);
        expected += 1;
    }
    assert_eq!(expected, next);
}
