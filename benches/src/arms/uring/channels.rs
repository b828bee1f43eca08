//! Channels of the runtime: within a core, and between two cores.

use std::time::{Duration, Instant};

use uring::Runtime;
use uring::sync::mpsc;

use super::runtime;
use crate::Result;
use crate::local::Bench;
use crate::meter::{Meter, Round};
use crate::workload::{CAPACITY, OPS_PER_LOOK, ping_pong, stream};

pub(super) struct Local(pub(super) Runtime);

impl Bench for Local {
    fn round(&mut self, length: Duration) -> Result<Vec<Round>> {
        self.0.block_on(async {
            let (sender, mut receiver) = uring::local::mpsc::channel(CAPACITY);
            let meter = Meter::start()?;
            let deadline = Instant::now() + length;
            // One task has both ends, so that nothing but the channel is measured.
            let task = uring::spawn(async move {
                let mut ops: u64 = 0;
                while !ops.is_multiple_of(OPS_PER_LOOK) || Instant::now() < deadline {
                    let _ = sender.send(ops).await;
                    ops = receiver.recv().await.unwrap_or_default() + 1;
                }
                ops
            });
            Ok(vec![meter.stop(task.await.map_err(|error| error.to_string())?)?])
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
                    sender.send(number).await.map_err(|error| error.to_string())?;
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
                    let _ = there.send(1_u64).await;
                    returns.recv().await.ok_or("the other core has ended")?;
                    trips.end()?;
                }
                Ok(())
            })
        })?;
        Ok(vec![round])
    }
}
