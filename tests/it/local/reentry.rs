//! Code of users that runs in the middle of everything: wakers and drops that use the very thing that calls them.

use std::cell::{Cell, RefCell};
use std::future::poll_fn;
use std::pin::Pin;
use std::rc::Rc;
use std::sync::Arc;
use std::task::{Context, Wake, Waker};

use uring::local::broadcast::error::RecvError;
use uring::local::{Mutex, Notify, RwLock, Semaphore, broadcast, mpsc, oneshot, watch};

use super::{Acts, Hand, Wakes, acting_waker, now};

type Waits = Pin<Box<dyn Future<Output = ()>>>;

/// Something that can be waited for.
struct Case {
    what: &'static str,
    wait: Waits,
    /// Ends the wait.
    wake: Box<dyn FnOnce()>,
    /// What a waker does to it meanwhile.
    meanwhile: Rc<dyn Fn()>,
}

fn case(
    what: &'static str,
    wait: impl Future<Output = ()> + 'static,
    wake: impl FnOnce() + 'static,
    meanwhile: impl Fn() + 'static,
) -> Case {
    Case { what, wait: Box::pin(wait), wake: Box::new(wake), meanwhile: Rc::new(meanwhile) }
}

fn everything() -> impl Iterator<Item = Case> {
    synchronisation().into_iter().chain(channels())
}

fn synchronisation() -> [Case; 4] {
    let semaphore = Rc::new(Semaphore::new(0));
    let (one, two, three) = (Rc::clone(&semaphore), Rc::clone(&semaphore), semaphore);
    let wait = async move { one.acquire().await.unwrap().forget() };
    let semaphore = case("semaphore", wait, move || two.add_permits(1), move || use_semaphore(&three));

    let notify = Rc::new(Notify::new());
    let (one, two, three) = (Rc::clone(&notify), Rc::clone(&notify), notify);
    let wait = async move { one.notified().await };
    let notify = case("notify", wait, move || two.notify_waiters(), move || use_notify(&three));

    let lock = Rc::new(Mutex::new(0));
    let (one, two, held) = (Rc::clone(&lock), Rc::clone(&lock), now(Rc::clone(&lock).lock_owned()));
    let wait = async move { *one.lock().await += 1 };
    let meanwhile = move || assert!(two.try_lock().is_err(), "it is somebody's turn");
    let mutex = case("mutex", wait, move || drop(held), meanwhile);

    let lock = Rc::new(RwLock::new(0));
    let (one, two, held) = (Rc::clone(&lock), Rc::clone(&lock), now(Rc::clone(&lock).read_owned()));
    let wait = async move { *one.write().await += 1 };
    let meanwhile = move || assert!(two.try_write().is_err(), "somebody has it, or it is somebody's turn");
    let rwlock = case("rwlock", wait, move || drop(held), meanwhile);
    [semaphore, notify, mutex, rwlock]
}

fn channels() -> [Case; 5] {
    let (tx, rx) = oneshot::channel();
    let once = case("oneshot", async move { rx.await.unwrap() }, move || tx.send(()).unwrap(), || {});

    let (tx, mut rx) = mpsc::channel(8);
    let other = tx.clone();
    let meanwhile = move || {
        other.try_send(()).unwrap();
        other.try_reserve().unwrap().send(());
    };
    let wait = async move { rx.recv().await.unwrap() };
    let receive = case("receive", wait, move || tx.try_send(()).unwrap(), meanwhile);

    let (tx, rx) = mpsc::channel(1);
    tx.try_send(()).unwrap();
    let (one, rx) = (tx.clone(), Rc::new(RefCell::new(rx)));
    let ours = Rc::clone(&rx);
    let take = move || ours.borrow_mut().try_recv().unwrap();
    let meanwhile = move || assert!(tx.try_send(()).is_err() && Rc::strong_count(&rx) > 0);
    let send = case("send", async move { one.send(()).await.unwrap() }, take, meanwhile);

    let (tx, mut rx) = watch::channel(0);
    let other = tx.clone();
    let meanwhile = move || other.send_modify(|value| *value += 1);
    let wait = async move { rx.changed().await.unwrap() };
    let watch = case("watch", wait, move || tx.send(1).unwrap(), meanwhile);

    let (tx, mut rx) = broadcast::channel(1);
    let other = tx.clone();
    let meanwhile = move || assert!(other.send(2).is_ok_and(|_| other.subscribe().is_empty()));
    let wait = async move { assert_ne!(rx.recv().await, Err(RecvError::Closed)) };
    let wake = move || assert_eq!(tx.send(1), Ok(1));
    [once, receive, send, watch, case("broadcast", wait, wake, meanwhile)]
}

