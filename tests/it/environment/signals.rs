//! Signals in every system call (hazard C5).
#![allow(unsafe_code, reason = "installs a signal handler")]

use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::thread;
use std::time::Duration;

use nix::sys::pthread::{pthread_kill, pthread_self};
use nix::sys::signal::{SaFlags, SigAction, SigHandler, SigSet, Signal, sigaction};
use uring::macro_support::test_builder;

use super::scenario;
use crate::alone::alone;

static SIGNALS: AtomicU64 = AtomicU64::new(0);

extern "C" fn count(_signal: i32) {
    SIGNALS.fetch_add(1, Ordering::Relaxed);
}

/// Ends the storm, also when the body panics.
struct Calm<'a>(&'a AtomicBool);

impl Drop for Calm<'_> {
    fn drop(&mut self) {
        self.0.store(true, Ordering::Relaxed);
    }
}

/// Runs `body` while this thread gets a signal every hundred microseconds.
fn in_a_storm(body: impl FnOnce()) {
    // Without SA_RESTART, so that every call is interrupted that can be.
    let action = SigAction::new(SigHandler::Handler(count), SaFlags::empty(), SigSet::empty());
    // SAFETY: the handler only adds to an atomic number.
    unsafe { sigaction(Signal::SIGALRM, &action) }.unwrap();
    // A timer's signals would go to any thread of the process; these go to the one that has the ring.
    let target = pthread_self();
    let calm = AtomicBool::new(false);
    thread::scope(|scope| {
        scope.spawn(|| {
            while !calm.load(Ordering::Relaxed) {
                pthread_kill(target, Signal::SIGALRM).unwrap();
                thread::sleep(Duration::from_micros(100));
            }
        });
        let _calm = Calm(&calm);
        body();
    });
}

#[test]
fn a_storm_of_signals_interrupts_every_wait_and_nothing_comes_of_it() {
    // The break: `EINTR` left out of what `Driver::enter` tries again.
    alone(|| {
        in_a_storm(|| {
            for _ in 0..3 {
                let runtime = test_builder().build().unwrap();
                runtime.block_on(scenario::run(200));
                assert_eq!(runtime.stats().unknown, 0);
                assert_eq!(runtime.shutdown(), 0);
            }
        });
        let signals = SIGNALS.load(Ordering::Relaxed);
        assert!(signals > 1000, "only {signals} signals came");
    });
}
