//! Tasks that are sent to another core: where they run, what comes back, and what an end on either side does.

use std::future::{pending, poll_fn};
use std::rc::Rc;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::mpsc;
use std::task::Poll;
use std::thread;
use std::time::Duration;

use uring::sync::oneshot;
use uring::{Handle, time};

use crate::kit::{eventually, without_panic_messages};
use crate::support::{builder, nothing_is_left, watched};

/// What may be left when a core ends.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Left {
    Nothing,
    Tasks,
}

/// A runtime on a thread of its own, until it is told to end.
pub(crate) struct Core {
    pub(crate) handle: Handle,
    stop: oneshot::Sender<Left>,
    thread: thread::JoinHandle<()>,
}

impl Core {
    pub(crate) fn start() -> Self {
        let (sender, receiver) = mpsc::channel();
        let (stop, stopped) = oneshot::channel();
        let thread = thread::spawn(move || {
            let runtime = builder().build().unwrap();
            sender.send(runtime.handle()).unwrap();
            if runtime.block_on(stopped).unwrap() == Left::Nothing {
                nothing_is_left(runtime);
            }
        });
        Self { handle: receiver.recv().unwrap(), stop, thread }
    }

    pub(crate) fn end(self, left: Left) {
        self.stop.send(left).unwrap();
        self.thread.join().unwrap();
    }
}

/// Tells where it is dropped, and that it was.
struct Dropped(Arc<AtomicUsize>, Rc<thread::ThreadId>);

impl Drop for Dropped {
    fn drop(&mut self) {
        assert_eq!(*self.1, thread::current().id(), "dropped on another thread");
        self.0.fetch_add(1, Ordering::SeqCst);
    }
}

#[test]
fn a_task_that_is_not_send_runs_on_the_core_that_it_was_sent_to_and_its_output_comes_back() {
    watched(|_| {
        let core = Core::start();
        let made = core.handle.spawn(|| async {
            let local = Rc::new(6);
            time::sleep(Duration::from_millis(1)).await;
            (*local * 7, thread::current().id())
        });
        // The break: `task::send(self.0, errand)` becomes `Err::<(), _>(errand)`.
        let (answer, thread) = made.wait().unwrap();
        assert_eq!(answer, 42);
        assert_eq!(thread, core.thread.thread().id());
        core.end(Left::Nothing);
    });
}

#[test]
fn two_cores_spawn_on_each_other_and_await_the_results() {
    watched(|_| {
        let (left, right) = (Core::start(), Core::start());
        let (to_left, to_right) = (left.handle, right.handle);
        let sum = to_left
            .spawn(move || async move {
                let mut sum = 0;
                for round in 0..1000_u64 {
                    let there = to_right.spawn(move || async move {
                        to_left.spawn(move || async move { round }).await.unwrap() + 1
                    });
                    sum += there.await.unwrap();
                }
                sum
            })
            .wait();
        assert_eq!(sum.unwrap(), 1000 * 1001 / 2);
        left.end(Left::Nothing);
        right.end(Left::Nothing);
    });
}

#[test]
fn an_aborted_task_is_dropped_on_its_own_core_also_when_it_never_ran() {
    watched(|_| {
        let core = Core::start();
        let drops = Arc::new(AtomicUsize::new(0));
        let handles: Vec<_> = (0..100)
            .map(|_| {
                let drops = Arc::clone(&drops);
                core.handle.spawn(move || async move {
                    let _held = Dropped(drops, Rc::new(thread::current().id()));
                    pending::<()>().await;
                })
            })
            .collect();
        eventually("some tasks run", || Arc::strong_count(&drops) > 1);
        // The break: the look at `is_aborted` in `Remote::poll` goes.
        handles.iter().for_each(uring::RemoteJoinHandle::abort);
        for handle in handles {
            assert!(handle.wait().unwrap_err().is_cancelled());
        }
        assert_eq!(Arc::strong_count(&drops), 1, "a future is left");
        core.end(Left::Nothing);
    });
}

#[test]
fn a_panic_of_a_remote_task_or_of_what_makes_it_reaches_who_awaits_it_and_the_core_goes_on() {
    without_panic_messages();
    watched(|_| {
        let core = Core::start();
        let running = core.handle.spawn(|| async { panic!("in the task") });
        assert!(running.wait().unwrap_err().is_panic());
        // The break: `async move { make().await }` becomes `make()`.
        let making = core.handle.spawn(|| {
            assert!(thread::panicking(), "in what makes it");
            pending::<()>()
        });
        assert!(making.wait().unwrap_err().to_string().contains("in what makes it"));
        assert_eq!(core.handle.spawn(|| async { 1 }).wait().unwrap(), 1);
        core.end(Left::Nothing);
    });
}

#[test]
fn tasks_of_a_core_that_ends_are_cancelled_and_so_are_those_that_come_later() {
    watched(|_| {
        let core = Core::start();
        let handle = core.handle;
        let waits = handle.spawn(pending::<()>);
        core.end(Left::Tasks);
        assert!(waits.wait().unwrap_err().is_cancelled());
        // The place may have another core by now, which must not run what was meant for the one before.
        let other = Core::start();
        // The break: ` || woken.tenancy != tenancy` goes from `Place::send`.
        assert!(handle.spawn(|| async {}).wait().unwrap_err().is_cancelled());
        other.end(Left::Nothing);
    });
}

#[test]
fn a_handle_that_is_dropped_detaches_the_task() {
    watched(|_| {
        let core = Core::start();
        let (done, finished) = mpsc::channel();
        drop(core.handle.spawn(move || async move {
            time::sleep(Duration::from_millis(5)).await;
            done.send(()).unwrap();
        }));
        finished.recv().unwrap();
        core.end(Left::Nothing);
    });
}

#[test]
fn an_errand_for_an_awake_core_makes_no_system_call_and_one_for_a_sleeper_is_a_message() {
    watched(|_| {
        let core = Core::start();
        let runtime = builder().build().unwrap();
        let messages = uring::Features::MSG_RING;
        if runtime.features().contains(messages) {
            runtime.block_on(async {
                for _ in 0..100 {
                    // Long enough for the other to fall asleep.
                    time::sleep(Duration::from_millis(1)).await;
                    core.handle.spawn(|| async {}).await.unwrap();
                }
            });
            // The break: `Some(core) => core.send(bell).err()` becomes `Some(_) => Some(bell)`.
            assert!(runtime.stats().messages >= 50, "{:?}", runtime.stats());
        }
        nothing_is_left(runtime);
        core.end(Left::Nothing);
    });
}

#[test]
fn a_core_that_is_awake_is_sent_no_message() {
    watched(|_| {
        let core = Core::start();
        // It yields for ever, so it never sleeps.
        let busy = core.handle.spawn(|| {
            poll_fn(|cx| -> Poll<()> {
                cx.waker().wake_by_ref();
                Poll::Pending
            })
        });
        core.handle.spawn(|| async {}).wait().unwrap();
        let runtime = builder().build().unwrap();
        runtime.block_on(async {
            for _ in 0..100 {
                core.handle.spawn(|| async {}).await.unwrap();
            }
        });
        // The break: `if self.asleep.swap(false, Ordering::Relaxed)` becomes `if true`.
        assert_eq!(runtime.stats().messages, 0);
        busy.abort();
        drop(busy.wait());
        nothing_is_left(runtime);
        core.end(Left::Nothing);
    });
}
