//! Every current-thread runtime sends to every other one, through a channel for each.

use std::time::Duration;

use tokio::runtime::Runtime;
use tokio::sync::mpsc;
use tokio::task::yield_now;

use super::runtime;
use crate::local::Bench;
use crate::meter::Round;
use crate::workload::{Incoming, Outgoing, Parcel, channels, mesh};
use crate::{Error, Result};

/// With the processors of the nodes.
pub(super) struct Mesh(pub(super) Runtime, pub(super) Vec<usize>);

impl Bench for Mesh {
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
        let sends = tokio::spawn(async move {
            while let Some((to, parcel)) = outgoing.next() {
                senders[to].as_ref().ok_or("a node sends to itself")?.send(parcel).await?;
                if outgoing.is_turn_over() {
                    yield_now().await;
                }
            }
            Ok::<_, Error>(())
        });
        let receives = tokio::spawn(async move {
            while let Some(parcel) = receiver.recv().await {
                incoming.take(parcel)?;
            }
            Ok::<_, Error>(incoming)
        });
        let incoming = receives.await?;
        sends.await??;
        incoming
    })
}
