//! The crossbeam arm: its bounded channel between two threads that block.

use std::thread;
use std::time::Duration;

use crossbeam_channel::{Receiver, Sender, bounded};

use crate::local::Bench;
use crate::meter::Round;
use crate::workload::{CAPACITY, Incoming, Outgoing, Parcel, Setting, channels, mesh, ping_pong, stream};
use crate::{Error, Result};

pub(crate) fn bench(setting: &Setting) -> Option<Box<dyn Bench>> {
    Some(match setting {
        Setting::Stream { other_cpu } => Box::new(Stream(*other_cpu)),
        Setting::PingPong { other_cpu } => Box::new(PingPong(*other_cpu)),
        Setting::Mesh { cpus } => Box::new(Mesh(cpus.clone())),
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

struct Mesh(Vec<usize>);

impl Bench for Mesh {
    fn round(&mut self, length: Duration) -> Result<Vec<Round>> {
        Ok(vec![mesh(length, &self.0, channels(self.0.len(), bounded), connected, connected)?])
    }
}

type Node = (Vec<Option<Sender<Parcel>>>, Receiver<Parcel>);

/// Who blocks cannot do two things at once, so a node is two threads on one processor.
fn connected((senders, receiver): Node, mut outgoing: Outgoing, mut incoming: Incoming) -> Result<Incoming> {
    thread::scope(|scope| {
        // The senders move along, and go when all is sent.
        let sends = scope.spawn(move || {
            outgoing.try_for_each(|(to, parcel)| {
                Ok::<_, Error>(senders[to].as_ref().ok_or("a node sends to itself")?.send(parcel)?)
            })
        });
        let received = receiver.iter().try_for_each(|parcel| incoming.take(parcel));
        // Whoever still sends to this node is told.
        drop(receiver);
        received?;
        sends.join().map_err(|_| "the thread that sends has panicked")??;
        Ok(incoming)
    })
}
