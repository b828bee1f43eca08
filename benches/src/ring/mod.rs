//! The bare ring, as the raw arm and the load generator use it: the fastest setup of the kernel's interface, and a
//! provided-buffer ring. It shares no code with the runtime under test.

mod buffers;
mod queues;

use std::io;

use io_uring::IoUring;

pub(crate) use buffers::{GROUP, Lease, ProvidedBuffers};
pub(crate) use queues::{Completion, Key, Queues};

/// Entries of the submission queue: more than a turn ever pushes, so that a turn is one enter.
const SUBMISSIONS: u32 = 1024;
/// Entries of the completion queue: an overflow would end every multishot receive.
const COMPLETIONS: u32 = 16_384;

/// A ring for one thread. Deferred task work runs only inside this thread's enters, and the flag in shared memory
/// says when there is some, so that a busy loop can wait without a system call.
pub(crate) fn ring() -> io::Result<IoUring> {
    IoUring::builder()
        .setup_single_issuer()
        .setup_defer_taskrun()
        .setup_taskrun_flag()
        .setup_submit_all()
        .setup_no_sqarray()
        .setup_cqsize(COMPLETIONS)
        .build(SUBMISSIONS)
}
