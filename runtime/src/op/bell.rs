//! The armed read of a core's eventfd: how another thread wakes a core that sleeps.
#![allow(unsafe_code, reason = "the entry points to the counter")]

use std::rc::Rc;
use std::sync::Arc;

use uring_sys_shim::{Cqe, Sqe, opcode};

use super::{OnDrop, Operation};
use crate::core::Core;
use crate::task::Bell;

/// Reads the eventfd, again and again.
pub(crate) struct Listen {
    pub(crate) core: Rc<Core>,
    pub(crate) bell: Arc<Bell>,
    /// Boxed: the kernel writes it at completion.
    pub(crate) count: Box<u64>,
}

// SAFETY: the entry points to the boxed counter, which the operation owns.
unsafe impl Operation for Listen {
    type Output = ();
    const ON_DROP: OnDrop = OnDrop::LetRun;

    fn entry(&mut self) -> Sqe {
        let mut sqe = Sqe::new(opcode::READ, self.bell.counter());
        sqe.addr = (&raw mut *self.count).expose_provenance() as u64;
        sqe.len = size_of::<u64>() as u32;
        sqe
    }

    fn finish(self, _cqe: Cqe) {}

    fn orphaned(self, cqe: Cqe) {
        // Armed again before the inbox is looked at, so that no ring goes unheard. When the runtime ends, the
        // read was cancelled, and the core takes no more operations.
        let core = Rc::clone(&self.core);
        if let libc::EBADF | libc::EINVAL = cqe.errno() {
            // Somebody has closed the descriptor behind our back: trying again would spin.
            tracing::error!("the core's eventfd is gone: other threads cannot wake this core any more");
        } else if core.is_open() {
            core.submit_detached(self);
        }
    }
}
