//! Ends that go: everybody who waits learns it, every value goes back or is dropped once, and nothing else is harmed.

use std::future::pending;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::task::{Poll, Waker};
use std::thread;

use uring::sync::mpsc::{self, Sender};
use uring::sync::{RecvError, SendError, TryRecvError, TrySendError, oneshot};

use super::park_on;
use super::spawn::{Core, Left};
use super::wakers::{Count, poll};
use crate::kit::without_panic_messages;
use crate::support::{alone, builder, on_ring, watched};

/// Panics when it is dropped, if it is told to, and counts.
struct Mine {
    drops: Arc<AtomicUsize>,
    goes_off: bool,
}

impl Drop for Mine {
    fn drop(&mut self) {
        self.drops.fetch_add(1, Ordering::SeqCst);
        assert!(!self.goes_off, "a value that panics in its drop");
    }
}

/// A sender on a thread of its own, which waits for room and gives what comes of it.
fn waits(sender: &Sender<usize>, number: usize) -> thread::JoinHandle<Result<(), SendError<usize>>> {
    let sender = sender.clone();
    thread::spawn(move || park_on(sender.send(number)))
}

/// D6. The break: in `Line::close`, `wakers.into_values().for_each(wake);` becomes
/// `wakers.into_values().take(1).for_each(wake);`.
#[test]
fn a_close_gives_every_sender_its_value_back_and_the_receiver_the_rest() {
    watched(|_random| {
        let (sender, mut receiver) = mpsc::channel(2);
        (0..2).for_each(|number| sender.try_send(number).unwrap());
        // Some are in the line, and some may come just then.
        let senders: Vec<_> = (0..8).map(|_| sender.clone()).collect();
        let mut sends: Vec<_> =
            senders.iter().zip(2..).map(|(sender, number)| Box::pin(sender.send(number))).collect();
        let woken: Vec<_> = sends.iter().map(|_| Arc::new(Count::default())).collect();
        for (send, woken) in sends.iter_mut().zip(&woken) {
            assert!(poll(send, &Waker::from(Arc::clone(woken))).is_pending());
        }
        let threads: Vec<_> = (10..18).map(|number| waits(&sender, number)).collect();
        receiver.close();
        for ((send, woken), number) in sends.iter_mut().zip(&woken).zip(2..) {
            assert_eq!(woken.0.load(Ordering::SeqCst), 1);
            assert_eq!(poll(send, Waker::noop()), Poll::Ready(Err(SendError(number))));
        }
        for (number, thread) in (10..18).zip(threads) {
            assert_eq!(thread.join().unwrap(), Err(SendError(number)));
        }
        assert!(sender.is_closed() && receiver.is_closed());
        assert_eq!(sender.try_send(10), Err(TrySendError::Closed(10)));
        assert_eq!((receiver.try_recv(), receiver.try_recv()), (Ok(0), Ok(1)));
        assert_eq!(receiver.try_recv(), Err(TryRecvError::Disconnected));
        assert_eq!(park_on(receiver.recv()), None);
    });
}

/// D6. The break: in the drop of `Consumer`, `self.close();` goes.
#[test]
fn a_full_channel_without_a_receiver_gives_every_value_back() {
    watched(|_random| {
        let (sender, receiver) = mpsc::channel(1);
        sender.try_send(0).unwrap();
        assert_eq!(sender.try_send(1).unwrap_err().into_inner(), 1);
        let threads: Vec<_> = (1..5).map(|number| waits(&sender, number)).collect();
        drop(receiver);
        for (number, thread) in (1..5).zip(threads) {
            assert_eq!(thread.join().unwrap(), Err(SendError(number)));
        }
        assert_eq!(park_on(sender.send(5)), Err(SendError(5)));
        assert_eq!(sender.len(), 0, "what was in the channel was dropped with the receiver");
    });
}

