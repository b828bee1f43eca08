//! Values from each of a number of nodes to each other, all at once. Each contestant brings what a node sends through and
//! receives from; this runs the nodes, and counts and checks what arrives.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering::Relaxed};
use std::thread;
use std::time::{Duration, Instant};

use super::CAPACITY;
use crate::meter::{Meter, Round};
use crate::{Result, affinity};

/// Values that a node sends before the side of it that receives has its turn, where one thread does both.
const PARCELS_PER_TURN: u64 = 64;
/// Laps between two looks at the clock.
const LAPS_PER_LOOK: u64 = 256;

/// A value: who sent it, and how many the sender has sent there before.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Parcel {
    pub(crate) from: usize,
    number: u64,
}

/// What a node sends until the deadline: in each lap the next number to each other node. It ends between two laps.
pub(crate) struct Outgoing {
    from: usize,
    nodes: usize,
    deadline: Instant,
    lap: u64,
    /// How many of the lap are on their way.
    step: usize,
    /// What all nodes have sent, when they are done.
    sent: Arc<AtomicU64>,
}

impl Iterator for Outgoing {
    type Item = (usize, Parcel);

    /// The next parcel and the node that it is for.
    fn next(&mut self) -> Option<Self::Item> {
        if self.step == self.nodes - 1 {
            (self.step, self.lap) = (0, self.lap + 1);
        }
        let is_looking = self.step == 0 && self.lap.is_multiple_of(LAPS_PER_LOOK);
        if is_looking && Instant::now() >= self.deadline {
            self.sent.fetch_add(self.lap * (self.nodes as u64 - 1), Relaxed);
            return None;
        }
        self.step += 1;
        Some(((self.from + self.step) % self.nodes, Parcel { from: self.from, number: self.lap }))
    }
}

impl Outgoing {
    /// Whether the other side of the node has its turn now.
    pub(crate) fn is_turn_over(&self) -> bool {
        (self.lap * (self.nodes as u64 - 1) + self.step as u64).is_multiple_of(PARCELS_PER_TURN)
    }
}

/// Counts what arrives at a node, which must be the numbers of each other node in their order.
pub(crate) struct Incoming {
    node: usize,
    next: Vec<u64>,
}

impl Incoming {
    pub(crate) fn take(&mut self, parcel: Parcel) -> Result<()> {
        let Parcel { from, number } = parcel;
        match self.next.get_mut(from) {
            Some(next) if *next == number && from != self.node => *next += 1,
            _ => return Err(format!("parcel {number} of node {from} arrived at node {}", self.node).into()),
        }
        Ok(())
    }

    fn count(&self) -> u64 {
        self.next.iter().sum()
    }
}

/// Runs a node for each of these ends, each on its processor: the first of them here, the others on threads. An operation is
/// a value that has arrived.
pub(crate) fn mesh<E: Send>(
    length: Duration,
    cpus: &[usize],
    ends: Vec<E>,
    here: impl FnOnce(E, Outgoing, Incoming) -> Result<Incoming>,
    there: impl Fn(E, Outgoing, Incoming) -> Result<Incoming> + Sync,
) -> Result<Round> {
    let (nodes, sent) = (ends.len(), Arc::new(AtomicU64::new(0)));
    let meter = Meter::start()?;
    let deadline = Instant::now() + length;
    let traffic = |node: usize| {
        let sent = Arc::clone(&sent);
        let outgoing = Outgoing { from: node, nodes, deadline, lap: 0, step: 0, sent };
        (outgoing, Incoming { node, next: vec![0; nodes] })
    };
    let arrived = thread::scope(|scope| -> Result<u64> {
        let mut ends = (0..).zip(ends);
        let (_, first) = ends.next().ok_or("a mesh without nodes")?;
        let beside = |(node, end): (usize, E)| {
            let (cpu, there, (outgoing, incoming)) = (cpus.get(node).copied(), &there, traffic(node));
            scope.spawn(move || {
                affinity::pin(cpu)?;
                there(end, outgoing, incoming)
            })
        };
        let threads: Vec<_> = ends.map(beside).collect();
        let (outgoing, incoming) = traffic(0);
        let own = here(first, outgoing, incoming);
        let others = threads.into_iter().map(|thread| thread.join().map_err(|_| "a node has panicked")?);
        let others: Result<Vec<Incoming>> = others.collect();
        Ok(own?.count() + others?.iter().map(Incoming::count).sum::<u64>())
    })?;
    let sent = sent.load(Relaxed);
    if arrived != sent {
        return Err(format!("{sent} values were sent, and {arrived} have arrived").into());
    }
    meter.stop(arrived)
}

/// How many values all queues into a node have room for together: those of a mesh have a channel's capacity each.
pub(crate) fn room(nodes: usize) -> usize {
    CAPACITY * (nodes - 1)
}

/// For channels that many send to: one for each node, whose receiver it has, with a sender for each other one. Gives what
/// each node has, with its senders in the order of nodes and none for itself.
pub(crate) fn channels<S: Clone, R>(
    nodes: usize,
    channel: impl Fn(usize) -> (S, R),
) -> Vec<(Vec<Option<S>>, R)> {
    let ends: Vec<(S, R)> = (0..nodes).map(|_| channel(room(nodes))).collect();
    let (senders, receivers): (Vec<S>, Vec<R>) = ends.into_iter().unzip();
    let others =
        |own: usize| (0..).zip(&senders).map(|(to, sender)| (to != own).then(|| sender.clone())).collect();
    (0..).zip(receivers).map(|(own, receiver)| (others(own), receiver)).collect()
}

#[cfg(test)]
mod tests {
    use super::{Arc, AtomicU64, Duration, Incoming, Instant, Outgoing, Parcel, mesh};

    #[test]
    fn a_node_sends_the_same_numbers_to_each_other_node_and_none_to_itself() {
        let deadline = Instant::now();
        let sent = Arc::new(AtomicU64::new(0));
        let outgoing = Outgoing { from: 1, nodes: 3, deadline, lap: 1, step: 0, sent: Arc::clone(&sent) };
        let sent_to: Vec<_> = outgoing.map(|(to, parcel)| (to, parcel.number)).collect();
        assert_eq!(sent_to[..4], [(2, 1), (0, 1), (2, 2), (0, 2)]);
        assert_eq!(sent_to.len(), 2 * 255, "it looks at the clock before lap 256");
        assert_eq!(sent.load(super::Relaxed), 2 * 256);
    }

    #[test]
    fn parcels_out_of_order_or_of_nobody_are_errors() {
        let mut incoming = Incoming { node: 0, next: vec![0; 2] };
        incoming.take(Parcel { from: 1, number: 0 }).expect("the first");
        for (from, number) in [(1, 0), (1, 2), (0, 0), (2, 0)] {
            incoming.take(Parcel { from, number }).expect_err("not the next");
        }
        assert_eq!(incoming.count(), 1);
    }

    #[test]
    fn a_value_that_does_not_arrive_is_an_error() {
        let deaf = |(), outgoing: Outgoing, incoming| {
            outgoing.for_each(drop);
            Ok(incoming)
        };
        let error = mesh(Duration::from_millis(1), &[], vec![(); 2], deaf, deaf).expect_err("nobody hears");
        assert!(error.to_string().ends_with("and 0 have arrived"), "{error}");
    }
}
