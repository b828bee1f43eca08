//! Channels from each of a number of nodes to each other: one node for a core, usually.
//!
//! Every pair of nodes has a queue of its own, so senders never meet: no two threads write to the same word. A node waits
//! for all of its queues at once and takes from them in turn.

use std::fmt;
use std::future::poll_fn;
use std::task::{Context, Poll};

use super::channel::{self, Consumer, Producer};
use super::error::{SendError, TrySendError};
use super::prims::Arc;
use super::sleeper::Sleeper;

/// Makes so many nodes, each with a queue for so many values from each other node and from itself.
///
/// It allocates `nodes * nodes` queues of `capacity` values now, and nothing later. With [`Launcher`](crate::Launcher) there
/// is a node for each core: make them before the launch, and let each core take its own.
///
/// # Panics
///
/// When there is no room at all.
///
/// # Examples
///
/// ```
/// # fn main() -> Result<(), uring_runtime::BuildError> {
/// let mut nodes = uring_runtime::sync::mesh::mesh(2, 16).into_iter();
/// let (Some(mut left), Some(mut right)) = (nodes.next(), nodes.next()) else { return Ok(()) };
/// let core = uring_runtime::Runtime::new()?;
/// core.block_on(async {
///     left.send(1, "hello").await.expect("the other node is there");
///     assert_eq!(right.recv().await, Some((0, "hello")));
/// });
/// # Ok(())
/// # }
/// ```
#[must_use]
pub fn mesh<T>(nodes: usize, capacity: usize) -> Vec<Node<T>> {
    let sleepers: Vec<_> = (0..nodes).map(|_| Arc::new(Sleeper::new())).collect();
    let node = |index| Node {
        sender: Sender { index, outgoing: Vec::with_capacity(nodes) },
        receiver: Receiver { index, incoming: Vec::with_capacity(nodes), next: 0, yielded: 0 },
    };
    let mut mesh: Vec<Node<T>> = (0..nodes).map(node).collect();
    for from in 0..nodes {
        for to in 0..nodes {
            let (producer, consumer) = channel::channel(capacity, Arc::clone(&sleepers[to]));
            mesh[from].sender.outgoing.push(producer);
            mesh[to].receiver.incoming.push(consumer);
        }
    }
    mesh
}

/// One of the nodes. Dropping it closes its queues: others learn it when they send to it.
///
/// Who awaits room in another's queue takes nothing meanwhile, and two nodes that do that to each other wait for ever. So a
/// node whose tasks send while one receives is [split](Node::split).
pub struct Node<T> {
    sender: Sender<T>,
    receiver: Receiver<T>,
}

impl<T> Node<T> {
    /// Which node it is, from 0.
    #[must_use]
    pub fn index(&self) -> usize {
        self.sender.index
    }

    /// How many nodes there are, this one included.
    #[must_use]
    pub fn nodes(&self) -> usize {
        self.sender.nodes()
    }

    /// The two halves of the node, for tasks that send and one that receives.
    #[must_use]
    pub fn split(self) -> (Sender<T>, Receiver<T>) {
        (self.sender, self.receiver)
    }

    /// As [`Sender::send`].
    ///
    /// # Errors
    ///
    /// [`SendError`] gives the value back when that node is gone.
    ///
    /// # Panics
    ///
    /// When there is no such node.
    ///
    /// # Cancel safety
    ///
    /// A future that is dropped has sent nothing: the value is dropped with it.
    pub fn send(&self, to: usize, value: T) -> impl Future<Output = Result<(), SendError<T>>> + use<'_, T> {
        self.sender.send(to, value)
    }

    /// Sends a value to a node if there is room now.
    ///
    /// # Errors
    ///
    /// [`TrySendError`] gives the value back.
    ///
    /// # Panics
    ///
    /// When there is no such node.
    pub fn try_send(&self, to: usize, value: T) -> Result<(), TrySendError<T>> {
        self.sender.try_send(to, value)
    }

    /// As [`Receiver::recv`].
    ///
    /// # Cancel safety
    ///
    /// Nothing is lost when the future is dropped.
    pub fn recv(&mut self) -> impl Future<Output = Option<(usize, T)>> + use<'_, T> {
        self.receiver.recv()
    }

    /// As [`recv`](Node::recv), for futures that are written by hand.
    pub fn poll_recv(&mut self, cx: &mut Context<'_>) -> Poll<Option<(usize, T)>> {
        self.receiver.poll_recv(cx)
    }

    /// Takes a value that is there now.
    pub fn try_recv(&mut self) -> Option<(usize, T)> {
        self.receiver.try_recv()
    }
}

