//! Wakers of the user's own: they may call into the runtime wherever they are woken or dropped.
//!
//! A waker that is dropped can drop a task, and with it a socket, a timer, a future in flight: so no waker may be
//! dropped while the core's state is borrowed.

#![allow(unsafe_code, reason = "a waker whose clone can be watched needs a table of its own")]

use std::cell::RefCell;
use std::pin::Pin;
use std::rc::Rc;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::task::{RawWaker, RawWakerVTable, Wake, Waker};
use std::time::Duration;

use uring_runtime::io::Receiver;
use uring_runtime::task::spawn;
use uring_runtime::time::{Instant, sleep};
use uring_sys_shim::opcode;

use crate::support::{Rig, all, answer, cancels_win, file, poll, poll_with, quiet, receiver, socket};

/// Calls into every part of the runtime when it is woken and when it is dropped, and counts how often it got through.
struct Caller(Arc<AtomicUsize>);

/// How often all [`Caller`]s of one count got through.
#[derive(Clone, Default)]
struct Calls(Arc<AtomicUsize>);

impl Calls {
    fn waker(&self) -> Waker {
        Waker::from(Arc::new(Caller(Arc::clone(&self.0))))
    }

    fn count(&self) -> usize {
        self.0.load(Ordering::Relaxed)
    }
}

thread_local! {
    /// The socket whose wakers are tried: they use the very socket that keeps them.
    static SOCKET: RefCell<Option<Rc<Receiver>>> = const { RefCell::new(None) };
}

/// Something of each kind is begun and dropped.
fn call_everything() {
    if let Some(receiver) = SOCKET.with_borrow(Clone::clone) {
        drop(receiver.recv());
        let mut recv = receiver.recv();
        let _ = poll(&mut recv);
    }
    let _ = uring_runtime::stats();
    let mut sleep = Box::pin(sleep(Duration::from_secs(1)));
    assert!(poll(&mut sleep).is_pending());
    sleep.as_mut().reset(Instant::now());
    drop(sleep);
    drop(spawn(async {}));
    let file = file();
    assert!(poll(&mut Box::pin(file.read_at(Vec::with_capacity(8), 0))).is_pending());
    assert!(poll(&mut receiver().recv()).is_pending());
}

impl Wake for Caller {
    fn wake(self: Arc<Self>) {
        call_everything();
        self.0.fetch_add(1, Ordering::Relaxed);
    }
}

impl Drop for Caller {
    fn drop(&mut self) {
        // The runtime's end drops what is left, on a thread that may have none any more.
        if uring_runtime::is_running() {
            call_everything();
            self.0.fetch_add(1, Ordering::Relaxed);
        }
    }
}

/// Polls with one waker, then with another, then drops the future; each waker is dropped at some point.
async fn replace_and_drop<F: Future>(name: &str, future: impl Fn() -> F) {
    let calls = Calls::default();
    let mut first: Pin<Box<F>> = Box::pin(future());
    for _ in 0..3 {
        let waker = calls.waker();
        assert!(poll_with(&mut first, &waker).is_pending(), "{name}");
        quiet().await;
    }
    drop(first);
    quiet().await;
    assert_eq!(calls.count(), 3, "{name}: each waker was dropped, and got through");
}

/// A18, invariant 5. The breaks: `Records::poll`, `Records::abandon`, `Timers::poll` or `Line::poll_enter` drops the old
/// waker while the driver, the timers or the line are borrowed.
#[test]
fn a_waker_that_is_replaced_or_dropped_may_call_into_the_runtime() {
    let rig = Rig::new();
    rig.run(async |_script| {
        let file = Rc::new(file());
        replace_and_drop("a file's read", || {
            let file = Rc::clone(&file);
            async move { file.read_at(Vec::with_capacity(8), 0).await }
        })
        .await;
        let (receiver, sender, _peer) = socket();
        replace_and_drop("a large read", || receiver.read(Vec::with_capacity(1000))).await;
        replace_and_drop("a receive", || receiver.recv()).await;
        let receiver = Rc::new(receiver);
        SOCKET.set(Some(Rc::clone(&receiver)));
        let mut head = receiver.recv();
        assert!(poll(&mut head).is_pending());
        replace_and_drop("a receive in the line", || receiver.recv()).await;
        SOCKET.set(None);
        replace_and_drop("a sleep", || sleep(Duration::from_secs(3600))).await;
        replace_and_drop("a join", || spawn(std::future::pending::<()>())).await;
        replace_and_drop("a write", || sender.write_all(vec![1; 8])).await;
        rig.close_descriptors();
    });
    rig.end_with_things_held();
}