fn use_semaphore(semaphore: &Rc<Semaphore>) {
    drop(Hand::waiting(Rc::clone(semaphore).acquire_owned()));
    semaphore.add_permits(1);
    semaphore.forget_permits(1);
}

fn use_notify(notify: &Rc<Notify>) {
    let ours = Rc::clone(notify);
    let mut waiting = Hand::waiting(async move { ours.notified().await });
    notify.notify_waiters();
    notify.notify_one();
    waiting.output();
    now(notify.notified());
}

#[test]
fn a_waker_may_use_what_wakes_it() {
    // The break: the waker is woken under the borrow in `Line::call_first` or `Line::call_all`.
    for Case { what, mut wait, wake, meanwhile } in everything() {
        let calls = Rc::new(Cell::new(0));
        let counted = Rc::clone(&calls);
        let waker = acting_waker(move || {
            // Counted last: what panics in a waker is not seen otherwise.
            meanwhile();
            counted.set(counted.get() + 1);
        });
        assert!(wait.as_mut().poll(&mut Context::from_waker(&waker)).is_pending(), "{what}");
        wake();
        assert_eq!(calls.get(), 1, "{what}");
        assert!(wait.as_mut().poll(&mut Context::from_waker(&waker)).is_ready(), "{what}");
    }
}

#[test]
fn the_waker_of_the_last_poll_is_the_one_that_is_woken() {
    // The breaks: no `replace` in `Inner::take_called_or_replace`; nor in `Seat::sit`.
    for Case { what, mut wait, wake, .. } in everything() {
        let wakers: [Arc<Wakes>; 3] = Default::default();
        for waker in wakers.iter().chain(&wakers[..2]) {
            let waker = Waker::from(Arc::clone(waker));
            assert!(wait.as_mut().poll(&mut Context::from_waker(&waker)).is_pending(), "{what}");
        }
        wake();
        assert_eq!(wakers.map(|waker| waker.count()), [0, 1, 0], "{what}");
    }
}

#[test]
fn a_waker_that_panics_costs_nobody_else_a_wake() {
    // The break: `wake` instead of `wake_contained` in `Line::call_all`, `Line::call_first` or `Seat::wake`.
    for Case { what, mut wait, wake, .. } in everything() {
        let waker = acting_waker(|| panic!("in a waker"));
        assert!(wait.as_mut().poll(&mut Context::from_waker(&waker)).is_pending(), "{what}");
        wake();
        assert!(wait.as_mut().poll(&mut Context::from_waker(&waker)).is_ready(), "{what}");
    }
    let notify = Rc::new(Notify::new());
    let mut first = Box::pin(notify.notified());
    let waker = acting_waker(|| panic!("in a waker"));
    assert!(first.as_mut().poll(&mut Context::from_waker(&waker)).is_pending());
    let ours = Rc::clone(&notify);
    let mut second = Hand::waiting(async move { ours.notified().await });
    notify.notify_waiters();
    second.output();
}

thread_local! {
    static ON_DROP: RefCell<Option<Rc<dyn Fn()>>> = const { RefCell::new(None) };
}

/// A waker that does something on this thread when it is dropped.
struct ActsInDrop;

impl Wake for ActsInDrop {
    fn wake(self: Arc<Self>) {}
}

impl Drop for ActsInDrop {
    fn drop(&mut self) {
        let act = ON_DROP.with_borrow(Option::clone);
        if let Some(act) = act {
            act();
        }
    }
}

