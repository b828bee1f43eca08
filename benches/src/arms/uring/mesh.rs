//! Every core sends to every other one: through a mesh, and through a channel for each core.

use std::time::Duration;

use uring::Runtime;
use uring::sync::{mesh as nodes, mpsc};
use uring::task::yield_now;

use super::runtime;
use crate::local::Bench;
use crate::meter::Round;
use crate::workload::{CAPACITY, Incoming, Outgoing, Parcel, channels, mesh};
use crate::{Error, Result};

/// With the processors of the nodes.
pub(super) struct Mesh(pub(super) Runtime, pub(super) Vec<usize>);

impl Bench for Mesh {
    fn round(&mut self, length: Duration) -> Result<Vec<Round>> {
        let (ends, here) = (nodes::mesh(self.1.len(), CAPACITY), &self.0);
        let round = mesh(
            length,
            &self.1,
            ends,
            |node, outgoing, incoming| meshed(here, node, outgoing, incoming),
            |node, outgoing, incoming| meshed(&runtime()?, node, outgoing, incoming),
        )?;
        Ok(vec![round])
    }
}

fn meshed(
    runtime: &Runtime,
    node: nodes::Node<Parcel>,
    mut outgoing: Outgoing,
    mut incoming: Incoming,
) -> Result<Incoming> {
    let (sender, mut receiver) = node.split();
    runtime.block_on(async move {
        let sends = uring::spawn(async move {
            while let Some((to, parcel)) = outgoing.next() {
                sender.send(to, parcel).await.map_err(|error| error.to_string())?;
                if outgoing.is_turn_over() {
                    yield_now().await;
                }
            }
            Ok::<_, Error>(())
        });
        let receives = uring::spawn(async move {
            while let Some((from, parcel)) = receiver.recv().await {
                if from != parcel.from {
                    return Err("a value came from another node than its sender".into());
                }
                incoming.take(parcel)?;
            }
            Ok::<_, Error>(incoming)
        });
        let incoming = receives.await.map_err(|error| error.to_string())?;
        sends.await.map_err(|error| error.to_string())??;
        incoming
    })
}

/// With the processors of the nodes.
pub(super) struct Channels(pub(super) Runtime, pub(super) Vec<usize>);

impl Bench for Channels {
    fn round(&mut self, length: Duration) -> Result<Vec<Round>> {
        let (ends, here) = (channels(self.1.len(), mpsc::channel), &self.0);
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

type Node = (Vec<Option<mpsc::Sender<Parcel>>>, mpsc::Receiver<Parcel>);

fn connected(
    runtime: &Runtime,
    (senders, mut receiver): Node,
    mut outgoing: Outgoing,
    mut incoming: Incoming,
) -> Result<Incoming> {
    runtime.block_on(async move {
        let sends = uring::spawn(async move {
            while let Some((to, parcel)) = outgoing.next() {
                let sender = senders[to].as_ref().ok_or("a node sends to itself")?;
                sender.send(parcel).await.map_err(|error| error.to_string())?;
                if outgoing.is_turn_over() {
                    yield_now().await;
                }
            }
            Ok::<_, Error>(())
        });
        let receives = uring::spawn(async move {
            while let Some(parcel) = receiver.recv().await {
                incoming.take(parcel)?;
            }
            Ok::<_, Error>(incoming)
        });
        let incoming = receives.await.map_err(|error| error.to_string())?;
        sends.await.map_err(|error| error.to_string())??;
        incoming
    })
}