/// D6, D8. The break: in `Channel::drain`, `Some(value) => discard(value),` becomes `Some(value) => drop(value),`.
#[test]
fn values_that_panic_in_their_drop_cost_no_other_value_and_no_sender() {
    alone(|_random| {
        without_panic_messages();
        let drops = Arc::new(AtomicUsize::new(0));
        let mine = |goes_off| Mine { drops: Arc::clone(&drops), goes_off };
        let (sender, receiver) = mpsc::channel(8);
        for at in 0..8 {
            assert!(sender.try_send(mine(at % 2 == 0)).is_ok());
        }
        drop(receiver);
        assert_eq!(drops.load(Ordering::SeqCst), 8);
        assert!(sender.is_closed());
        let back = park_on(sender.send(mine(false))).unwrap_err();
        drop(back.0);
        assert_eq!(drops.load(Ordering::SeqCst), 9);
    });
}

/// C14, D8. The break: in the drop of `Errand`, `&& !contain(|| drop(undone))` becomes `&& { drop(undone); false }`: two
/// panics meet, and the process aborts.
#[test]
fn what_was_sent_to_a_core_that_ends_may_panic_in_its_drop() {
    alone(|_random| {
        without_panic_messages();
        let drops = Arc::new(AtomicUsize::new(0));
        let runtime = builder().build().unwrap();
        let handle = runtime.handle();
        let sent: Vec<_> = (0..3)
            .map(|_| {
                let mine = Mine { drops: Arc::clone(&drops), goes_off: true };
                handle.spawn(move || async move {
                    let _mine = mine;
                    pending::<()>().await;
                })
            })
            .collect();
        assert_eq!(runtime.shutdown(), 0);
        assert_eq!(drops.load(Ordering::SeqCst), 3);
        sent.into_iter().for_each(|task| assert!(task.wait().unwrap_err().is_cancelled()));
    });
}

/// D6. The break: in the drop of `Consumer`, `self.close();` goes: the sender waits for ever.
#[test]
fn a_core_that_ends_takes_its_ends_of_channels_with_it() {
    watched(|_random| {
        let (core, other) = (Core::start(), Core::start());
        let (request, mut requests) = mpsc::channel::<oneshot::Sender<u32>>(1);
        let (answer, mut answers) = mpsc::channel(1);
        answer.try_send(0).unwrap();
        // It holds a receiver, waits with a sender, and owes an answer.
        let (taken, is_taken) = oneshot::channel();
        drop(core.handle.spawn(move || async move {
            let _owed = requests.recv().await.unwrap();
            taken.send(()).unwrap();
            let _ = answer.send(1).await;
            drop(requests);
        }));
        let (reply, replied) = oneshot::channel();
        request.try_send(reply).unwrap();
        park_on(is_taken).unwrap();
        // One more fits, and the next one waits until the receiver is gone.
        request.try_send(oneshot::channel().0).unwrap();
        let waits = other
            .handle
            .spawn(move || async move { (request.send(oneshot::channel().0).await.is_err(), replied.await) });
        core.end(Left::Tasks);
        assert_eq!(waits.wait().unwrap(), (true, Err(RecvError)));
        assert_eq!(park_on(answers.recv()), Some(0));
        assert_eq!(park_on(answers.recv()), None, "the value of the dropped send comes never");
        other.end(Left::Nothing);
    });
}

/// D6. The break: in `oneshot::Sender::send`, `return Err(value);` becomes `return Ok(());`.
#[test]
fn one_value_comes_or_goes_back() {
    on_ring(async |_random| {
        let (sender, receiver) = oneshot::channel();
        sender.send(1).unwrap();
        assert_eq!(receiver.await, Ok(1));
        let (sender, receiver) = oneshot::channel();
        drop(receiver);
        assert!(sender.is_closed());
        assert_eq!(sender.send(2), Err(2));
        let (sender, mut receiver) = oneshot::channel();
        sender.send(3).unwrap();
        receiver.close();
        assert_eq!(receiver.try_recv(), Ok(3), "it was sent before");
        assert_eq!(receiver.try_recv(), Err(TryRecvError::Disconnected));
        let (mut sender, mut receiver) = oneshot::channel::<u32>();
        assert_eq!(receiver.try_recv(), Err(TryRecvError::Empty));
        receiver.close();
        sender.closed().await;
        assert_eq!(receiver.await, Err(RecvError));
    });
}
