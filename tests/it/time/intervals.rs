//! Intervals: their schedule, and what becomes of ticks that nobody was there for.

use std::thread;

use uring::time::{Duration, Instant, MissedTickBehavior, interval, interval_at, timeout};

use crate::alone::on_a_core;
use crate::kit::{panic_text, without_panic_messages};

const PERIOD: Duration = Duration::from_millis(10);

/// The times at which ticks were due, in periods from the first.
async fn ticks_after_a_stall(behavior: MissedTickBehavior) -> (Instant, Instant, Vec<Instant>) {
    let mut ticks = interval(PERIOD);
    ticks.set_missed_tick_behavior(behavior);
    let start = ticks.tick().await;
    // The core is stalled for three periods and a half.
    thread::sleep(PERIOD * 7 / 2);
    let first = ticks.tick().await;
    let stalled_until = Instant::now();
    assert_eq!(first, start + PERIOD, "the first late tick was due long ago");
    let mut rest = Vec::new();
    for _ in 0..4 {
        let due = ticks.tick().await;
        assert!(Instant::now() >= due, "no tick comes early");
        rest.push(due);
    }
    (start, stalled_until, rest)
}

#[test]
fn the_first_tick_comes_at_once_and_the_others_by_the_schedule() {
    on_a_core(async {
        let begun = Instant::now();
        let mut ticks = interval(PERIOD);
        let first = ticks.tick().await;
        assert!(first.duration_since(begun) < PERIOD);
        for number in 1..5 {
            assert_eq!(ticks.tick().await, first + PERIOD * number, "the schedule does not drift");
        }
        assert!(begun.elapsed() >= PERIOD * 4);
        assert_eq!(ticks.period(), PERIOD);
    });
}

#[test]
fn missed_ticks_follow_in_a_burst_unless_said_otherwise() {
    on_a_core(async {
        assert_eq!(MissedTickBehavior::default(), MissedTickBehavior::Burst);
        let (start, _, rest) = ticks_after_a_stall(MissedTickBehavior::Burst).await;
        let expected: Vec<_> = (2..6).map(|number| start + PERIOD * number).collect();
        assert_eq!(rest, expected);
    });
}

#[test]
fn missed_ticks_delay_the_schedule() {
    // The break: `scheduled` instead of `now + self.period` in `Interval::next`.
    on_a_core(async {
        let (start, stalled_until, rest) = ticks_after_a_stall(MissedTickBehavior::Delay).await;
        assert!(rest[0] >= start + PERIOD * 9 / 2, "a whole period after the late tick");
        assert!(rest[0] <= stalled_until + PERIOD);
        assert!(rest.windows(2).all(|pair| pair[1] >= pair[0] + PERIOD));
    });
}

#[test]
fn missed_ticks_are_skipped_and_the_schedule_stays() {
    // The break: `now + self.period` for `Skip` in `Interval::next`.
    on_a_core(async {
        let (start, stalled_until, rest) = ticks_after_a_stall(MissedTickBehavior::Skip).await;
        assert!(rest[0] + PERIOD > stalled_until, "no tick from before the stall's end is left");
        for due in rest {
            assert_eq!((due - start).as_nanos() % PERIOD.as_nanos(), 0, "on the schedule");
        }
    });
}

#[test]
fn an_interval_can_begin_later_and_begin_anew() {
    on_a_core(async {
        let start = Instant::now() + PERIOD;
        let mut ticks = interval_at(start, PERIOD * 100);
        assert_eq!(ticks.tick().await, start);
        assert!(timeout(PERIOD, ticks.tick()).await.is_err());
        let mut ticks = interval(PERIOD);
        ticks.tick().await;
        thread::sleep(PERIOD * 2);
        let reset_at = Instant::now();
        ticks.reset();
        assert!(ticks.tick().await >= reset_at + PERIOD);
    });
}

#[test]
fn a_tick_is_not_lost_with_a_future_that_was_dropped() {
    // The break: a `reset` at the beginning of `Interval::tick`.
    on_a_core(async {
        let mut ticks = interval(PERIOD);
        let start = ticks.tick().await;
        let mut due = Vec::new();
        while due.len() < 3 {
            if let Ok(tick) = timeout(PERIOD / 5, ticks.tick()).await {
                due.push(tick);
            }
        }
        assert_eq!(due, [start + PERIOD, start + PERIOD * 2, start + PERIOD * 3]);
    });
}

#[test]
fn an_interval_without_a_period_is_refused() {
    on_a_core(async {
        without_panic_messages();
        assert_eq!(panic_text(|| drop(interval(Duration::ZERO))), "an interval's period cannot be zero");
    });
}
