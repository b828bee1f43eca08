//! Who waits for something: a task by its name, or a waker of somebody else's.
//!
//! Nearly always it is a task of the own core. Known by its name, it is kept, compared and woken without a call
//! through a waker's table.

use std::task::Waker;

use super::waker::Name;
use crate::panics::contain;

/// Who is to be woken.
#[derive(Default)]
pub(crate) enum Waiter {
    #[default]
    Nobody,
    Task(Name),
    /// Somebody else, such as a combinator with wakers of its own. Cloning, dropping and waking it is code of users.
    Foreign(Waker),
}

impl Waiter {
    /// Who is behind a waker.
    #[inline]
    pub(crate) fn of(waker: &Waker) -> Self {
        match Name::of(waker) {
            Some(name) => Self::Task(name),
            None => Self::Foreign(waker.clone()),
        }
    }

    /// Whether this waker wakes the same.
    #[inline]
    pub(crate) fn is(&self, waker: &Waker) -> bool {
        match self {
            Self::Nobody => false,
            Self::Task(name) => Name::of(waker) == Some(*name),
            Self::Foreign(known) => known.will_wake(waker),
        }
    }

    pub(crate) fn is_nobody(&self) -> bool {
        matches!(self, Self::Nobody)
    }

    #[inline]
    pub(crate) fn wake(self) {
        match self {
            Self::Nobody => {}
            Self::Task(name) => name.wake(),
            Self::Foreign(waker) => waker.wake(),
        }
    }

    /// As `wake`, and a panic of a waker that is the user's own goes no further.
    #[inline]
    pub(crate) fn wake_contained(self) {
        match self {
            Self::Foreign(waker) => {
                contain(|| waker.wake());
            }
            own => own.wake(),
        }
    }

    /// Drops it, and a panic in the drop of a waker that is the user's own goes no further.
    #[inline]
    pub(crate) fn drop_contained(self) {
        if let Self::Foreign(waker) = self {
            contain(|| drop(waker));
        }
    }
}
