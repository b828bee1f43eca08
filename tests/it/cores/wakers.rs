//! Wakers of users in channels: they may panic, and use the channel wherever they are woken or dropped.

use std::future::pending;
use std::pin::Pin;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::task::{Context, Poll, Wake, Waker};

use uring::sync::{CancellationToken, TryRecvError, mpsc, oneshot};

use super::spawn::{Core, Left};
use crate::kit::without_panic_messages;
use crate::support::{alone, watched};

/// Panics when it is woken.
struct Bomb;

impl Wake for Bomb {
    fn wake(self: Arc<Self>) {
        panic!("a waker that panics");
    }
}

/// Counts how often it is woken.
#[derive(Default)]
pub(super) struct Count(pub(super) AtomicUsize);

impl Wake for Count {
    fn wake(self: Arc<Self>) {
        self.0.fetch_add(1, Ordering::SeqCst);
    }
}

/// Polls a future once.
pub(super) fn poll<F: Future + Unpin>(future: &mut F, waker: &Waker) -> Poll<F::Output> {
    Pin::new(future).poll(&mut Context::from_waker(waker))
}

/// A18, D6. The break: in `prims::wake`, `if !contain(|| waker.wake()) {` becomes `if { waker.wake(); false } {`.
#[test]
fn a_waker_that_panics_costs_no_other_its_wake_and_no_value() {
    alone(|_random| {
        without_panic_messages();
        let (bomb, count) = (Waker::from(Arc::new(Bomb)), Arc::new(Count::default()));
        let waker = Waker::from(Arc::clone(&count));
        let (sender, mut receiver) = mpsc::channel(1);
        assert!(poll(&mut Box::pin(receiver.recv()), &bomb).is_pending());
        sender.try_send(1).unwrap();
        let (mut first, mut second) = (Box::pin(sender.send(2)), Box::pin(sender.send(3)));
        assert!(poll(&mut first, &bomb).is_pending() && poll(&mut second, &waker).is_pending());
        // The first one is let go, and the value is there.
        assert_eq!(receiver.try_recv(), Ok(1));
        assert_eq!(count.0.load(Ordering::SeqCst), 0);
        drop(first);
        assert_eq!(count.0.load(Ordering::SeqCst), 1, "the turn is passed on");
        let mut third = Box::pin(sender.send(4));
        assert!(poll(&mut third, &bomb).is_pending());
        let mut fourth = Box::pin(sender.send(5));
        assert!(poll(&mut fourth, &waker).is_pending());
        receiver.close();
        assert_eq!(count.0.load(Ordering::SeqCst), 2, "a close wakes those behind it");
    });
}

type Kept = Arc<Mutex<Option<oneshot::Receiver<u32>>>>;

/// Looks into a channel when it is dropped.
struct Looks(Kept, Arc<AtomicUsize>);

impl Wake for Looks {
    fn wake(self: Arc<Self>) {}
}

impl Drop for Looks {
    fn drop(&mut self) {
        if let Some(receiver) = &mut *self.0.lock().unwrap() {
            let _: Result<u32, TryRecvError> = receiver.try_recv();
            self.1.fetch_add(1, Ordering::SeqCst);
        }
    }
}

/// A18. The break: in `oneshot::Sender::send`, `let _own = mem::replace(&mut state.sender, Side::Gone);` becomes
/// `state.sender = Side::Gone;`: the test hangs.
#[test]
fn a_waker_that_is_dropped_by_a_send_may_use_the_channel() {
    watched(|_random| {
        let (mut sender, receiver) = oneshot::channel();
        let (kept, looks) = (Kept::default(), Arc::new(AtomicUsize::new(0)));
        *kept.lock().unwrap() = Some(receiver);
        let waker = Waker::from(Arc::new(Looks(Arc::clone(&kept), Arc::clone(&looks))));
        assert!(poll(&mut Box::pin(sender.closed()), &waker).is_pending());
        drop(waker);
        sender.send(1).unwrap();
        assert_eq!(looks.load(Ordering::SeqCst), 1);
    });
}

/// D7. The break: in the drop of `RemoteJoinHandle`, `self.0.leave();` goes.
#[test]
fn a_handle_that_goes_leaves_no_waker_with_its_task() {
    watched(|_random| {
        let core = Core::start();
        let count = Arc::new(Count::default());
        let waker = Waker::from(Arc::clone(&count));
        let mut task = core.handle.spawn(pending::<()>);
        assert!(poll(&mut task, &waker).is_pending());
        assert_eq!(Arc::strong_count(&count), 3, "it waits");
        drop(task);
        assert_eq!(Arc::strong_count(&count), 2);
        core.end(Left::Tasks);
    });
}

/// D7. The break: `drop(self.take());` goes from `Sleeper::leave`.
#[test]
fn a_receiver_or_a_sender_that_goes_leaves_no_waker_behind() {
    watched(|_random| {
        let count = Arc::new(Count::default());
        let waker = Waker::from(Arc::clone(&count));
        let (sender, mut receiver) = mpsc::channel::<u32>(1);
        assert!(poll(&mut Box::pin(receiver.recv()), &waker).is_pending());
        assert_eq!(Arc::strong_count(&count), 3, "it waits");
        drop(receiver);
        assert_eq!(Arc::strong_count(&count), 2);
        drop(sender);
        let (sender, mut receiver) = mpsc::channel(1);
        sender.try_send(1).unwrap();
        let mut send = Box::pin(sender.send(2));
        assert!(poll(&mut send, &waker).is_pending());
        assert_eq!(Arc::strong_count(&count), 3, "it waits");
        drop(send);
        assert_eq!(Arc::strong_count(&count), 2);
        assert_eq!(receiver.try_recv(), Ok(1));
    });
}

/// A18, C14. The break: in `CancellationToken::cancel`, `for_each(wake)` becomes `for_each(Waker::wake)`.
#[test]
fn a_waker_that_panics_keeps_no_other_from_hearing_of_a_cancel() {
    alone(|_random| {
        without_panic_messages();
        let (bomb, count) = (Waker::from(Arc::new(Bomb)), Arc::new(Count::default()));
        let waker = Waker::from(Arc::clone(&count));
        let token = CancellationToken::new();
        let child = token.child_token();
        let (mut first, mut second, mut below) = (token.cancelled(), token.cancelled(), child.cancelled());
        assert!(poll(&mut first, &bomb).is_pending() && poll(&mut second, &waker).is_pending());
        assert!(poll(&mut below, &waker).is_pending());
        token.cancel();
        assert_eq!(count.0.load(Ordering::SeqCst), 2);
        assert!(child.is_cancelled());
    });
}