impl<T> fmt::Debug for Node<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Node")
            .field("index", &self.index())
            .field("nodes", &self.nodes())
            .finish_non_exhaustive()
    }
}

/// The half of a node that sends. Tasks share it by reference, for instance in an `Rc`.
pub struct Sender<T> {
    index: usize,
    outgoing: Vec<Producer<T>>,
}

impl<T> Sender<T> {
    /// Which node it is, from 0.
    #[must_use]
    pub fn index(&self) -> usize {
        self.index
    }

    /// How many nodes there are, this one included.
    #[must_use]
    pub fn nodes(&self) -> usize {
        self.outgoing.len()
    }

    /// Sends a value to a node, and waits for room. In its own queue only the node itself makes room.
    ///
    /// # Errors
    ///
    /// [`SendError`] gives the value back when that node is gone.
    ///
    /// # Panics
    ///
    /// When there is no such node.
    ///
    /// # Cancel safety
    ///
    /// A future that is dropped has sent nothing: the value is dropped with it.
    pub fn send(&self, to: usize, value: T) -> impl Future<Output = Result<(), SendError<T>>> + use<'_, T> {
        self.outgoing[to].send(value)
    }

    /// Sends a value to a node if there is room now.
    ///
    /// # Errors
    ///
    /// [`TrySendError`] gives the value back.
    ///
    /// # Panics
    ///
    /// When there is no such node.
    pub fn try_send(&self, to: usize, value: T) -> Result<(), TrySendError<T>> {
        self.outgoing[to].try_send(value)
    }
}

impl<T> fmt::Debug for Sender<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Sender").field("index", &self.index).finish_non_exhaustive()
    }
}

/// The half of a node that receives. Dropping it closes the node's queues.
pub struct Receiver<T> {
    index: usize,
    incoming: Vec<Consumer<T>>,
    /// Which queue is looked at first.
    next: usize,
    /// How often the present wait has yielded.
    yielded: usize,
}

impl<T> Receiver<T> {
    /// Which node it is, from 0.
    #[must_use]
    pub fn index(&self) -> usize {
        self.index
    }

    /// Waits for a value, and gives it with the node that sent it. Nodes that send at the same time take turns. `None` when
    /// all other nodes are gone and everything that they sent was received.
    ///
    /// # Cancel safety
    ///
    /// Nothing is lost when the future is dropped.
    pub fn recv(&mut self) -> impl Future<Output = Option<(usize, T)>> + use<'_, T> {
        poll_fn(|cx| self.poll_recv(cx))
    }

    /// As [`recv`](Receiver::recv), for futures that are written by hand.
    pub fn poll_recv(&mut self, cx: &mut Context<'_>) -> Poll<Option<(usize, T)>> {
        if let Some(found) = self.try_recv() {
            return Poll::Ready(Some(found));
        }
        let Some(first) = self.incoming.first() else { return Poll::Ready(None) };
        if first.yields(self.yielded, cx) {
            self.yielded += 1;
            return Poll::Pending;
        }
        first.waits(cx);
        self.yielded = 0;
        if self.incoming.iter().any(|queue| queue.looks_again_if_coming(cx)) {
            return Poll::Pending;
        }
        let mut others = self.incoming.iter().enumerate();
        if others.all(|(from, queue)| from == self.index || queue.is_over()) {
            return Poll::Ready(None);
        }
        Poll::Pending
    }

    /// Takes a value that is there now.
    pub fn try_recv(&mut self) -> Option<(usize, T)> {
        let nodes = self.incoming.len();
        for step in 0..nodes {
            let from = (self.next + step) % nodes;
            if let Some(value) = self.incoming[from].pop() {
                self.next = (from + 1) % nodes;
                self.incoming[0].found(std::mem::take(&mut self.yielded));
                return Some((from, value));
            }
        }
        None
    }
}

impl<T> fmt::Debug for Receiver<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Receiver").field("index", &self.index).finish_non_exhaustive()
    }
}
