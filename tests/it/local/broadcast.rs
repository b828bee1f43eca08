//! The channel that gives each value to each receiver: once, in order, or told how many were missed.

use std::cell::Cell;
use std::rc::Rc;

use uring::local::broadcast::error::{RecvError, TryRecvError};
use uring::local::broadcast::{Receiver, Sender, channel};

use super::{Acts, Bomb, Hand, now};
use crate::kit::{Random, panic_text};

fn receiving(mut rx: Receiver<u32>) -> Hand<(Result<u32, RecvError>, Receiver<u32>)> {
    Hand::waiting(async move { (rx.recv().await, rx) })
}

#[test]
fn each_receiver_gets_each_value_once_also_when_another_is_dropped_after_its_wake() {
    // The break: no `call_all` in `Sender::send`.
    let (tx, rx) = channel(4);
    let mut waiting: Vec<_> = (0..3).map(|_| receiving(tx.subscribe())).collect();
    drop(rx);
    assert_eq!(tx.send(1), Ok(3));
    drop(waiting.remove(0));
    assert_eq!(tx.send(2), Ok(2));
    for waiting in &mut waiting {
        let (first, mut rx) = waiting.output();
        assert_eq!((first, now(rx.recv())), (Ok(1), Ok(2)));
        assert_eq!(rx.try_recv(), Err(TryRecvError::Empty));
    }
    assert_eq!(tx.len(), 0);
}

#[test]
fn a_receiver_that_is_too_slow_is_told_how_many_it_has_missed() {
    // The break: `next` is not moved on in `Ring::take`.
    let (tx, mut slow) = channel(3);
    let mut fast = tx.subscribe();
    for value in 0..10 {
        tx.send(value).unwrap();
        assert_eq!(fast.try_recv(), Ok(value));
    }
    assert_eq!(slow.len(), 10);
    assert_eq!(slow.try_recv(), Err(TryRecvError::Lagged(7)));
    assert!((7..10).all(|value| slow.try_recv() == Ok(value)));
    assert_eq!(slow.try_recv(), Err(TryRecvError::Empty));
}

#[test]
fn the_end_of_one_side_wakes_the_other() {
    // The breaks: no `call_all` in the drop of `Sender`; nor in that of `Receiver`.
    let (tx, rx) = channel(1);
    let mut waiting = receiving(rx);
    drop(tx.clone());
    assert!(!waiting.is_woken());
    drop(tx);
    assert_eq!(waiting.output().0, Err(RecvError::Closed));
    let (tx, rx) = channel::<u32>(1);
    let watching = tx.clone();
    let mut closed = Hand::waiting(async move { watching.closed().await });
    drop(rx);
    closed.output();
    assert!(tx.send(1).is_err());
}

#[test]
fn values_are_received_after_the_end_of_their_sender() {
    // The break: the look at `senders` comes before that at the ring.
    let (tx, mut rx) = channel(2);
    tx.send(1).unwrap();
    drop(tx);
    assert!(rx.is_closed() && !rx.is_empty());
    assert_eq!(now(rx.recv()), Ok(1));
    assert_eq!(now(rx.recv()), Err(RecvError::Closed));
}

/// A value that counts its clones.
struct Counted(Rc<Cell<u32>>);

impl Clone for Counted {
    fn clone(&self) -> Self {
        self.0.set(self.0.get() + 1);
        Self(Rc::clone(&self.0))
    }
}

#[test]
fn the_last_receiver_gets_the_value_itself_and_nothing_of_it_stays() {
    // The break: no `retire_first` in `Ring::take`.
    let clones = Rc::new(Cell::new(0));
    let (tx, mut one) = channel(2);
    let mut two = tx.subscribe();
    tx.send(Counted(Rc::clone(&clones))).ok().unwrap();
    drop(one.try_recv().ok().unwrap());
    drop(two.try_recv().ok().unwrap());
    assert_eq!((clones.get(), Rc::strong_count(&clones)), (1, 1));
}

