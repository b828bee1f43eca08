//! What a ring can do, as one value.

use std::fmt;

/// A set of the kernel features that `uring` uses when they are there and does without when they are not.
///
/// The supported floor is Linux 6.1. Tests mask features to run what an older kernel would run.
#[derive(Clone, Copy, PartialEq, Eq)]
pub struct Features(u32);

const NAMES: [(Features, &str); 11] = [
    (Features::DEFER_TASKRUN, "DEFER_TASKRUN"),
    (Features::COOP_TASKRUN, "COOP_TASKRUN"),
    (Features::NO_SQARRAY, "NO_SQARRAY"),
    (Features::REGISTERED_RING, "REGISTERED_RING"),
    (Features::ABS_TIMER, "ABS_TIMER"),
    (Features::NO_IOWAIT, "NO_IOWAIT"),
    (Features::BUF_RING, "BUF_RING"),
    (Features::RECV_MULTISHOT, "RECV_MULTISHOT"),
    (Features::ACCEPT_MULTISHOT, "ACCEPT_MULTISHOT"),
    (Features::MSG_RING, "MSG_RING"),
    (Features::ZERO_COPY_REPORT, "ZERO_COPY_REPORT"),
];

impl Features {
    /// Completion work is deferred to the owner's enter, with a single issuer (6.1).
    pub const DEFER_TASKRUN: Self = Self(1 << 0);
    /// Completion work waits for the owner to enter the kernel instead of interrupting it (5.19).
    pub const COOP_TASKRUN: Self = Self(1 << 1);
    /// The submission queue has no index array (6.6).
    pub const NO_SQARRAY: Self = Self(1 << 2);
    /// The ring's own descriptor is registered, which makes each enter cheaper (5.18).
    pub const REGISTERED_RING: Self = Self(1 << 3);
    /// An enter's timeout can be absolute (6.12); without it the timeout is made relative anew at each enter.
    pub const ABS_TIMER: Self = Self(1 << 4);
    /// A waiting core is not accounted as waiting for a disk (6.15).
    pub const NO_IOWAIT: Self = Self(1 << 5);
    /// Rings of provided buffers (5.19).
    pub const BUF_RING: Self = Self(1 << 6);
    /// One submission receives many times (6.0).
    pub const RECV_MULTISHOT: Self = Self(1 << 7);
    /// One submission accepts many times (5.19).
    pub const ACCEPT_MULTISHOT: Self = Self(1 << 8);
    /// One ring can send a completion to another whose work is deferred (6.3; taken for granted from 6.7 on).
    pub const MSG_RING: Self = Self(1 << 9);

    /// The notification of a zero-copy send says whether the kernel has copied (6.2; taken for granted from 6.7 on).
    pub const ZERO_COPY_REPORT: Self = Self(1 << 10);

    /// Every feature that `uring` knows.
    #[must_use]
    pub const fn all() -> Self {
        Self((1 << NAMES.len()) - 1)
    }

    /// No feature.
    #[must_use]
    pub const fn empty() -> Self {
        Self(0)
    }

    /// Whether all of `other` are in this set.
    #[must_use]
    pub const fn contains(self, other: Self) -> bool {
        self.0 & other.0 == other.0
    }

    /// This set and `other`.
    #[must_use]
    pub const fn with(self, other: Self) -> Self {
        Self(self.0 | other.0)
    }

    /// This set without `other`.
    #[must_use]
    pub const fn without(self, other: Self) -> Self {
        Self(self.0 & !other.0)
    }

    /// What is in both sets.
    #[must_use]
    pub const fn and(self, other: Self) -> Self {
        Self(self.0 & other.0)
    }

    /// Each feature of this set by itself, with its name.
    pub fn iter(self) -> impl Iterator<Item = (Self, &'static str)> {
        NAMES.into_iter().filter(move |(feature, _)| self.contains(*feature))
    }

    /// The feature of this name, as [`iter`](Features::iter) gives it.
    #[must_use]
    pub fn by_name(name: &str) -> Option<Self> {
        NAMES.into_iter().find(|(_, known)| *known == name).map(|(feature, _)| feature)
    }
}

impl fmt::Debug for Features {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_set().entries(self.iter().map(|(_, name)| format_args!("{name}").to_string())).finish()
    }
}
