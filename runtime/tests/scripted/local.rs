//! Channels and synchronisation within a core, whose users' wakers do something when they are cloned: that is the moment
//! between the look at what is there and the wait for it. No ring is needed.

use std::cell::RefCell;
use std::pin::Pin;
use std::rc::Rc;
use std::task::{Poll, Waker};

use uring_runtime::local::{Notify, Semaphore, broadcast, mpsc, oneshot, watch};

use crate::support::poll_with;
use crate::wakers::acting_when_cloned;

/// Something that can be waited for, and what ends the wait.
type Case = (&'static str, Pin<Box<dyn Future<Output = ()>>>, Box<dyn FnOnce()>);

fn everything() -> Vec<Case> {
    let mut all: Vec<Case> = Vec::new();
    let semaphore = Rc::new(Semaphore::new(0));
    let other = Rc::clone(&semaphore);
    let wait = async move { drop(semaphore.acquire().await) };
    all.push(("semaphore", Box::pin(wait), Box::new(move || other.add_permits(1))));

    let notify = Rc::new(Notify::new());
    let other = Rc::clone(&notify);
    all.push((
        "notify",
        Box::pin(async move { notify.notified().await }),
        Box::new(move || other.notify_one()),
    ));

    let (tx, rx) = oneshot::channel();
    let wait = async move { assert_eq!(rx.await, Ok(1)) };
    all.push(("oneshot", Box::pin(wait), Box::new(move || assert_eq!(tx.send(1), Ok(())))));

    let (tx, mut rx) = mpsc::channel(1);
    let wait = async move { assert_eq!(rx.recv().await, Some(1)) };
    all.push(("receive", Box::pin(wait), Box::new(move || assert!(tx.try_send(1).is_ok()))));

    let (tx, rx) = mpsc::channel(1);
    assert!(tx.try_send(1).is_ok());
    let rx = Rc::new(RefCell::new(rx));
    let other = Rc::clone(&rx);
    let wait = async move { assert!(tx.send(2).await.is_ok() && other.borrow().len() == 1) };
    all.push(("send", Box::pin(wait), Box::new(move || assert_eq!(rx.borrow_mut().try_recv(), Ok(1)))));

    let (tx, mut rx) = watch::channel(0);
    let wait = async move { assert!(rx.changed().await.is_ok()) };
    all.push(("watch", Box::pin(wait), Box::new(move || assert!(tx.send(1).is_ok()))));

    let (tx, mut rx) = broadcast::channel(1);
    let wait = async move { assert_eq!(rx.recv().await, Ok(1)) };
    all.push(("broadcast", Box::pin(wait), Box::new(move || assert_eq!(tx.send(1), Ok(1)))));
    all
}

/// A waker whose first clone ends the wait.
fn ending(end: Box<dyn FnOnce()>) -> Waker {
    let end = RefCell::new(Some(end));
    acting_when_cloned(move || {
        let end = end.borrow_mut().take();
        if let Some(end) = end {
            end();
        }
    })
}

/// D6. The breaks: no second look in `Line::enter` or `Seat::sit`; the clone is made within the borrow.
#[test]
fn what_happens_while_a_waker_is_cloned_is_not_overlooked() {
    for (what, mut wait, end) in everything() {
        let polled = poll_with(&mut wait, &ending(end));
        assert_eq!(polled, Poll::Ready(()), "{what}: nobody would wake it any more");
    }
}

/// D6. The breaks: no second look in `Line::stay` (`take_called_or_replace`); the clone is made within the borrow.
#[test]
fn what_happens_while_a_waker_takes_anothers_place_is_not_overlooked() {
    for (what, mut wait, end) in everything() {
        assert_eq!(poll_with(&mut wait, Waker::noop()), Poll::Pending, "{what}");
        let polled = poll_with(&mut wait, &ending(end));
        assert_eq!(polled, Poll::Ready(()), "{what}: the other waker was woken for it");
    }
}
