//! The two queues of a ring and the one call between them.
#![allow(unsafe_code, reason = "the kernel trusts the addresses in a submission")]

use std::io;

use io_uring::{CompletionQueue, IoUring, SubmissionQueue, Submitter, cqueue, squeue};

/// What a completion is for: an operation of the user's choosing, and a slot.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Key {
    pub(crate) op: u8,
    pub(crate) slot: u32,
}

impl Key {
    pub(crate) fn user_data(self) -> u64 {
        u64::from(self.op) << 32 | u64::from(self.slot)
    }

    fn of(user_data: u64) -> Self {
        Self { op: (user_data >> 32) as u8, slot: user_data as u32 }
    }
}

/// One completion. It is not `Clone`, since it may own a provided buffer (see `ProvidedBuffers::take`).
#[derive(Debug)]
pub(crate) struct Completion {
    pub(crate) key: Key,
    /// A count, or a negative errno.
    pub(crate) result: i32,
    /// Whether a multishot operation stays armed, whatever its result.
    pub(crate) more: bool,
    pub(super) buffer: Option<u16>,
}

/// The queues of one ring, with its descriptor registered: that saves the lookup in each enter.
pub(crate) struct Queues<'ring> {
    submitter: Submitter<'ring>,
    submissions: SubmissionQueue<'ring>,
    completions: CompletionQueue<'ring>,
    enters: u64,
}

impl<'ring> Queues<'ring> {
    pub(crate) fn of(ring: &'ring mut IoUring) -> io::Result<Self> {
        let (mut submitter, submissions, completions) = ring.split();
        submitter.register_ring_fd()?;
        Ok(Self { submitter, submissions, completions, enters: 0 })
    }

    pub(crate) fn submitter(&self) -> &Submitter<'ring> {
        &self.submitter
    }

    /// Enters so far: the system calls of whoever uses nothing else.
    pub(crate) fn enters(&self) -> u64 {
        self.enters
    }

    /// Queues an entry; if there is no room, what is queued goes to the kernel first.
    ///
    /// # Safety
    /// Memory that the entry names must stay valid, and must not be touched against the kernel's use of it, until
    /// the operation's last completion.
    pub(crate) unsafe fn push(&mut self, entry: &squeue::Entry) -> io::Result<()> {
        loop {
            // SAFETY: what `SubmissionQueue::push` asks of the entry is what this method asks of its caller.
            if unsafe { self.submissions.push(entry) }.is_ok() {
                return Ok(());
            }
            self.enter(0)?;
        }
    }

    /// Submits everything and waits for `want` completions. An interrupted wait counts as a wait.
    pub(crate) fn enter(&mut self, want: usize) -> io::Result<()> {
        self.submissions.sync();
        // The kernel counts from the head that it sees: a completion that was taken but not given back would end the
        // wait at once.
        self.completions.sync();
        self.enters += 1;
        let outcome = self.submitter.submit_and_wait(want);
        self.submissions.sync();
        self.completions.sync();
        match outcome {
            Err(error) if error.kind() != io::ErrorKind::Interrupted => Err(error),
            _ => Ok(()),
        }
    }

    /// Whether an enter would find something to do: entries to submit, or deferred work to run.
    pub(crate) fn has_work(&mut self) -> bool {
        !self.submissions.is_empty() || self.submissions.taskrun() || self.submissions.cq_overflow()
    }

    /// Looks at what the kernel has posted without entering it. [`Self::enter`] does this as well.
    pub(crate) fn look(&mut self) {
        self.completions.sync();
    }

    /// Whether there is a completion, after a look.
    pub(crate) fn is_ready(&mut self) -> bool {
        self.look();
        !self.completions.is_empty()
    }

    /// The next completion that the last look has seen.
    pub(crate) fn next(&mut self) -> Option<Completion> {
        let entry = self.completions.next()?;
        Some(Completion {
            key: Key::of(entry.user_data()),
            result: entry.result(),
            more: cqueue::more(entry.flags()),
            buffer: cqueue::buffer_select(entry.flags()),
        })
    }
}

impl Drop for Queues<'_> {
    fn drop(&mut self) {
        // A registered descriptor outlives the ring, and a thread has only sixteen of them. It was registered by
        // this submitter, so taking it back cannot fail.
        let _ = self.submitter.unregister_ring_fd();
    }
}

#[cfg(test)]
mod tests {
    use super::Key;

    #[test]
    fn a_key_survives_the_kernel() {
        let key = Key { op: 3, slot: u32::MAX };
        assert_eq!(Key::of(key.user_data()), key);
    }
}
