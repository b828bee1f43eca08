//! Which signals a thread takes.

use std::io;

use nix::sys::signal::{SigSet, SigmaskHow, Signal};

/// Signals that tell a thread of its own mistake: they cannot go to another one, and who handles them (such as the
/// standard library, for a stack that overflows) must hear of them.
const FAULTS: [Signal; 6] =
    [Signal::SIGSEGV, Signal::SIGBUS, Signal::SIGFPE, Signal::SIGILL, Signal::SIGTRAP, Signal::SIGSYS];

/// Starts something, such as a thread, that inherits a mask without signals: those of the process go to the threads that
/// were there before (`signal(7)`). The caller's own mask is put back.
///
/// # Errors
///
/// Those of `pthread_sigmask(3)`, which a mask of known signals does not have, and those of `start`.
pub fn without_signals<T>(start: impl FnOnce() -> io::Result<T>) -> io::Result<T> {
    let mut mask = SigSet::all();
    FAULTS.into_iter().for_each(|fault| mask.remove(fault));
    let before = mask.thread_swap_mask(SigmaskHow::SIG_BLOCK)?;
    let started = start();
    before.thread_set_mask()?;
    started
}
