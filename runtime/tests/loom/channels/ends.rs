//! Models of a receiver that waits, and of ends that go. It owns nothing.

use std::sync::Arc;

use loom::thread;

use super::{block_on, mesh, mpsc};

// The break: in `Sleeper::wait`, `publish(&self.state, WAITS);` becomes
// `self.state.store(WAITS, std::sync::atomic::Ordering::Release);`.
#[test]
fn a_receiver_that_begins_to_wait_does_not_miss_a_value() {
    loom::model(|| {
        let (sender, mut receiver) = mpsc::channel(2);
        let thread = thread::spawn(move || {
            sender.try_send(1).unwrap();
            sender
        });
        assert_eq!(block_on(receiver.recv()), Some(1));
        drop(thread.join().unwrap());
        assert_eq!(block_on(receiver.recv()), None);
    });
}

// The break: the word changes behind the wake: `exchange(&self.state, WAITS, AWAKE)` becomes
// `exchange(&self.state, WAITS, WAITS)`, and `wake(waker);` becomes `wake(waker);\n publish(&self.state, AWAKE);`.
#[test]
fn a_receiver_that_waits_again_beside_the_wake_before_does_not_miss_the_next_value() {
    loom::model(|| {
        let (sender, mut receiver) = mpsc::channel(2);
        let thread = thread::spawn(move || {
            (1..=2).for_each(|value| sender.try_send(value).unwrap());
            sender
        });
        assert_eq!((block_on(receiver.recv()), block_on(receiver.recv())), (Some(1), Some(2)));
        drop(thread.join().unwrap());
    });
}

// The break: in `Consumer::is_over`, `self.channel.slots.is_drained()\n            && (look` becomes `(look`.
#[test]
fn a_receiver_that_has_closed_waits_for_the_value_that_is_on_its_way() {
    loom::model(|| {
        let (sender, mut receiver) = mpsc::channel(2);
        let thread = thread::spawn(move || (1..=2).filter(|value| sender.try_send(*value).is_ok()).count());
        receiver.close();
        let got: Vec<u32> = std::iter::from_fn(|| block_on(receiver.recv())).collect();
        assert_eq!(got.len(), thread.join().unwrap());
    });
}

// The break: `let _ = self.channel.receiver.wake();` goes.
#[test]
fn a_receiver_that_waits_learns_that_the_last_sender_is_gone() {
    loom::model(|| {
        let (sender, mut receiver) = mpsc::channel::<u32>(1);
        let senders = [sender.clone(), sender];
        let threads = senders.map(|sender| thread::spawn(move || drop(sender)));
        assert_eq!(block_on(receiver.recv()), None);
        threads.into_iter().for_each(|thread| thread.join().unwrap());
    });
}

// The break: in `Channel::push`, `self.drain();` goes.
#[test]
fn a_value_that_is_on_its_way_when_the_receiver_goes_does_not_outlive_both() {
    loom::model(|| {
        let (sender, receiver) = mpsc::channel(2);
        let value = Arc::new(());
        let threads = [sender.clone(), sender.clone()].map(|sender| {
            let value = Arc::clone(&value);
            thread::spawn(move || drop(sender.try_send(value)))
        });
        drop(receiver);
        threads.into_iter().for_each(|thread| thread.join().unwrap());
        assert_eq!(Arc::strong_count(&value), 1, "it is in a channel that nobody will receive from");
        drop(sender);
    });
}

// The break: `publish(&self.state, GONE);` becomes `self.state.store(GONE, std::sync::atomic::Ordering::Release);`.
#[test]
fn one_of_the_receiver_that_goes_and_the_sender_sees_the_other() {
    loom::model(|| {
        let (sender, receiver) = mpsc::channel(1);
        let value = Arc::new(());
        let thread = {
            let (sender, value) = (sender.clone(), Arc::clone(&value));
            thread::spawn(move || drop(sender.try_send(value)))
        };
        drop(receiver);
        thread.join().unwrap();
        assert_eq!(Arc::strong_count(&value), 1, "it is in a channel that nobody will receive from");
        drop(sender);
    });
}

// The break: in `Sleeper::wake_now`, `exchange(&self.state, WAITS, AWAKE)` becomes
// `{ publish(&self.state, AWAKE); Ok::<usize, usize>(AWAKE) }`.
#[test]
fn a_wake_beside_the_receiver_that_goes_does_not_bring_it_back() {
    loom::model(|| {
        let (sender, mut receiver) = mpsc::channel(2);
        assert!(super::poll(&mut Box::pin(receiver.recv())).is_pending());
        let value = Arc::new(());
        let thread = {
            let (sender, value) = (sender.clone(), Arc::clone(&value));
            thread::spawn(move || (0..2).for_each(|_| drop(sender.try_send(Arc::clone(&value)))))
        };
        drop(receiver);
        thread.join().unwrap();
        assert_eq!(Arc::strong_count(&value), 1);
        drop(sender);
    });
}

// The break: in `mesh::Receiver::poll_recv`, `match self.try_recv() {` becomes `match None::<(usize, T)> {`.
#[test]
fn a_node_waits_for_all_of_its_queues_at_once() {
    loom::model(|| {
        let mut nodes = mesh::mesh(3, 1).into_iter();
        let mut receiver = nodes.next().unwrap();
        let senders = nodes.map(|node| {
            thread::spawn(move || {
                node.try_send(0, node.index()).unwrap();
                node
            })
        });
        let senders: Vec<_> = senders.collect();
        let mut got = [block_on(receiver.recv()), block_on(receiver.recv())];
        got.sort_unstable();
        assert_eq!(got, [Some((1, 1)), Some((2, 2))]);
        senders.into_iter().for_each(|sender| drop(sender.join().unwrap()));
        assert_eq!(block_on(receiver.recv()), None);
    });
}
