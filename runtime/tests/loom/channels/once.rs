//! Models of the channel for one value: it comes, or goes back, or is dropped, once. It owns nothing.

use std::sync::Arc;

use loom::sync::atomic::{AtomicBool, Ordering};
use loom::thread;

use super::block_on;
use super::error::RecvError;
use super::oneshot;

// The break: `let before = state.receiver.wait(waker);` becomes
// `drop(state);\n        let mut state = lock(&self.0);\n        let before = state.receiver.wait(waker);`.
#[test]
fn a_value_that_is_sent_beside_the_receive_comes() {
    loom::model(|| {
        let (sender, receiver) = oneshot::channel();
        let thread = thread::spawn(move || sender.send(1).unwrap());
        assert_eq!(block_on(receiver), Ok(1));
        thread.join().unwrap();
    });
}

// The break: in the drop of `Sender`, `Side::Open(receiver).wake();\n        // Last` becomes `drop(receiver);\n
// // Last`.
#[test]
fn a_receiver_learns_that_the_sender_was_dropped() {
    loom::model(|| {
        let (sender, receiver) = oneshot::channel::<u32>();
        let thread = thread::spawn(move || drop(sender));
        assert_eq!(block_on(receiver), Err(RecvError));
        thread.join().unwrap();
    });
}

// The break: in `Receiver::close`, `let own = mem::replace(&mut state.receiver, Side::Gone);` becomes
// `let own = mem::replace(&mut state.receiver, Side::Open(None));`.
#[test]
fn a_value_that_is_sent_beside_the_receivers_drop_goes_back_or_is_dropped() {
    loom::model(|| {
        let (sender, receiver) = oneshot::channel();
        let value = Arc::new(());
        let sent = Arc::clone(&value);
        let gone = Arc::new(AtomicBool::new(false));
        let thread = {
            let gone = Arc::clone(&gone);
            thread::spawn(move || {
                let late = gone.load(Ordering::Acquire);
                let back = sender.send(sent);
                assert!(!late || back.is_err(), "it was sent to nobody");
                let here = usize::from(back.is_err());
                (back, here)
            })
        };
        drop(receiver);
        gone.store(true, Ordering::Release);
        let (back, here) = thread.join().unwrap();
        assert_eq!(Arc::strong_count(&value), 1 + here);
        drop(back);
    });
}

// The break: in `Receiver::close`, `Side::Open(sender).wake();` becomes `drop(sender);`.
#[test]
fn a_sender_that_waits_for_the_receivers_end_learns_it() {
    loom::model(|| {
        let (mut sender, receiver) = oneshot::channel::<u32>();
        let thread = thread::spawn(move || drop(receiver));
        block_on(sender.closed());
        assert!(sender.send(1).is_err());
        thread.join().unwrap();
    });
}
