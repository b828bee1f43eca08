//! Operations that the kernel gives up although nobody has cancelled them.
//!
//! Where an operation has to wait, the kernel gives it to a thread (`io_uring/io-wq.c`). While a signal is pending no
//! thread can be made, and after a few attempts Linux 6.18 answers what still waits for one with `ECANCELED`; a thread
//! that is interrupted leaves `EINTR`, or a code that means "restart this call". Such an operation is submitted again,
//! a bounded number of times. It owns the count; who asks knows whether somebody did cancel.

/// So often is an operation submitted again, in a row. A thread is missed now and then in a storm of signals; what is
/// missed so often is missed for another reason, such as a limit of threads, and is told.
const TRIES_MAX: u8 = 16;

/// How often in a row something was submitted again.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Tries(u8);

impl Tries {
    /// Whether a result says that the kernel gave an operation up, and it is to be submitted again.
    #[cold]
    pub(crate) fn again(&mut self, errno: i32) -> bool {
        if !matches!(errno, libc::ECANCELED | libc::EINTR) || self.0 == TRIES_MAX {
            *self = Self::default();
            return false;
        }
        self.0 += 1;
        true
    }
}
