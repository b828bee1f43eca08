//! Tasks and timers of tokio, handed to the workloads that are generic over them.

use std::time::{Duration, Instant};

use tokio::runtime::Runtime;
use tokio::task::{unconstrained, yield_now};
use tokio::time::sleep;

use crate::Result;
use crate::local::Bench;
use crate::meter::{Meter, Round};
use crate::workload::{YIELDING_TASKS, all_timer_parts, repeat};

pub(super) struct Spawn(pub(super) Runtime);

impl Bench for Spawn {
    fn round(&mut self, length: Duration) -> Result<Vec<Round>> {
        self.0.block_on(async {
            let meter = Meter::start()?;
            let deadline = Instant::now() + length;
            let task = tokio::spawn(repeat(deadline, || tokio::spawn(async {})));
            Ok(vec![meter.stop(task.await?)?])
        })
    }
}

pub(super) struct Yield(pub(super) Runtime);

impl Bench for Yield {
    fn round(&mut self, length: Duration) -> Result<Vec<Round>> {
        self.0.block_on(async {
            let alone = yields(length / 2, 1).await?;
            let among_others = yields(length / 2, YIELDING_TASKS).await?;
            Ok(vec![alone, among_others])
        })
    }
}

async fn yields(length: Duration, tasks: usize) -> Result<Round> {
    let meter = Meter::start()?;
    let deadline = Instant::now() + length;
    let tasks: Vec<_> = (0..tasks).map(|_| tokio::spawn(repeat(deadline, yield_now))).collect();
    let mut ops = 0;
    for task in tasks {
        ops += task.await?;
    }
    meter.stop(ops)
}

pub(super) struct Timers(pub(super) Runtime);

impl Bench for Timers {
    fn round(&mut self, _length: Duration) -> Result<Vec<Round>> {
        // Without it the cooperative budget makes every poll after the 128th return without arming anything.
        self.0.block_on(unconstrained(all_timer_parts(sleep)))
    }
}
