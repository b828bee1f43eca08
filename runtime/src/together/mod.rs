//! Several futures in one task: the macros [`select!`](crate::select), [`join!`](crate::join) and
//! [`try_join!`](crate::try_join).
//!
//! The macros write out the polls; what they call is here: in which order the futures are polled, whether the task may go
//! on, and the place of a future that has finished before the others. Public because what a macro writes is the user's
//! code, and hidden because nobody else calls it. It allocates nothing, and knows no operation and no socket.

mod join;
mod part;
mod select;

use std::task::{Context, Poll};

use crate::core::below;
use crate::task::coop;

pub use part::Part;

/// Whether the task may take one more result in this poll: see [`consume_budget`](crate::task::consume_budget).
#[inline]
pub fn poll_proceed(cx: &mut Context<'_>) -> Poll<()> {
    coop::poll_proceed(cx)
}

/// The first is first at each poll.
#[derive(Debug, Default)]
pub struct InOrder;

impl InOrder {
    /// Which of so many is polled first.
    #[inline]
    pub fn first(&mut self, _count: usize) -> usize {
        0
    }
}

/// The core's generator says who is first.
#[derive(Debug, Default)]
pub struct ByChance;

impl ByChance {
    /// Which of so many is polled first.
    #[inline]
    pub fn first(&mut self, count: usize) -> usize {
        // As many as a macro has branches: 32 at most.
        below(count as u32) as usize
    }
}

/// Each is first in its turn.
#[derive(Debug, Default)]
pub struct ByTurns(usize);

impl ByTurns {
    /// Which of so many is polled first.
    #[inline]
    pub fn first(&mut self, count: usize) -> usize {
        let first = self.0;
        self.0 = (first + 1) % count;
        first
    }
}
