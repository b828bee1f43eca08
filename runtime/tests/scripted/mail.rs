//! Messages to other cores that do not arrive, leave late, or come from strangers: who sleeps is woken all the same.
//!
//! The core under test is scripted; the one that it sends to sleeps in the kernel on a thread of its own.

use std::sync::mpsc::{Receiver, channel};
use std::thread;
use std::time::Duration;

use uring_runtime::{Features, Handle, Runtime, sync::oneshot};
use uring_sys_shim::{Cqe, Script, Sqe, opcode};

use crate::support::{Rig, quiet};

/// How long a wake that is lost is waited for.
const HANG: Duration = Duration::from_secs(20);

/// A core that sleeps whenever nothing is sent to it.
struct Sleeper {
    handle: Handle,
    stop: oneshot::Sender<()>,
    thread: thread::JoinHandle<()>,
}

impl Sleeper {
    /// None where the kernel's rings take no messages.
    fn start() -> Option<Self> {
        let (sender, receiver) = channel();
        let (stop, stopped) = oneshot::channel();
        let thread = thread::spawn(move || {
            let runtime = Runtime::new().expect("a ring");
            let takes_messages = runtime.features().contains(Features::MSG_RING);
            sender.send(takes_messages.then(|| runtime.handle())).expect("somebody waits for it");
            if takes_messages {
                runtime.block_on(stopped).expect("it is told to stop");
            }
        });
        let handle = receiver.recv().expect("it starts")?;
        Some(Self { handle, stop, thread })
    }

    /// Sends it something to do until that takes a message, which is queued then, and gives what it will be done by.
    fn send(&self) -> Receiver<()> {
        loop {
            let before = uring_runtime::stats().messages;
            let (done, receiver) = channel();
            drop(self.handle.spawn(move || async move { done.send(()).expect("somebody waits for it") }));
            if uring_runtime::stats().messages > before {
                return receiver;
            }
            receiver.recv_timeout(HANG).expect("it was awake");
            thread::yield_now();
        }
    }

    fn end(self) {
        self.stop.send(()).expect("it waits for this");
        self.thread.join().expect("it does not panic");
    }
}

fn messages(script: &Script) -> Vec<Sqe> {
    script.submitted_with(opcode::MSG_RING)
}

/// C1, F8. The break: `Delivery::Unsent(place) => task::ring_again(place),` becomes `Delivery::Unsent(_) => {}`.
#[test]
fn a_message_that_does_not_arrive_is_followed_by_the_bell() {
    let Some(sleeper) = Sleeper::start() else { return };
    let rig = Rig::new();
    for errno in [libc::EOVERFLOW, libc::EBADFD, libc::ENOMEM, libc::EOWNERDEAD] {
        rig.run(async |script| {
            let before = messages(script).len();
            let done = sleeper.send();
            quiet().await;
            let sent = messages(script);
            assert_eq!(sent.len(), before + 1, "it left with the next enter");
            let message = sent[before];
            assert!(
                message.flags & Sqe::SKIP_SUCCESS != 0,
                "one that arrives would end the sender's own sleep"
            );
            assert!(done.try_recv().is_err(), "nobody has woken it");
            script.complete(&message, -errno);
            quiet().await;
            done.recv_timeout(HANG).expect("it is woken by hand");
        });
    }
    sleeper.end();
    rig.end();
}

/// C1. The break: `driver.send_by_hand();` goes from the drop of `Mail`.
#[test]
fn a_message_that_is_still_queued_when_the_run_ends_is_followed_by_the_bell() {
    let Some(sleeper) = Sleeper::start() else { return };
    let rig = Rig::new();
    let done = rig.run(async |script| {
        quiet().await;
        // The kernel takes nothing in the rounds that the end of a run makes, and nobody runs this core after them.
        script.fail_enters(&[libc::EBUSY; 4]);
        sleeper.send()
    });
    assert!(messages(&rig.script).is_empty(), "it was not submitted");
    done.recv_timeout(HANG).expect("it is woken by hand");
    sleeper.end();
    rig.end();
}

/// C1. The break: `let _mail = Mail(self);` goes from `Core::run`.
#[test]
fn a_message_that_is_still_queued_when_the_main_future_panics_is_followed_by_the_bell() {
    let Some(sleeper) = Sleeper::start() else { return };
    let rig = Rig::new();
    let (tell, told) = channel();
    let run = std::panic::AssertUnwindSafe(|| {
        rig.run(async |_script| {
            tell.send(sleeper.send()).expect("somebody waits for it");
            panic!("the main future panics");
        });
    });
    assert!(std::panic::catch_unwind(run).is_err());
    let done = told.recv().expect("it was sent");
    done.recv_timeout(HANG).expect("it is woken by hand");
    sleeper.end();
    rig.end();
}

/// F8. The break: in `Driver::reap`, `if cqe.user_data as u32 > record::INDEX_MAX {` becomes `if false {` and the tags are
/// taken for records' keys: `TAG_MAIL` counts as unknown.
#[test]
fn completions_that_nobody_asked_for_are_counted_and_change_nothing() {
    let rig = Rig::new();
    rig.run(async |script| {
        let post = |user_data: u64, res: i32| script.post(Cqe { user_data, res, flags: 0 });
        // Messages, cancels and closes, and one that failed for a place that no core has.
        for tag in 0..4 {
            post(u64::from(u32::MAX - tag), -libc::EBADFD);
            post(u64::from(u16::MAX) << 32 | u64::from(u32::MAX - tag), 7);
        }
        quiet().await;
        assert_eq!(uring_runtime::stats().unknown, 0);
        // What a stranger with the ring's descriptor may send: other tags, and keys that no operation has.
        for user_data in [u64::from(u32::MAX - 4), u64::MAX - 4, 1 << 40 | 5, 77 << 32, u64::MAX >> 33] {
            post(user_data, 1);
        }
        quiet().await;
        assert_eq!(uring_runtime::stats().unknown, 5);
    });
    rig.end();
}
