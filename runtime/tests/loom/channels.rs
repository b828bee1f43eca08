//! Models of the channels: the production files of `runtime/src/sync/` over loom's atomics, locks and cells.
//!
//! It owns what these models share: values that are counted, and a thread that waits. It must not know the protocols.
#![allow(
    dead_code,
    unused_imports,
    unreachable_pub,
    reason = "the models use a part of the production files"
)]

#[path = "../../src/sync/channel.rs"]
mod channel;
#[path = "../../src/sync/error.rs"]
mod error;
#[path = "../../src/sync/line.rs"]
mod line;
#[path = "../../src/sync/mesh.rs"]
mod mesh;
#[path = "../../src/sync/mpsc.rs"]
mod mpsc;
#[path = "../../src/sync/oneshot.rs"]
mod oneshot;
#[path = "../../src/sync/patience.rs"]
mod patience;
mod prims;
#[path = "../../src/sync/sleeper.rs"]
mod sleeper;
#[path = "../../src/sync/slots.rs"]
mod slots;

mod ends;
mod once;
mod queue;
mod waits;

use std::pin::pin;
use std::sync::Arc;
use std::task::{Context, Poll, Wake, Waker};

use loom::sync::{Condvar, Mutex};

/// Wakes a thread that waits, or will. A wake that is lost leaves it waiting: loom reports the deadlock.
pub(super) struct Alarm {
    rung: Mutex<bool>,
    rings: Condvar,
}

impl Alarm {
    pub(super) fn new() -> Arc<Self> {
        Arc::new(Self { rung: Mutex::new(false), rings: Condvar::new() })
    }

    fn wait(&self) {
        let mut rung = self.rung.lock().unwrap();
        while !*rung {
            rung = self.rings.wait(rung).unwrap();
        }
        *rung = false;
    }
}

impl Wake for Alarm {
    fn wake(self: Arc<Self>) {
        *self.rung.lock().unwrap() = true;
        self.rings.notify_one();
    }
}

/// Runs a future, with this thread asleep while it waits.
pub(super) fn block_on<F: Future>(future: F) -> F::Output {
    let alarm = Alarm::new();
    let waker = Waker::from(Arc::clone(&alarm));
    let mut future = pin!(future);
    loop {
        match future.as_mut().poll(&mut Context::from_waker(&waker)) {
            Poll::Ready(output) => return output,
            Poll::Pending => alarm.wait(),
        }
    }
}

/// Polls a future once.
pub(super) fn poll<F: Future + Unpin>(future: &mut F) -> Poll<F::Output> {
    std::pin::Pin::new(future).poll(&mut Context::from_waker(Waker::noop()))
}