#[test]
fn what_only_a_dropped_receiver_had_to_see_is_dropped_with_it_also_when_it_panics() {
    // The breaks: no `leave` in the drop of `Receiver`; no `contain` there.
    let drops = Rc::new(Cell::new(0));
    let (tx, slow) = channel(5);
    let mut fast = tx.subscribe();
    for number in 0..4 {
        let bomb = if number == 1 { Bomb::armed(&drops) } else { Bomb::new(&drops) };
        assert!(tx.send(Rc::new(bomb)).is_ok());
        drop(fast.try_recv().unwrap());
    }
    assert_eq!(drops.get(), 0);
    drop(slow);
    assert_eq!((drops.get(), tx.len()), (4, 0));
    assert_eq!(tx.send(Rc::new(Bomb::new(&drops))).ok(), Some(1));
    drop(fast);
    assert_eq!(drops.get(), 5);
}

/// A value that does something when it is cloned.
struct OnClone(Rc<Acts>);

impl Clone for OnClone {
    fn clone(&self) -> Self {
        self.0.act();
        Self(Rc::clone(&self.0))
    }
}

#[test]
fn a_clone_may_use_the_channel_and_may_panic() {
    // The break: the clone is made under the ring's borrow in `Receiver::look`.
    let (tx, mut one) = channel(1);
    let mut two = tx.subscribe();
    let ours = tx.clone();
    let sends = Acts::new(move || drop(ours.send(OnClone(Rc::new(Acts::new(|| {}))))));
    tx.send(OnClone(Rc::new(sends))).ok().unwrap();
    drop(one.try_recv().ok().unwrap());
    assert_eq!(two.try_recv().err(), Some(TryRecvError::Lagged(1)), "the clone has sent another one");
    drop((one.try_recv().ok().unwrap(), two.try_recv().ok().unwrap()));
    tx.send(OnClone(Rc::new(Acts::new(|| panic!("in a clone"))))).ok().unwrap();
    assert!(panic_text(|| drop(one.try_recv())).contains("in a clone"));
    assert!(two.try_recv().is_ok());
    assert_eq!(one.try_recv().err(), Some(TryRecvError::Empty));
}

#[test]
fn a_channel_without_capacity_is_refused_in_words() {
    // The break: no assertion in `Sender::new`.
    assert!(panic_text(|| drop(channel::<()>(0))).contains("cannot be 0"));
}

#[test]
fn receivers_see_what_those_of_a_list_of_everything_see() {
    // The break: those of the tests above; a receiver that leaves is counted for what it has seen, too.
    const CAPACITY: u64 = 5;
    let mut random = Random::new();
    let tx = Sender::new(CAPACITY as usize);
    // What was sent is the numbers from zero; a receiver is to see the one at its position next.
    let mut sent = 0_u64;
    let mut receivers: Vec<(Receiver<u64>, u64)> = Vec::new();
    for _ in 0..20_000 {
        let at = random.below(receivers.len().max(1) as u64) as usize;
        match random.below(10) {
            0 if receivers.len() < 6 => receivers.push((tx.subscribe(), sent)),
            1 if at < receivers.len() => drop(receivers.swap_remove(at)),
            2..=4 => match tx.send(sent) {
                Ok(count) => {
                    assert_eq!(count, receivers.len());
                    sent += 1;
                }
                Err(_) => assert!(receivers.is_empty()),
            },
            _ if at < receivers.len() => {
                let (receiver, next) = &mut receivers[at];
                let oldest = sent.saturating_sub(CAPACITY);
                match receiver.try_recv() {
                    Ok(value) => {
                        assert!(value == *next && *next >= oldest);
                        *next += 1;
                    }
                    Err(TryRecvError::Lagged(missed)) => {
                        assert_eq!(*next + missed, oldest);
                        *next = oldest;
                    }
                    Err(TryRecvError::Empty) => assert_eq!(*next, sent),
                    Err(TryRecvError::Closed) => panic!("it is open"),
                }
            }
            _ => {}
        }
        let slowest = receivers.iter().map(|(_, next)| *next).min().unwrap_or(sent);
        assert_eq!(tx.len() as u64, (sent - slowest).min(CAPACITY));
    }
}
