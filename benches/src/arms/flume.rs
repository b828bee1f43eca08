//! The flume arm: its bounded channel between two current-thread runtimes of tokio.

use std::time::Duration;

use ::flume::bounded;
use ::flume::{Receiver, Sender};
use ::tokio::runtime::{Builder, Runtime};
use ::tokio::task::yield_now;

use crate::local::Bench;
use crate::meter::Round;
use crate::workload::{CAPACITY, Incoming, Outgoing, Parcel, Setting, channels, mesh, ping_pong, stream};
use crate::{Error, Result};

pub(crate) fn bench(setting: &Setting) -> Result<Option<Box<dyn Bench>>> {
    Ok(match setting {
        Setting::Stream { other_cpu } => Some(Box::new(Stream(runtime()?, *other_cpu))),
        Setting::PingPong { other_cpu } => Some(Box::new(PingPong(runtime()?, *other_cpu))),
        Setting::Mesh { cpus } => Some(Box::new(Mesh(runtime()?, cpus.clone()))),
        _ => None,
    })
}

fn runtime() -> Result<Runtime> {
    Ok(Builder::new_current_thread().build()?)
}

struct Stream(Runtime, usize);

impl Bench for Stream {
    fn round(&mut self, length: Duration) -> Result<Vec<Round>> {
        let (sender, receiver) = bounded(CAPACITY);
        let send = |numbers| {
            runtime()?.block_on(async move {
                for number in numbers {
                    sender.send_async(number).await?;
                }
                Ok(())
            })
        };
        let round = stream(length, self.1, send, |arrivals| {
            self.0.block_on(async {
                while let Ok(number) = receiver.recv_async().await {
                    arrivals.take(number)?;
                }
                Ok(())
            })
        })?;
        Ok(vec![round])
    }
}

struct PingPong(Runtime, usize);

impl Bench for PingPong {
    fn round(&mut self, length: Duration) -> Result<Vec<Round>> {
        let ((there, arrives), (back, returns)) = (bounded(1), bounded(1));
        let pong = || {
            runtime()?.block_on(async move {
                while let Ok(value) = arrives.recv_async().await {
                    let _ = back.send_async(value).await;
                }
                Ok(())
            })
        };
        let round = ping_pong(length, self.1, pong, move |trips| {
            self.0.block_on(async move {
                while trips.begin() {
                    there.send_async(1_u64).await?;
                    returns.recv_async().await?;
                    trips.end()?;
                }
                Ok(())
            })
        })?;
        Ok(vec![round])
    }
}

struct Mesh(Runtime, Vec<usize>);

impl Bench for Mesh {
    fn round(&mut self, length: Duration) -> Result<Vec<Round>> {
        let (ends, here) = (channels(self.1.len(), bounded), &self.0);
        let round = mesh(
            length,
            &self.1,
            ends,
            |node, outgoing, incoming| connected(here, node, outgoing, incoming),
            |node, outgoing, incoming| connected(&runtime()?, node, outgoing, incoming),
        )?;
        Ok(vec![round])
    }
}

type Node = (Vec<Option<Sender<Parcel>>>, Receiver<Parcel>);

fn connected(
    runtime: &Runtime,
    (senders, receiver): Node,
    mut outgoing: Outgoing,
    mut incoming: Incoming,
) -> Result<Incoming> {
    runtime.block_on(async move {
        let sends = ::tokio::spawn(async move {
            while let Some((to, parcel)) = outgoing.next() {
                senders[to].as_ref().ok_or("a node sends to itself")?.send_async(parcel).await?;
                if outgoing.is_turn_over() {
                    yield_now().await;
                }
            }
            Ok::<_, Error>(())
        });
        let receives = ::tokio::spawn(async move {
            while let Ok(parcel) = receiver.recv_async().await {
                incoming.take(parcel)?;
            }
            Ok::<_, Error>(incoming)
        });
        let incoming = receives.await?;
        sends.await??;
        incoming
    })
}
