//! A task that is woken among thousands that are always ready. tokio has no priorities.

use std::sync::Arc;
use std::time::Duration;

use tokio::runtime::Runtime;
use tokio::task::yield_now;
use tokio::time::sleep;

use crate::Result;
use crate::local::Bench;
use crate::meter::{Meter, Round};
use crate::workload::{BUSY_TASKS, Crowd, Delays, beside};

/// With the processor of who wakes the task.
pub(super) struct Urgent(pub(super) Runtime, pub(super) usize);

impl Bench for Urgent {
    fn round(&mut self, length: Duration) -> Result<Vec<Round>> {
        let crowd = Crowd::new(length / 2);
        let by_timer = Arc::clone(&crowd).sleep_again_and_again(sleep);
        let slept = self.0.block_on(part(crowd, by_timer))?;
        let crowd = Crowd::new(length / 2);
        let by_thread = Arc::clone(&crowd).be_nudged_again_and_again();
        let nudged =
            beside(self.1, || crowd.nudge(), || self.0.block_on(part(Arc::clone(&crowd), by_thread)))?;
        Ok(vec![slept, nudged])
    }
}

async fn part(
    crowd: Arc<Crowd>,
    watched: impl Future<Output = Result<Delays>> + Send + 'static,
) -> Result<Round> {
    let busy: Vec<_> = (0..BUSY_TASKS).map(|_| tokio::spawn(Arc::clone(&crowd).be_busy(yield_now))).collect();
    let meter = Meter::start()?;
    let delays = tokio::spawn(watched).await??;
    for task in busy {
        task.await?;
    }
    crowd.conclude(&delays, |polls| meter.stop(polls))
}