#[test]
fn a_waker_that_is_dropped_may_use_what_kept_it_and_may_panic() {
    // The breaks: the waker is dropped under the borrow in `Line::stay`; or by `drop` instead of `drop_contained`.
    for Case { what, mut wait, wake, meanwhile } in everything() {
        let drops = Rc::new(Cell::new(0));
        let mut poll = |waker: &Waker| wait.as_mut().poll(&mut Context::from_waker(waker));
        for round in 1..=2 {
            assert!(poll(&Waker::from(Arc::new(ActsInDrop))).is_pending(), "{what}");
            let (counted, meanwhile) = (Rc::clone(&drops), Rc::clone(&meanwhile));
            ON_DROP.set(Some(Rc::new(move || {
                if round == 2 {
                    meanwhile();
                }
                counted.set(counted.get() + 1);
                assert_ne!(round, 1, "in the drop of a waker");
            })));
            // Another waker takes its place. What the drop does may have ended the wait.
            let is_pending = poll(Waker::noop()).is_pending();
            ON_DROP.set(None);
            assert_eq!(drops.get(), round, "{what}");
            if round == 2 && is_pending {
                wake();
                assert!(poll(Waker::noop()).is_ready(), "{what}");
                break;
            }
        }
    }
}

#[test]
fn a_waker_that_is_dropped_with_its_future_may_use_what_kept_it() {
    // The break: the waker is dropped under the borrow in `Line::leave`.
    // The two that are left out keep the waker as long as the channel.
    for Case { what, mut wait, meanwhile, .. } in everything().filter(|case| !is_seat(case)) {
        let waker = Waker::from(Arc::new(ActsInDrop));
        assert!(wait.as_mut().poll(&mut Context::from_waker(&waker)).is_pending(), "{what}");
        drop(waker);
        let drops = Rc::new(Cell::new(0));
        let counted = Rc::clone(&drops);
        ON_DROP.set(Some(Rc::new(move || {
            meanwhile();
            counted.set(counted.get() + 1);
        })));
        drop(wait);
        ON_DROP.set(None);
        assert_eq!(drops.get(), 1, "{what}");
    }
}

fn is_seat(case: &Case) -> bool {
    matches!(case.what, "oneshot" | "receive")
}

#[test]
fn a_value_that_is_dropped_with_the_receiver_may_use_the_channel() {
    // The break: `close` comes after the values in `Queue::abandon`.
    let (tx, rx) = mpsc::unbounded_channel();
    let refused = Rc::new(Cell::new(0));
    for _ in 0..3 {
        let (ours, refused) = (tx.clone(), Rc::clone(&refused));
        let value = Acts::new(move || {
            if ours.is_closed() && ours.send(Acts::new(|| {})).is_err() {
                refused.set(refused.get() + 1);
            }
        });
        tx.send(value).ok().unwrap();
    }
    drop(rx);
    assert_eq!(refused.get(), 3);
}

#[test]
fn a_line_may_be_used_while_all_in_it_are_woken() {
    // The break: `call_all` looks again for who has come meanwhile, and never ends.
    let notify = Rc::new(Notify::new());
    let again: Rc<RefCell<Vec<Hand<()>>>> = Rc::default();
    let mut waiting: Vec<Waits> = (0..10)
        .map(|_| {
            let notify = Rc::clone(&notify);
            let wait: Waits = Box::pin(async move { notify.notified().await });
            wait
        })
        .collect();
    let (ours, all) = (Rc::clone(&notify), Rc::clone(&again));
    let waker = acting_waker(move || {
        let notify = Rc::clone(&ours);
        all.borrow_mut().push(Hand::waiting(async move { notify.notified().await }));
    });
    for wait in &mut waiting {
        assert!(wait.as_mut().poll(&mut Context::from_waker(&waker)).is_pending());
    }
    notify.notify_waiters();
    assert_eq!(again.borrow().len(), 10);
    assert!(again.borrow().iter().all(|late| !late.is_woken()), "they came later");
    for wait in &mut waiting {
        now(poll_fn(|cx| wait.as_mut().poll(cx)));
    }
}
