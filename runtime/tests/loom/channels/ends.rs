//! Models of a receiver that waits, and of ends that go. It owns nothing.

use std::sync::Arc;

use loom::thread;

use super::{block_on, mesh, mpsc};

// The breaks: in `Sleeper::wait`, `publish(&self.state, WAITS);` becomes
// `self.state.store(WAITS, std::sync::atomic::Ordering::Release);`; in `Slots::push`, `claim(&self.tail.0, tail, next)` becomes
// an exchange that is `Relaxed`; in `Consumer::poll`, `self.looks_again_if_coming(cx);` goes.
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

// The break: in `Consumer::is_over`, `!self.channel.slots.is_coming()\n            && (look` becomes `(look`.
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

// The break: in the drop of `Consumer`, `if !self.channel.slots.is_coming() {` becomes `if true {`.
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

// The break: in the drop of `Consumer`, `self.close();` goes: it takes what it finds, and more comes.
#[test]
fn a_receiver_that_waited_and_goes_leaves_nothing_that_comes_beside_it() {
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
        assert_eq!(Arc::strong_count(&value), 1, "it is in a channel that nobody will receive from");
        drop(sender);
    });
}

// The break: in `mesh::Receiver::poll_recv`, `queue.looks_again_if_coming(cx)` becomes `false`.
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
