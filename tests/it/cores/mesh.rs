//! Nodes that all send to each other: what comes, in which turns, and when one is gone.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::thread;

use uring::sync::mesh::{self, Node};
use uring::sync::{SendError, TrySendError};
use uring::yield_now;

use super::park_on;
use crate::support::{builder, on_ring, run, watched};

const NODES: usize = 4;
const NUMBERS: usize = 500;

/// Sends its numbers to everybody, itself included, and takes everything in between and after.
async fn take_part(mut node: Node<usize>) -> Vec<Vec<usize>> {
    let mut got = vec![Vec::new(); NODES];
    let own = node.index();
    for number in 0..NUMBERS {
        for to in 0..NODES {
            let mut value = number * NODES + own;
            while let Err(TrySendError::Full(back)) = node.try_send(to, value) {
                value = back;
                if let Some((from, value)) = node.try_recv() {
                    got[from].push(value);
                }
                yield_now().await;
                thread::yield_now();
            }
        }
    }
    while got.iter().map(Vec::len).sum::<usize>() < NODES * NUMBERS {
        let (from, value) = node.recv().await.unwrap();
        got[from].push(value);
    }
    got
}

/// D6. The break: in `Receiver::try_recv`, `return Some((from, value));` becomes `return Some((self.next, value));`.
#[test]
fn four_nodes_on_cores_and_threads_send_each_other_everything_in_order() {
    watched(|_random| {
        for capacity in [1, 64] {
            let threads: Vec<_> = mesh::mesh(NODES, capacity)
                .into_iter()
                .map(|node| {
                    thread::spawn(move || match node.index() {
                        0 | 1 => run(builder(), take_part(node)),
                        _ => park_on(take_part(node)),
                    })
                })
                .collect();
            for thread in threads {
                for (from, got) in thread.join().unwrap().into_iter().enumerate() {
                    let expected: Vec<_> = (0..NUMBERS).map(|number| number * NODES + from).collect();
                    assert_eq!(got, expected, "capacity {capacity}, from {from}");
                }
            }
        }
    });
}

/// D6. The break: `self.next = (from + 1) % nodes;` becomes `self.next = from;`.
#[test]
fn nodes_that_send_at_the_same_time_take_turns() {
    on_ring(async |_random| {
        let mut nodes = mesh::mesh(3, 8);
        for number in 0..8 {
            nodes[1].send(0, number).await.unwrap();
            nodes[2].send(0, number).await.unwrap();
        }
        for number in 0..8 {
            let mut two = [nodes[0].recv().await, nodes[0].recv().await];
            two.sort_unstable();
            assert_eq!(two, [Some((1, number)), Some((2, number))]);
        }
    });
}

/// D6. The break: in `Receiver::poll_recv`, `from == self.index || ` goes: a node that is alone waits for itself for ever.
#[test]
fn a_node_that_is_alone_gets_what_was_sent_and_then_the_end() {
    on_ring(async |_random| {
        struct Counted(Arc<AtomicUsize>);
        impl Drop for Counted {
            fn drop(&mut self) {
                self.0.fetch_add(1, Ordering::SeqCst);
            }
        }
        let drops = Arc::new(AtomicUsize::new(0));
        let value = || Counted(Arc::clone(&drops));
        let mut nodes = mesh::mesh(2, 2).into_iter();
        let (mut left, right) = (nodes.next().unwrap(), nodes.next().unwrap());
        assert!(left.send(0, value()).await.is_ok() && left.send(1, value()).await.is_ok());
        assert!(right.send(0, value()).await.is_ok());
        drop(right);
        assert_eq!(drops.load(Ordering::SeqCst), 1, "what the other node had");
        let SendError(back) = left.send(1, value()).await.unwrap_err();
        drop(back);
        let mut from = [left.recv().await.unwrap().0, left.recv().await.unwrap().0];
        from.sort_unstable();
        assert_eq!(from, [0, 1]);
        assert!(left.recv().await.is_none());
        assert_eq!(drops.load(Ordering::SeqCst), 4);
    });
}

/// D6. The break: in `Receiver::poll_recv`, `first.waits(cx);` goes.
#[test]
fn nodes_whose_tasks_send_while_one_receives_never_wait_for_each_other() {
    const EACH: usize = 2000;
    async fn take_part(node: Node<usize>) -> usize {
        let (sender, mut receiver) = node.split();
        let to = 1 - sender.index();
        let sends = uring::spawn(async move {
            for number in 0..EACH {
                sender.send(to, number).await.unwrap();
            }
        });
        let mut got = 0;
        while let Some((from, number)) = receiver.recv().await {
            assert_eq!((from, number), (to, got));
            got += 1;
        }
        sends.await.unwrap();
        got
    }
    watched(|_random| {
        let threads: Vec<_> = mesh::mesh(2, 1)
            .into_iter()
            .map(|node| thread::spawn(move || run(builder(), take_part(node))))
            .collect();
        threads.into_iter().for_each(|thread| assert_eq!(thread.join().unwrap(), EACH));
    });
}
