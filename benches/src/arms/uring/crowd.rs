//! A task that is woken among thousands that are always ready, with a priority.

use std::sync::Arc;
use std::time::Duration;

use uring::Runtime;
use uring::task::{Priority, spawn_with, yield_now};
use uring::time::sleep;

use crate::Result;
use crate::local::Bench;
use crate::meter::{Meter, Round};
use crate::workload::{BUSY_TASKS, Crowd, Delays, beside};

/// With the priority of the task that is woken, and the processor of who wakes it.
pub(super) struct Urgent(pub(super) Runtime, pub(super) Priority, pub(super) usize);

impl Bench for Urgent {
    fn round(&mut self, length: Duration) -> Result<Vec<Round>> {
        let crowd = Crowd::new(length / 2);
        let by_timer = Arc::clone(&crowd).sleep_again_and_again(sleep);
        let slept = self.0.block_on(part(crowd, self.1, by_timer))?;
        let crowd = Crowd::new(length / 2);
        let by_thread = Arc::clone(&crowd).be_nudged_again_and_again();
        let nudged = beside(
            self.2,
            || crowd.nudge(),
            || self.0.block_on(part(Arc::clone(&crowd), self.1, by_thread)),
        )?;
        Ok(vec![slept, nudged])
    }
}

async fn part(
    crowd: Arc<Crowd>,
    priority: Priority,
    watched: impl Future<Output = Result<Delays>> + 'static,
) -> Result<Round> {
    let busy: Vec<_> = (0..BUSY_TASKS).map(|_| uring::spawn(Arc::clone(&crowd).be_busy(yield_now))).collect();
    let meter = Meter::start()?;
    let delays = spawn_with(priority, watched).await.map_err(|error| error.to_string())??;
    for task in busy {
        task.await.map_err(|error| error.to_string())?;
    }
    crowd.conclude(&delays, |polls| meter.stop(polls))
}
