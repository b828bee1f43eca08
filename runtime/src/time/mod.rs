//! Time: sleeping, intervals and deadlines, on the ring's clock, to the nanosecond.
//!
//! Timers are always on. A sleeping core waits with the next deadline as the timeout of its one enter, so a sleep
//! costs no submission. Arming, resetting and cancelling a timer are a few memory accesses each. A duration that is
//! too long for the clock (584 years) never ends, and nothing panics.

mod heap;
mod instant;
mod interval;
mod sleep;
mod timeout;

pub use std::time::Duration;

pub use instant::Instant;
pub use interval::{Interval, MissedTickBehavior, interval, interval_at};
pub use sleep::{Sleep, sleep, sleep_until};
pub use timeout::{Elapsed, Timeout, timeout, timeout_at};

pub(crate) use heap::{Due, Timers};
#[cfg(any(test, fuzzing))]
pub(crate) use heap::{Fired, Owner, Timer, Wakes};
