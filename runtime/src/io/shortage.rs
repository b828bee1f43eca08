//! What becomes of an accept that fails because descriptors or memory are short.
//!
//! It owns the schedule: when to try again, and how seldom to tell. It knows neither the socket nor the timers. The
//! connections stay where they are meanwhile, in the kernel's own backlog: nothing is taken from there just to be closed.

use std::io;

const MILLI: u64 = 1_000_000;
/// The first pause. Each further failure doubles it.
const PAUSE_MIN: u64 = MILLI;
/// The longest pause: so late, at most, is it noticed that descriptors are free again.
const PAUSE_MAX: u64 = 100 * MILLI;
/// Who accepts is told once in so long, at most.
const TELL_EVERY: u64 = 1000 * MILLI;

/// Whether an accept failed because the process or the system has too little, for now (`accept(2)`).
pub(super) fn is_shortage(error: &io::Error) -> bool {
    matches!(error.raw_os_error(), Some(libc::EMFILE | libc::ENFILE | libc::ENOBUFS | libc::ENOMEM))
}

/// The schedule of one listener, in nanoseconds on the ring's clock.
#[derive(Clone, Copy, Default)]
pub(super) struct Shortage {
    pause: u64,
    /// Set since the last failure that no success has followed: the next try is not before this.
    pub(super) until: Option<u64>,
    told: Option<u64>,
}

/// What to do with the error of a failed accept.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Verdict {
    Tell,
    Keep,
}

impl Shortage {
    /// An accept has failed.
    #[must_use]
    pub(super) fn failed(&mut self, now: u64) -> Verdict {
        self.pause = (self.pause * 2).clamp(PAUSE_MIN, PAUSE_MAX);
        self.until = Some(now + self.pause);
        if self.told.is_some_and(|told| now - told < TELL_EVERY) {
            return Verdict::Keep;
        }
        self.told = Some(now);
        Verdict::Tell
    }

    /// An accept has succeeded. When it was last told stays: a process at its limit fails again at once.
    pub(super) fn ended(&mut self) {
        self.pause = 0;
        self.until = None;
    }
}
