//! Ticks at equal distances.

use std::pin::Pin;
use std::task::{Context, Poll};
use std::time::Duration;

use super::{Instant, Sleep, sleep_until};

/// Ticks every `period`, the first time at once.
///
/// # Panics
///
/// When the period is zero, and outside of a runtime.
#[track_caller]
pub fn interval(period: Duration) -> Interval {
    interval_at(Instant::now(), period)
}

/// Ticks every `period`, the first time at `start`.
///
/// # Panics
///
/// When the period is zero, and outside of a runtime.
#[track_caller]
pub fn interval_at(start: Instant, period: Duration) -> Interval {
    assert!(!period.is_zero(), "an interval's period cannot be zero");
    Interval { sleep: sleep_until(start), period, missed: MissedTickBehavior::Burst }
}

/// What becomes of ticks that nobody was there for.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum MissedTickBehavior {
    /// They follow at once, one after the other, until the schedule is met again.
    #[default]
    Burst,
    /// The schedule starts anew from the late tick.
    Delay,
    /// They are left out, and the schedule stays.
    Skip,
}

/// Ticks at equal distances: see [`interval`].
#[derive(Debug)]
pub struct Interval {
    sleep: Sleep,
    period: Duration,
    missed: MissedTickBehavior,
}

impl Interval {
    /// Waits for the next tick and gives the time at which it was due.
    ///
    /// # Cancel safety
    ///
    /// Dropping the future loses no tick.
    pub async fn tick(&mut self) -> Instant {
        std::future::poll_fn(|cx| self.poll_tick(cx)).await
    }

    /// As [`tick`](Interval::tick), for futures written by hand.
    pub fn poll_tick(&mut self, cx: &mut Context<'_>) -> Poll<Instant> {
        if Pin::new(&mut self.sleep).poll(cx).is_pending() {
            return Poll::Pending;
        }
        let due = self.sleep.deadline();
        let next = self.next(due, Instant::now());
        self.sleep.reset(next);
        Poll::Ready(due)
    }

    fn next(&self, due: Instant, now: Instant) -> Instant {
        let scheduled = due + self.period;
        if now < scheduled {
            return scheduled;
        }
        match self.missed {
            MissedTickBehavior::Burst => scheduled,
            MissedTickBehavior::Delay => now + self.period,
            MissedTickBehavior::Skip => {
                let period = u64::try_from(self.period.as_nanos()).unwrap_or(u64::MAX);
                let late = now.nanos().saturating_sub(due.nanos()) % period;
                now + Duration::from_nanos(period - late)
            }
        }
    }

    /// The distance between ticks.
    #[must_use]
    pub fn period(&self) -> Duration {
        self.period
    }

    /// Starts the schedule anew: the next tick comes one period from now.
    pub fn reset(&mut self) {
        self.sleep.reset(Instant::now() + self.period);
    }

    /// Says what becomes of ticks that nobody was there for.
    pub fn set_missed_tick_behavior(&mut self, behavior: MissedTickBehavior) {
        self.missed = behavior;
    }
}
