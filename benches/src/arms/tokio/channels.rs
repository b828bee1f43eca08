//! Channels of tokio: within a runtime, and between two current-thread runtimes.

use std::time::{Duration, Instant};

use tokio::runtime::Runtime;
use tokio::sync::mpsc;

use super::runtime;
use crate::Result;
use crate::local::Bench;
use crate::meter::{Meter, Round};
use crate::workload::{CAPACITY, OPS_PER_LOOK, ping_pong, stream};

pub(super) struct Local(pub(super) Runtime);

impl Bench for Local {
    fn round(&mut self, length: Duration) -> Result<Vec<Round>> {
        let tasks = tokio::task::LocalSet::new();
        tasks.block_on(&self.0, async {
            let (sender, mut receiver) = mpsc::channel(CAPACITY);
            let meter = Meter::start()?;
            let deadline = Instant::now() + length;
            // One task has both ends, so that nothing but the channel is measured.
            let task = tokio::task::spawn_local(async move {
                let mut ops: u64 = 0;
                while !ops.is_multiple_of(OPS_PER_LOOK) || Instant::now() < deadline {
                    let _ = sender.send(ops).await;
                    ops = receiver.recv().await.unwrap_or_default() + 1;
                }
                ops
            });
            Ok(vec![meter.stop(task.await?)?])
        })
    }
}

pub(super) struct Stream(pub(super) Runtime, pub(super) usize);

impl Bench for Stream {
    fn round(&mut self, length: Duration) -> Result<Vec<Round>> {
        let (sender, mut receiver) = mpsc::channel(CAPACITY);
        let send = |numbers| {
            runtime()?.block_on(async move {
                for number in numbers {
                    sender.send(number).await?;
                }
                Ok(())
            })
        };
        let round = stream(length, self.1, send, |arrivals| {
            self.0.block_on(async {
                while let Some(number) = receiver.recv().await {
                    arrivals.take(number)?;
                }
                Ok(())
            })
        })?;
        Ok(vec![round])
    }
}

pub(super) struct PingPong(pub(super) Runtime, pub(super) usize);

impl Bench for PingPong {
    fn round(&mut self, length: Duration) -> Result<Vec<Round>> {
        let ((there, mut arrives), (back, mut returns)) = (mpsc::channel(1), mpsc::channel(1));
        let pong = || {
            runtime()?.block_on(async move {
                while let Some(value) = arrives.recv().await {
                    let _ = back.send(value).await;
                }
                Ok(())
            })
        };
        let round = ping_pong(length, self.1, pong, move |trips| {
            self.0.block_on(async move {
                while trips.begin() {
                    there.send(1_u64).await?;
                    returns.recv().await.ok_or("the other runtime has ended")?;
                    trips.end()?;
                }
                Ok(())
            })
        })?;
        Ok(vec![round])
    }
}
