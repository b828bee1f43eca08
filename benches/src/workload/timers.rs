//! The cost of timers that never fire, on top of a million others, and how late the ones that fire are.

use std::pin::Pin;
use std::task::Poll;
use std::time::{Duration, Instant};

use hdrhistogram::Histogram;

use crate::Result;
use crate::meter::{Meter, Round};
use crate::pattern::Random;

/// Timers that lie armed throughout: the deadlines of a busy server's connections.
const STANDING: usize = 1_000_000;
/// Timers that are armed and cancelled under measurement.
const MEASURED: usize = 200_000;
const SLEEPS: u64 = 200;

/// A place for a sleep. It is boxed beforehand, so that the harness's own allocation is not billed to a runtime.
type Place<S> = Pin<Box<Option<S>>>;

/// Runs the three parts of the workload on one runtime, whose `sleep` this is.
pub(crate) async fn all_timer_parts<S: Future>(sleep: impl Fn(Duration) -> S) -> Result<Vec<Round>> {
    let mut random = Random::new(0x7133);
    let mut standing = places(STANDING);
    arm_all(&mut standing, &mut random, &sleep).await;

    let mut measured = places(MEASURED);
    let meter = Meter::start()?;
    arm_all(&mut measured, &mut random, &sleep).await;
    let armed = meter.stop(MEASURED as u64)?;

    random.shuffle(&mut measured);
    let meter = Meter::start()?;
    for place in &mut measured {
        place.set(None);
    }
    let cancelled = meter.stop(MEASURED as u64)?;

    drop(standing);
    Ok(vec![armed, cancelled, lateness(&mut random, sleep).await?])
}

fn places<S>(count: usize) -> Vec<Place<S>> {
    std::iter::repeat_with(|| Box::pin(None)).take(count).collect()
}

/// Creates each sleep and polls it once, with the waker of the calling task: that is what arms it.
async fn arm_all<S: Future>(places: &mut [Place<S>], random: &mut Random, sleep: impl Fn(Duration) -> S) {
    std::future::poll_fn(|context| {
        for place in &mut *places {
            place.set(Some(sleep(Duration::from_millis(10_000 + random.below(990_000)))));
            if let Some(armed) = place.as_mut().as_pin_mut() {
                // A deadline at least ten seconds away cannot have come.
                let _ = armed.poll(context);
            }
        }
        Poll::Ready(())
    })
    .await;
}

/// Sleeps for short random times on an otherwise idle core and records how late it wakes.
async fn lateness<S: Future>(random: &mut Random, sleep: impl Fn(Duration) -> S) -> Result<Round> {
    let mut late = Histogram::<u64>::new(3)?;
    let meter = Meter::start()?;
    for _ in 0..SLEEPS {
        let length = Duration::from_micros(100 + random.below(4_900));
        let start = Instant::now();
        sleep(length).await;
        let slept = start.elapsed();
        let lateness = slept.checked_sub(length).ok_or("a sleep ended before its time")?;
        late.record(lateness.as_nanos() as u64)?;
    }
    let round = meter.stop(SLEEPS)?;
    let (p50, p99) = (late.value_at_quantile(0.5), late.value_at_quantile(0.99));
    Ok(Round { p50_ns: Some(p50), p99_ns: Some(p99), ..round })
}