/// A18, invariant 5. The breaks: `settle` or `fire_timers` wakes while the driver or the timers are borrowed.
#[test]
fn a_waker_that_is_woken_may_call_into_the_runtime() {
    let rig = Rig::new();
    rig.run(async |script| {
        let calls = Calls::default();
        let file = file();
        let mut read = Box::pin(file.read_at(Vec::with_capacity(8), 0));
        assert!(poll_with(&mut read, &calls.waker()).is_pending());
        let mut slept = Box::pin(sleep(Duration::from_nanos(1)));
        assert!(poll_with(&mut slept, &calls.waker()).is_pending());
        let mut join = spawn(async {});
        assert!(poll_with(&mut join, &calls.waker()).is_pending());
        let (receiver, _sender, _peer) = socket();
        let mut large = receiver.read(Vec::with_capacity(1000));
        assert!(poll_with(&mut large, &calls.waker()).is_pending());
        let mut behind = receiver.recv();
        assert!(poll_with(&mut behind, &calls.waker()).is_pending());
        quiet().await;
        quiet().await;
        let both = [all(script, opcode::READ)[0], all(script, opcode::RECV)[0]];
        both.iter().for_each(|sqe| answer(script, sqe, b"bytes"));
        quiet().await;
        assert!(poll(&mut read).is_ready() && poll(&mut slept).is_ready() && poll(&mut join).is_ready());
        assert!(poll(&mut large).is_ready(), "it leaves the line, and calls the next");
        assert!(poll(&mut behind).is_pending());
        drop(behind);
        // Each of the five was woken, and dropped behind that.
        assert_eq!(calls.count(), 10);
        quiet().await;
        rig.close_descriptors();
    });
    rig.end();
}

static CLONING: RawWakerVTable = RawWakerVTable::new(clone_calling, ignore, ignore, ignore);
static CLONES: AtomicUsize = AtomicUsize::new(0);

thread_local! {
    /// What [`cloning`] wakers do on this thread instead of calling into every part of the runtime.
    static ON_CLONE: RefCell<Option<Rc<dyn Fn()>>> = const { RefCell::new(None) };
}

/// A waker that does this, on this thread, when it is cloned.
pub(crate) fn acting_when_cloned(act: impl Fn() + 'static) -> Waker {
    ON_CLONE.set(Some(Rc::new(act)));
    cloning(0)
}

fn clone_calling(data: *const ()) -> RawWaker {
    match ON_CLONE.with_borrow(Clone::clone) {
        Some(act) => act(),
        None => {
            CLONES.fetch_add(1, Ordering::Relaxed);
            call_everything();
        }
    }
    RawWaker::new(data, &CLONING)
}

fn ignore(_data: *const ()) {}

/// A waker that calls into the runtime when it is cloned. Each number makes another one.
fn cloning(number: usize) -> Waker {
    let raw = RawWaker::new(std::ptr::without_provenance(number), &CLONING);
    // SAFETY: the functions of the table never dereference the data, and there is nothing to be freed.
    unsafe { Waker::from_raw(raw) }
}

/// Invariant 5. The breaks: a clone within the borrow in `Core::submit`, `Core::poll_op`, `Sleep::poll`, `Line::poll_enter`
/// or `Line::replace`: a `BorrowMutError`.
#[test]
fn a_waker_may_call_in_when_it_is_cloned() {
    let rig = Rig::new();
    rig.run(async |script| {
        let file = file();
        let mut read = Box::pin(file.read_at(Vec::with_capacity(8), 0));
        let mut nap = Box::pin(sleep(Duration::from_secs(1)));
        let receiver = receiver();
        let mut head = receiver.recv();
        assert!(poll(&mut head).is_pending());
        let mut behind = receiver.recv();
        for number in 0..3 {
            let waker = cloning(number);
            assert!(poll_with(&mut read, &waker).is_pending());
            assert!(poll_with(&mut nap, &waker).is_pending());
            assert!(poll_with(&mut behind, &waker).is_pending());
        }
        assert_eq!(CLONES.load(Ordering::Relaxed), 9, "each was cloned once, where it replaced another");
        drop((read, nap, head, behind));
        quiet().await;
        cancels_win(script);
    });
    rig.end();
}
