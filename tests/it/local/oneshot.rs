//! The channel for one value: every short sequence of what both sides can do.

use std::cell::Cell;
use std::rc::Rc;
use std::task::Poll;

use uring::local::oneshot::error::TryRecvError;
use uring::local::oneshot::{Receiver, Sender, channel};

use super::{Bomb, Hand, now};
use crate::kit::{panic_text, poll_idly};

#[test]
fn the_receiver_is_woken_by_the_value_and_by_the_end_of_the_sender() {
    // The break: no `wake` in the drop of `Sender`.
    let (tx, rx) = channel();
    let mut receiving = Hand::waiting(rx);
    tx.send(1).unwrap();
    assert_eq!(receiving.output(), Ok(1));
    let (tx, rx) = channel::<u32>();
    let mut receiving = Hand::waiting(rx);
    drop(tx);
    assert!(receiving.output().is_err());
}

#[test]
fn the_sender_is_woken_by_the_end_of_the_receiver() {
    // The break: no `wake` in `Receiver::close`.
    for is_dropped in [false, true] {
        let (mut tx, rx) = channel::<u32>();
        let mut rx = Some(rx);
        let mut closed = Hand::waiting(async move {
            tx.closed().await;
            tx
        });
        if is_dropped {
            rx = None;
        } else {
            rx.as_mut().unwrap().close();
        }
        assert_eq!(closed.output().send(1), Err(1));
        drop(rx);
    }
}

#[test]
fn a_value_that_nobody_takes_is_dropped_with_the_receiver_also_when_it_panics() {
    // The break: `mem::forget` instead of `drop` in the drop of `Receiver`.
    let drops = Rc::new(Cell::new(0));
    let (tx, rx) = channel();
    assert!(tx.send(Bomb::new(&drops)).is_ok());
    drop(rx);
    assert_eq!(drops.get(), 1);
    let (tx, rx) = channel();
    assert!(tx.send(Bomb::armed(&drops)).is_ok());
    assert!(panic_text(|| drop(rx)).contains("goes off"));
    assert_eq!(drops.get(), 2);
}

/// What the channel is to be after what was done.
#[derive(Default)]
struct Model {
    value: Option<u32>,
    is_closed: bool,
}

struct Both {
    tx: Option<Sender<u32>>,
    rx: Option<Receiver<u32>>,
    model: Model,
}

impl Both {
    fn step(&mut self, step: u32) {
        match step {
            0 => {
                if let Some(tx) = self.tx.take() {
                    let sent = tx.send(7);
                    assert_eq!(sent, if self.model.is_closed { Err(7) } else { Ok(()) });
                    self.model.value = sent.ok().map(|()| 7);
                }
            }
            1 => self.tx = None,
            2 => {
                if let Some(rx) = &mut self.rx {
                    rx.close();
                    self.model.is_closed = true;
                }
            }
            3 => {
                self.model.is_closed |= self.rx.take().is_some();
                self.model.value = None;
            }
            4 => {
                let Some(rx) = &mut self.rx else { return };
                let found = rx.try_recv();
                let is_over = self.tx.is_none() || self.model.is_closed;
                let nothing = if is_over { TryRecvError::Closed } else { TryRecvError::Empty };
                assert_eq!(found, self.model.value.take().ok_or(nothing));
            }
            _ => {
                let Some(rx) = &mut self.rx else { return };
                let is_over = self.tx.is_none() || self.model.is_closed;
                match poll_idly(std::pin::Pin::new(rx)) {
                    Poll::Ready(Ok(value)) => assert_eq!(Some(value), self.model.value.take()),
                    Poll::Ready(Err(_)) => assert!(is_over && self.model.value.is_none()),
                    Poll::Pending => assert!(!is_over && self.model.value.is_none()),
                }
            }
        }
        assert!(self.tx.as_ref().is_none_or(|tx| tx.is_closed() == self.model.is_closed));
    }
}

#[test]
fn every_sequence_of_six_steps_does_what_a_simple_channel_does() {
    // The break: no look at `is_closed` in `Sender::send`.
    for sequence in 0..6_u32.pow(6) {
        let (tx, rx) = channel();
        let mut both = Both { tx: Some(tx), rx: Some(rx), model: Model::default() };
        (0..6).for_each(|at| both.step(sequence / 6_u32.pow(at) % 6));
    }
}

#[test]
fn a_receiver_is_awaited_by_reference_and_again() {
    // The break: the value is cleared when a poll finds nothing.
    let (tx, mut rx) = channel();
    assert!(poll_idly(std::pin::pin!(async { (&mut rx).await })).is_pending());
    tx.send(3).unwrap();
    assert_eq!(now(&mut rx), Ok(3));
    assert!(now(&mut rx).is_err(), "it was taken");
}
