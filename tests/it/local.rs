//! Channels and synchronisation within a core (hazard D6): what the tests share.
//!
//! Most of them poll by hand, with wakers of their own: no runtime is needed, and none is there.

mod broadcast;
mod locks;
mod mpsc;
mod mpsc_model;
mod notify;
mod oneshot;
mod reentry;
mod semaphore;
mod watch;

use std::cell::{Cell, RefCell};
use std::pin::Pin;
use std::rc::Rc;
use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};
use std::task::{Context, Poll, Wake, Waker};

/// A waker that counts.
#[derive(Default)]
pub(super) struct Wakes(AtomicU32);

impl Wakes {
    pub(super) fn count(&self) -> u32 {
        self.0.load(Ordering::Relaxed)
    }
}

impl Wake for Wakes {
    fn wake(self: Arc<Self>) {
        self.0.fetch_add(1, Ordering::Relaxed);
    }
}

/// A future that is polled by hand, with a waker of its own.
pub(super) struct Hand<T> {
    future: Pin<Box<dyn Future<Output = T>>>,
    wakes: Arc<Wakes>,
}

impl<T> Hand<T> {
    pub(super) fn new(future: impl Future<Output = T> + 'static) -> Self {
        Self { future: Box::pin(future), wakes: Arc::default() }
    }

    /// A future that waits: it was polled once.
    #[track_caller]
    pub(super) fn waiting(future: impl Future<Output = T> + 'static) -> Self {
        let mut hand = Self::new(future);
        assert!(hand.poll().is_pending(), "it is to wait");
        hand
    }

    pub(super) fn poll(&mut self) -> Poll<T> {
        let waker = Waker::from(Arc::clone(&self.wakes));
        self.future.as_mut().poll(&mut Context::from_waker(&waker))
    }

    /// The output of a future that was woken and is ready.
    #[track_caller]
    pub(super) fn output(&mut self) -> T {
        assert!(self.is_woken(), "it is to be woken");
        match self.poll() {
            Poll::Ready(output) => output,
            Poll::Pending => panic!("it is to be ready"),
        }
    }

    pub(super) fn is_woken(&self) -> bool {
        self.wakes.count() > 0
    }
}

/// The output of a future that is ready at its first poll.
#[track_caller]
pub(super) fn now<T>(future: impl Future<Output = T>) -> T {
    match crate::kit::poll_idly(std::pin::pin!(future)) {
        Poll::Ready(output) => output,
        Poll::Pending => panic!("it is to be ready at once"),
    }
}

/// A value that does something when it is dropped, cloned or woken, once.
pub(super) struct Acts(RefCell<Option<Box<dyn FnOnce()>>>);

impl Acts {
    pub(super) fn new(act: impl FnOnce() + 'static) -> Self {
        Self(RefCell::new(Some(Box::new(act))))
    }

    pub(super) fn act(&self) {
        let act = self.0.borrow_mut().take();
        if let Some(act) = act {
            act();
        }
    }
}

impl Drop for Acts {
    fn drop(&mut self) {
        self.act();
    }
}

thread_local! {
    /// What the wakers of [`acting_waker`] do on this thread.
    static ON_WAKE: RefCell<Option<Rc<dyn Fn()>>> = const { RefCell::new(None) };
}

struct ActingWaker;

impl Wake for ActingWaker {
    fn wake(self: Arc<Self>) {
        let act = ON_WAKE.with_borrow(Option::clone);
        if let Some(act) = act {
            act();
        }
    }
}

/// A waker that does something on this thread, each time it is woken.
pub(super) fn acting_waker(act: impl Fn() + 'static) -> Waker {
    ON_WAKE.set(Some(Rc::new(act)));
    Waker::from(Arc::new(ActingWaker))
}

/// A value whose drops are counted, and which panics when it is dropped if it was armed.
pub(super) struct Bomb {
    drops: Rc<Cell<u32>>,
    is_armed: bool,
}

impl Bomb {
    pub(super) fn new(drops: &Rc<Cell<u32>>) -> Self {
        Self { drops: Rc::clone(drops), is_armed: false }
    }

    pub(super) fn armed(drops: &Rc<Cell<u32>>) -> Self {
        Self { drops: Rc::clone(drops), is_armed: true }
    }
}

impl Drop for Bomb {
    fn drop(&mut self) {
        self.drops.set(self.drops.get() + 1);
        assert!(!self.is_armed, "a bomb goes off");
    }
}
