//! Messages that wake other cores, sent with the next enter.
//!
//! A message is `IORING_OP_MSG_RING`: a completion for the ring of a core that sleeps. It waits in the submission queue
//! like any entry, so it costs no system call of its own. One that does not arrive comes back as a completion, and the
//! core is woken by its eventfd. This part of the driver must not know who is woken, nor why.

use std::io;
use std::os::fd::{AsRawFd, OwnedFd};
use std::sync::Arc;

use uring_sys_shim::{Features, Sqe, opcode};

use super::{Driver, TAG_MAIL, TAG_UNSENT};
use crate::task::Bell;

impl Driver {
    /// The descriptor that other rings can send messages to, where there is one.
    pub(crate) fn mailbox(&self) -> io::Result<Option<OwnedFd>> {
        self.ring.mailbox()
    }

    /// Queues the message that rings a bell. Gives the bell back when one of the two cores has no such ring.
    pub(crate) fn send(&mut self, bell: Arc<Bell>) -> Result<(), Arc<Bell>> {
        let Some(mailbox) = bell.mailbox().filter(|_| self.ring.features().contains(Features::MSG_RING))
        else {
            return Err(bell);
        };
        let mut sqe = Sqe::new(opcode::MSG_RING, mailbox.as_raw_fd());
        // `io_uring_prep_msg_ring(3)`: what the other ring's completion carries.
        sqe.off = u64::from(TAG_MAIL);
        // No completion for what has arrived: it would end the very wait that this enter begins.
        sqe.flags = Sqe::SKIP_SUCCESS;
        sqe.user_data = u64::from(bell.place()) << 32 | u64::from(TAG_UNSENT);
        self.stats.messages += 1;
        self.push(sqe);
        self.bells.push(bell);
        Ok(())
    }

    /// An enter has taken everything that was queued.
    #[inline]
    pub(super) fn sent(&mut self) {
        if !self.bells.is_empty() && self.ring.queued() == 0 {
            self.bells.clear();
        }
    }

    /// Rings by hand where messages are still queued on a ring that is given up, or not entered soon. Once more than needed
    /// does no harm. The bells stay until the messages are sent, or others would get them by the same descriptors.
    pub(crate) fn send_by_hand(&self) {
        self.bells.iter().for_each(|bell| bell.notify());
    }
}
