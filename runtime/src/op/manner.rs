//! Where an operation on a file is tried first: where it is submitted, or in a thread of the kernel.

use uring_sys_shim::Sqe;

/// How an operation is carried out.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) enum Manner {
    /// In the enter that submits it, and by a thread of the kernel when it would have to wait there.
    #[default]
    Inline,
    /// By a thread of the kernel from the start.
    Offloaded,
}

impl Manner {
    /// As an entry carries it.
    pub(crate) fn flags(self) -> u8 {
        match self {
            Self::Inline => 0,
            Self::Offloaded => Sqe::ASYNC,
        }
    }
}
