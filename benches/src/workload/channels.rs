//! Values that go from one processor to another, and back. Each contestant brings the two ends; this runs them.

use std::thread;
use std::time::{Duration, Instant};

use hdrhistogram::Histogram;

use crate::meter::{Meter, Round};
use crate::{Result, affinity};

/// Values that a channel has room for.
pub(crate) const CAPACITY: usize = 1024;
/// Values between two looks at the clock.
const VALUES_PER_LOOK: u64 = 256;

/// Values to send until a deadline: numbers from 0 on.
pub(crate) struct Numbers {
    deadline: Instant,
    next: u64,
}

impl Iterator for Numbers {
    type Item = u64;

    fn next(&mut self) -> Option<u64> {
        if self.next.is_multiple_of(VALUES_PER_LOOK) && Instant::now() >= self.deadline {
            return None;
        }
        self.next += 1;
        Some(self.next - 1)
    }
}

/// Counts what arrives, which must be the numbers in their order.
#[derive(Default)]
pub(crate) struct Arrivals(u64);

impl Arrivals {
    pub(crate) fn take(&mut self, number: u64) -> Result<()> {
        if number != self.0 {
            return Err(format!("number {number} arrived in the place of {}", self.0).into());
        }
        self.0 += 1;
        Ok(())
    }
}

/// Sends numbers from the other processor for so long: an operation is a number that has arrived here.
pub(crate) fn stream(
    length: Duration,
    other_cpu: usize,
    send: impl FnOnce(Numbers) -> Result<()> + Send,
    receive: impl FnOnce(&mut Arrivals) -> Result<()>,
) -> Result<Round> {
    let meter = Meter::start()?;
    let numbers = Numbers { deadline: Instant::now() + length, next: 0 };
    let arrived = beside(
        other_cpu,
        move || send(numbers),
        || {
            let mut arrivals = Arrivals::default();
            receive(&mut arrivals).map(|()| arrivals.0)
        },
    )?;
    meter.stop(arrived)
}

/// Times of round trips, until a deadline.
pub(crate) struct RoundTrips {
    deadline: Instant,
    begun: Instant,
    times: Histogram<u64>,
}

impl RoundTrips {
    /// Begins a round trip, unless the time is over.
    pub(crate) fn begin(&mut self) -> bool {
        self.begun = Instant::now();
        self.begun < self.deadline
    }

    pub(crate) fn end(&mut self) -> Result<()> {
        Ok(self.times.record(self.begun.elapsed().as_nanos() as u64)?)
    }
}

/// Sends one value to the other processor and waits for it to come back, again and again.
pub(crate) fn ping_pong(
    length: Duration,
    other_cpu: usize,
    pong: impl FnOnce() -> Result<()> + Send,
    ping: impl FnOnce(&mut RoundTrips) -> Result<()>,
) -> Result<Round> {
    let meter = Meter::start()?;
    let begun = Instant::now();
    let mut trips = RoundTrips { deadline: begun + length, begun, times: Histogram::new(3)? };
    beside(other_cpu, pong, || ping(&mut trips))?;
    let (p50, p99) = (trips.times.value_at_quantile(0.5), trips.times.value_at_quantile(0.99));
    Ok(Round { p50_ns: Some(p50), p99_ns: Some(p99), ..meter.stop(trips.times.len())? })
}

/// Runs one thing on a thread on the other processor and one here, until both have ended.
pub(crate) fn beside<T>(
    other_cpu: usize,
    there: impl FnOnce() -> Result<()> + Send,
    here: impl FnOnce() -> Result<T>,
) -> Result<T> {
    thread::scope(|scope| {
        let there = scope.spawn(move || {
            affinity::pin(Some(other_cpu))?;
            there()
        });
        let here = here();
        there.join().map_err(|_| "the thread on the other processor has panicked")??;
        here
    })
}
