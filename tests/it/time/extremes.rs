//! Durations that are too long never end, never panic, and cost nothing while they do not end (hazard C10).

use std::future::pending;
use std::pin::pin;

use uring::macro_support::test_builder;
use uring::time::{
    Duration, Instant, MissedTickBehavior, interval, interval_at, sleep, sleep_until, timeout,
};
use uring::{Features, stats};

use crate::alone::{alone, on_a_core};
use crate::kit::poll_once;
use crate::storm;

/// From the edges of the clock, of the kernel's time (2^63 nanoseconds), and beyond both.
fn extremes() -> Vec<Duration> {
    let now = Instant::now().duration_since(Instant::now() - Duration::MAX);
    let left = Duration::from_nanos(u64::MAX) - now;
    let nano = Duration::from_nanos(1);
    let second = Duration::from_secs(1);
    vec![
        Duration::MAX,
        Duration::from_secs(u64::MAX),
        Duration::from_nanos(u64::MAX),
        Duration::from_nanos(u64::MAX) + nano,
        left,
        left - nano,
        left - second,
        left + nano,
        Duration::from_nanos(i64::MAX.unsigned_abs()),
        Duration::from_nanos(i64::MAX.unsigned_abs()) + nano,
        Duration::from_nanos(i64::MAX.unsigned_abs()) - now,
        Duration::from_nanos(i64::MAX.unsigned_abs()) - now + nano,
        Duration::from_nanos(i64::MAX.unsigned_abs()) - now - nano,
        Duration::from_secs(u64::from(u32::MAX)),
        Duration::from_secs(1 << 40).min(left / 2),
        Duration::from_secs(365 * 24 * 3600),
    ]
}

/// Lets the core sleep with whatever is armed, and demands that it does sleep.
async fn idles(what: &str) {
    let before = stats().enters;
    sleep(Duration::from_millis(5)).await;
    // The core's only timer besides is far away: it must neither spin on it nor take it for one that has passed.
    let enters = stats().enters - before;
    assert!(storm::adds_enters() || enters <= 4, "{what}: {enters} enters while nothing happened");
}

async fn never_end(duration: Duration) {
    let now = Instant::now();
    let mut slept = sleep(duration);
    let mut until = sleep_until(now + duration);
    let mut late = timeout(duration, pending::<()>());
    let mut moved = sleep(Duration::from_secs(1));
    assert!(poll_once(&mut slept).await.is_pending());
    assert!(poll_once(&mut until).await.is_pending());
    assert!(poll_once(&mut late).await.is_pending());
    assert!(poll_once(&mut moved).await.is_pending());
    moved.reset(now + duration);
    let mut begins_late = interval_at(now + duration, Duration::from_nanos(1));
    assert!(poll_once(&mut pin!(begins_late.tick())).await.is_pending());
    for behavior in [MissedTickBehavior::Burst, MissedTickBehavior::Delay, MissedTickBehavior::Skip] {
        let mut ticks = interval(duration);
        ticks.set_missed_tick_behavior(behavior);
        ticks.tick().await;
        assert!(poll_once(&mut pin!(ticks.tick())).await.is_pending());
        ticks.reset();
        assert!(poll_once(&mut pin!(ticks.tick())).await.is_pending());
    }
    idles(&format!("{duration:?}")).await;
    assert!(poll_once(&mut slept).await.is_pending());
    assert!(poll_once(&mut until).await.is_pending());
    assert!(poll_once(&mut late).await.is_pending());
    assert!(poll_once(&mut moved).await.is_pending());
    assert!(poll_once(&mut pin!(begins_late.tick())).await.is_pending());
    // What will never end can be given an end.
    moved.reset(Instant::now());
    (&mut moved).await;
}

#[test]
fn durations_that_are_too_long_never_end_and_never_panic() {
    // The break: `+` instead of `saturating_add` in `Instant::add`.
    on_a_core(async {
        for duration in extremes() {
            never_end(duration).await;
        }
    });
}

#[test]
fn a_core_whose_only_timer_is_too_far_away_sleeps_all_the_same() {
    // The break: `until.min(1 << 40)` in `Enter::enter`, a clamp that lies in the past.
    // The only timer is the far one, and the core is woken from outside.
    alone(|| {
        for features in [Features::all(), Features::all().without(Features::ABS_TIMER)] {
            for duration in extremes() {
                let runtime = test_builder().features(features).build().unwrap();
                let (wake, woken) = std::sync::mpsc::channel::<std::task::Waker>();
                let other = std::thread::spawn(move || {
                    let waker = woken.recv().unwrap();
                    std::thread::sleep(Duration::from_millis(20));
                    waker.wake();
                });
                let enters = runtime.block_on(async {
                    let mut far = sleep(duration);
                    assert!(poll_once(&mut far).await.is_pending());
                    let before = stats().enters;
                    let mut asked = false;
                    std::future::poll_fn(|cx| {
                        if std::mem::replace(&mut asked, true) {
                            return std::task::Poll::Ready(());
                        }
                        wake.send(cx.waker().clone()).unwrap();
                        std::task::Poll::Pending
                    })
                    .await;
                    stats().enters - before
                });
                other.join().unwrap();
                let few = storm::adds_enters() || enters <= 4;
                assert!(few, "{duration:?}: {enters} enters in 20 ms, with {features:?}");
            }
        }
    });
}
