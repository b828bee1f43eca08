//! One completion, decoded.

use std::io;

use io_uring::cqueue;

/// A completion queue entry: which submission, what came of it, and whether more will come.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Cqe {
    /// What the submission carried.
    pub user_data: u64,
    /// A count, a descriptor, or a negative errno. For a notification it is a bit set: see [`Cqe::notif`].
    pub res: i32,
    /// `IORING_CQE_F_*`.
    pub flags: u32,
}

const F_BUFFER: u32 = 1 << 0;
const F_MORE: u32 = 1 << 1;
const F_SOCK_NONEMPTY: u32 = 1 << 2;
const F_NOTIF: u32 = 1 << 3;
const F_BUF_MORE: u32 = 1 << 4;

impl Cqe {
    /// A completion with a buffer of the provided group, for rings that are not the kernel's.
    #[must_use]
    pub fn with_buffer(mut self, id: u16) -> Self {
        self.flags |= F_BUFFER | u32::from(id) << 16;
        self
    }

    /// The same completion, announcing that more will follow.
    #[must_use]
    pub fn with_more(mut self) -> Self {
        self.flags |= F_MORE;
        self
    }

    /// The same completion as a notification, for rings that are not the kernel's.
    #[must_use]
    pub fn with_notif(mut self) -> Self {
        self.flags |= F_NOTIF;
        self
    }

    /// Whether this submission has further completions. Only a completion without it ends the operation: the
    /// kernel may touch the operation's memory until then.
    #[must_use]
    pub fn more(&self) -> bool {
        self.flags & F_MORE != 0
    }

    /// Whether this is the notification of a zero-copy send: the buffer is free now, and `res` is no result.
    #[must_use]
    pub fn notif(&self) -> bool {
        self.flags & F_NOTIF != 0
    }

    /// Whether this is a notification that says that the kernel has copied the bytes all the same
    /// (`IORING_NOTIF_USAGE_ZC_COPIED`). It says so only where it was asked to ([`Sqe::SEND_ZC_REPORT_USAGE`]).
    ///
    /// [`Sqe::SEND_ZC_REPORT_USAGE`]: crate::Sqe::SEND_ZC_REPORT_USAGE
    #[must_use]
    pub fn is_copied(&self) -> bool {
        self.notif() && self.res & i32::MIN != 0
    }

    /// Whether the socket had more to give when this completion was posted. It is also set at the end of a
    /// stream, so it must not be read as "more bytes".
    #[must_use]
    pub fn sock_nonempty(&self) -> bool {
        self.flags & F_SOCK_NONEMPTY != 0
    }

    /// The provided buffer that the kernel filled, if it took one.
    #[must_use]
    pub fn buffer_id(&self) -> Option<u16> {
        (self.flags & F_BUFFER != 0).then_some((self.flags >> 16) as u16)
    }

    /// Whether the kernel keeps the rest of the provided buffer for later completions (incremental rings).
    #[must_use]
    pub fn buf_more(&self) -> bool {
        self.flags & F_BUF_MORE != 0
    }

    /// The result as a count or an error.
    ///
    /// Kernel threads were seen to leak codes that are the kernel's own (−512 to −516, "restart this call"): they
    /// mean that a signal or a cancel interrupted the operation, and are mapped so.
    ///
    /// # Errors
    ///
    /// The errno of a negative result.
    pub fn result(&self) -> io::Result<u32> {
        u32::try_from(self.res).map_err(|_| io::Error::from_raw_os_error(self.errno()))
    }

    /// The errno, 0 when the operation succeeded.
    #[must_use]
    pub fn errno(&self) -> i32 {
        match self.res {
            0.. => 0,
            // ERESTARTNOHAND and ERESTART_RESTARTBLOCK follow a signal.
            -514 | -516 => libc::EINTR,
            -515 | -513 | -512 => libc::ECANCELED,
            errno => errno.checked_neg().unwrap_or(libc::EIO),
        }
    }
}

impl From<cqueue::Entry> for Cqe {
    fn from(entry: cqueue::Entry) -> Self {
        Self { user_data: entry.user_data(), res: entry.result(), flags: entry.flags() }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(res: i32, errno: i32) {
        assert_eq!(Cqe { user_data: 0, res, flags: 0 }.errno(), errno);
    }

    #[test]
    fn results_that_are_the_kernels_own_become_errnos_that_users_know() {
        check(7, 0);
        check(-libc::ECONNRESET, libc::ECONNRESET);
        check(-512, libc::ECANCELED);
        check(-514, libc::EINTR);
        check(-516, libc::EINTR);
        // A zero-copy notification's bit set is never negated: the break is `-self.res`, which overflows.
        check(i32::MIN, libc::EIO);
    }

    #[test]
    fn flags_are_decoded() {
        let cqe = Cqe { user_data: 1, res: 3, flags: 0 }.with_buffer(0x1234).with_more();
        assert_eq!(cqe.buffer_id(), Some(0x1234));
        assert!(cqe.more() && !cqe.notif() && !cqe.buf_more() && !cqe.sock_nonempty());
        let notif = Cqe { user_data: 1, res: 3, flags: 0 }.with_notif();
        assert!(notif.notif() && !notif.more() && !notif.is_copied());
        assert_eq!(notif.buffer_id(), None);
        // A send that fails with a result of such bits was not copied: the break is not to ask for the flag.
        assert!(Cqe { res: i32::MIN, ..notif }.is_copied() && !Cqe { res: i32::MIN, ..cqe }.is_copied());
    }
}
