//! Signals in every system call (hazard C5).
#![allow(unsafe_code, reason = "installs a signal handler")]

use std::path::Path;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::thread;
use std::time::Duration;

use nix::sys::pthread::{pthread_kill, pthread_self};
use nix::sys::signal::{SaFlags, SigAction, SigHandler, SigSet, Signal, sigaction};
use uring::fs::OpenOptions;
use uring::macro_support::test_builder;

use super::scenario;
use crate::alone::alone;
use crate::kit::Scratch;

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

/// Runs `body` while this thread gets a signal after each pause.
fn in_a_storm(pause: Duration, body: impl FnOnce()) {
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
                thread::sleep(pause);
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
        in_a_storm(Duration::from_micros(100), || {
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

#[test]
fn files_are_opened_although_signals_keep_the_kernel_from_making_threads() {
    // The break: `Tries::again` says no. It is seen by about one open in twelve.
    alone(|| {
        let scratch = Scratch::new();
        for round in 0..100 {
            let path = scratch.path(&format!("{round}"));
            // On a thread of its own: the kernel keeps those that it has made for another.
            thread::scope(|scope| {
                scope.spawn(|| in_a_storm(Duration::from_micros(5), || write_in_a_storm(&path)));
            });
        }
    });
}

/// Creates a file and writes to it on a core that is never idle, so that its thread is interrupted outside of the kernel,
/// too, where the kernel tries again to make its own.
fn write_in_a_storm(path: &Path) {
    let before = SIGNALS.load(Ordering::Relaxed);
    while SIGNALS.load(Ordering::Relaxed) < before + 2 {
        thread::yield_now();
    }
    let runtime = test_builder().build().unwrap();
    runtime.block_on(async {
        let busy = uring::spawn(async {
            loop {
                uring::yield_now().await;
            }
        });
        let file = OpenOptions::new().write(true).create_new(true).open(path).await.unwrap();
        file.write_all_at(b"written".to_vec(), 0).await.0.unwrap();
        file.sync_all().await.unwrap();
        assert_eq!(file.metadata().await.unwrap().len(), 7);
        busy.abort();
    });
    assert_eq!(runtime.shutdown(), 0);
}
