//! Signals in every system call (hazard C5).
#![allow(
    unsafe_code,
    reason = "installs a signal handler, and sets a timer that libc only has as a raw call"
)]

use std::sync::atomic::{AtomicU64, Ordering};

use nix::libc;
use nix::sys::signal::{SaFlags, SigAction, SigHandler, SigSet, Signal, sigaction};
use uring::macro_support::test_builder;

use super::scenario;
use crate::alone::alone;

static SIGNALS: AtomicU64 = AtomicU64::new(0);

extern "C" fn count(_signal: i32) {
    SIGNALS.fetch_add(1, Ordering::Relaxed);
}

/// From here on, a signal every so many microseconds; none with 0.
fn storm(period_micros: i64) {
    let period = libc::timeval { tv_sec: 0, tv_usec: period_micros };
    let timer = libc::itimerval { it_interval: period, it_value: period };
    // SAFETY: the timer is borrowed for the call, and the old one is not asked for.
    let done = unsafe { libc::setitimer(libc::ITIMER_REAL, &raw const timer, std::ptr::null_mut()) };
    assert_eq!(done, 0);
}

#[test]
fn a_storm_of_signals_interrupts_every_wait_and_nothing_comes_of_it() {
    // The break: `EINTR` left out of what `Driver::enter` tries again.
    alone(|| {
        // Without SA_RESTART, so that every call is interrupted that can be.
        let action = SigAction::new(SigHandler::Handler(count), SaFlags::empty(), SigSet::empty());
        // SAFETY: the handler only adds to an atomic number.
        unsafe { sigaction(Signal::SIGALRM, &action) }.unwrap();
        storm(100);
        for _ in 0..3 {
            let runtime = test_builder().build().unwrap();
            runtime.block_on(scenario::run(200));
            assert_eq!(runtime.stats().unknown, 0);
            assert_eq!(runtime.shutdown(), 0);
        }
        storm(0);
        let signals = SIGNALS.load(Ordering::Relaxed);
        assert!(signals > 1000, "only {signals} signals came");
    });
}
