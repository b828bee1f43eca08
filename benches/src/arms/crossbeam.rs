//! The crossbeam arm: its bounded channel between two threads that block.

use std::time::Duration;

use crossbeam_channel::bounded;

use crate::Result;
use crate::local::Bench;
use crate::meter::Round;
use crate::workload::{CAPACITY, Setting, ping_pong, stream};

pub(crate) fn bench(setting: &Setting) -> Option<Box<dyn Bench>> {
    Some(match setting {
        Setting::Stream { other_cpu } => Box::new(Stream(*other_cpu)),
        Setting::PingPong { other_cpu } => Box::new(PingPong(*other_cpu)),
        _ => return None,
    })
}

struct Stream(usize);

impl Bench for Stream {
    fn round(&mut self, length: Duration) -> Result<Vec<Round>> {
        let (sender, receiver) = bounded(CAPACITY);
        // The sender moves along, and goes when it has sent all.
        let send = move |mut numbers: crate::workload::Numbers| {
            numbers.try_for_each(|number| sender.send(number)).map_err(Into::into)
        };
        let round = stream(length, self.0, send, |arrivals| {
            receiver.iter().try_for_each(|number| arrivals.take(number))
        })?;
        Ok(vec![round])
    }
}

struct PingPong(usize);

impl Bench for PingPong {
    fn round(&mut self, length: Duration) -> Result<Vec<Round>> {
        let ((there, arrives), (back, returns)) = (bounded(1), bounded(1));
        let pong = move || {
            arrives.iter().for_each(|value| {
                let _ = back.send(value);
            });
            Ok(())
        };
        let round = ping_pong(length, self.0, pong, move |trips| {
            while trips.begin() {
                there.send(1_u64)?;
                returns.recv()?;
                trips.end()?;
            }
            Ok(())
        })?;
        Ok(vec![round])
    }
}
