//! Values that cross threads: each comes once and in order, whatever futures are dropped and wherever the ends are.

use std::sync::Arc;
use std::sync::atomic::{AtomicU8, Ordering};
use std::thread;

use uring::sync::mpsc::{self, Receiver, Sender};
use uring::sync::{TryRecvError, TrySendError, spsc};
use uring::time;

use super::park_on;
use super::spawn::{Core, Left};
use crate::kit::poll_once;
use crate::support::{Random, builder, on_ring, run, watched};

const PRODUCERS: usize = 4;
const NUMBERS: usize = 3000;

/// How often each value was dropped, by its producer and number.
type Drops = Arc<Vec<AtomicU8>>;

struct Value {
    producer: usize,
    number: usize,
    drops: Drops,
}

impl Value {
    fn new(producer: usize, number: usize, drops: &Drops) -> Self {
        Self { producer, number, drops: Arc::clone(drops) }
    }
}

impl Drop for Value {
    fn drop(&mut self) {
        self.drops[self.producer * NUMBERS + self.number].fetch_add(1, Ordering::SeqCst);
    }
}

/// Sends all numbers in some way or other, and gives those that were sent: not those whose future was dropped.
async fn produce(sender: Sender<Value>, producer: usize, drops: Drops, mut random: Random) -> Vec<usize> {
    let mut sent = Vec::new();
    for number in 0..NUMBERS {
        let value = Value::new(producer, number, &drops);
        let is_sent = match random.below(0..4) {
            0 => sender.try_send(value).is_ok(),
            1 => {
                let mut send = Box::pin(sender.send(value));
                let polls = random.below(1..4);
                let mut is_sent = false;
                for _ in 0..polls {
                    is_sent = is_sent || poll_once(&mut send).await.is_ready();
                    thread::yield_now();
                }
                is_sent
            }
            _ => sender.send(value).await.is_ok(),
        };
        if is_sent {
            sent.push(number);
        }
    }
    sent
}

/// Receives everything in some way or other.
async fn consume(mut receiver: Receiver<Value>, mut random: Random) -> Vec<Vec<usize>> {
    let mut got = vec![Vec::new(); PRODUCERS];
    let mut many = Vec::new();
    loop {
        match random.below(0..4) {
            0 => many.extend(receiver.try_recv().ok()),
            1 => {
                let polled = poll_once(&mut Box::pin(receiver.recv())).await;
                if let std::task::Poll::Ready(Some(value)) = polled {
                    many.push(value);
                }
            }
            2 => match receiver.recv().await {
                Some(value) => many.push(value),
                None => return got,
            },
            _ => {
                let limit = random.below(1..10);
                if receiver.recv_many(&mut many, limit).await == 0 {
                    return got;
                }
            }
        }
        many.drain(..).for_each(|value| got[value.producer].push(value.number));
    }
}

/// D6. The breaks: `publish(&slot.stamp, head + self.lap);` in `Slots::pop` becomes `publish(&slot.stamp, head + 1);`; and
/// `self.finish(Used::No);` goes from the drop of `Send`, with which a sender's turn is lost and the test hangs.
#[test]
fn values_of_four_threads_come_once_and_in_order_whatever_futures_are_dropped() {
    watched(|mut random| {
        for capacity in [1, 2, 64] {
            let drops: Drops = Arc::new((0..PRODUCERS * NUMBERS).map(|_| AtomicU8::new(0)).collect());
            let (sender, receiver) = mpsc::channel(capacity);
            // Two producers are in the runtime and two in another executor.
            let producers: Vec<_> = (0..PRODUCERS)
                .map(|producer| {
                    let (sender, drops, random) = (sender.clone(), Arc::clone(&drops), random.fork());
                    thread::spawn(move || {
                        let work = produce(sender, producer, drops, random);
                        if producer % 2 == 0 { run(builder(), work) } else { park_on(work) }
                    })
                })
                .collect();
            drop(sender);
            let got = run(builder(), consume(receiver, random.fork()));
            let sent: Vec<_> = producers.into_iter().map(|thread| thread.join().unwrap()).collect();
            assert_eq!(got, sent, "capacity {capacity}");
            let odd: Vec<_> = drops.iter().filter(|drops| drops.load(Ordering::SeqCst) != 1).collect();
            assert!(odd.is_empty(), "capacity {capacity}: {} values were not dropped once", odd.len());
        }
    });
}

/// D6. The break: in `Producer::try_send`, `if !line.is_empty() && !slots.is_closed() {` becomes `if false {`.
#[test]
fn senders_that_wait_are_served_in_the_order_of_their_coming_and_nobody_overtakes() {
    on_ring(async |_random| {
        let (sender, mut receiver) = mpsc::channel(1);
        sender.try_send(0).unwrap();
        let mut waiting: Vec<_> = (1..=50).map(|number| Box::pin(sender.send(number))).collect();
        for send in &mut waiting {
            // It may look a few times before it stands in the line.
            for _ in 0..64 {
                assert!(poll_once(send).await.is_pending());
            }
        }
        // Every fifth one gives up, with or without its turn.
        let mut got = Vec::new();
        for (at, mut send) in waiting.into_iter().enumerate() {
            got.extend(receiver.try_recv());
            assert!(matches!(sender.try_send(99), Err(TrySendError::Full(99))), "it would overtake");
            if at % 5 != 4 {
                assert!(poll_once(&mut send).await.is_ready(), "it is its turn");
            }
        }
        got.extend(receiver.try_recv());
        let expected: Vec<_> = (0..=50).filter(|number| *number == 0 || number % 5 != 0).collect();
        assert_eq!(got, expected);
        assert_eq!(receiver.try_recv(), Err(TryRecvError::Empty));
        sender.try_send(99).unwrap();
    });
}

/// D6, C1. The break: in `Sleeper::wake`, `if look(&self.state) == AWAKE {` becomes `if look(&self.state) != GONE {`.
#[test]
fn a_hundred_thousand_values_go_back_and_forth_between_two_cores() {
    const ROUNDS: u32 = 100_000;
    watched(|_random| {
        let core = Core::start();
        let (mut there, mut from_here) = spsc::channel(1);
        let (mut back, mut from_there) = spsc::channel(1);
        let echo = core.handle.spawn(move || async move {
            let mut count = 0;
            while let Some(number) = from_here.recv().await {
                back.send(number + 1).await.unwrap();
                count += 1;
            }
            count
        });
        run(builder(), async move {
            for round in 0..ROUNDS {
                there.send(round).await.unwrap();
                assert_eq!(from_there.recv().await, Some(round + 1));
            }
            drop(there);
            assert_eq!(from_there.recv().await, None);
        });
        assert_eq!(echo.wait().unwrap(), ROUNDS);
        core.end(Left::Nothing);
    });
}

/// D6. The break: in `Sleeper::wake_now`, `wake(waker);` becomes `drop(waker);`.
#[test]
fn a_runtime_and_another_executor_send_each_other_values() {
    watched(|_random| {
        let (to_core, mut from_thread) = mpsc::channel(2);
        let (to_thread, mut from_core) = mpsc::channel(2);
        let thread = thread::spawn(move || {
            park_on(async {
                for number in 0..1000 {
                    to_core.send(number).await.unwrap();
                    assert_eq!(from_core.recv().await, Some(number * 2));
                }
            });
        });
        run(builder(), async move {
            while let Some(number) = from_thread.recv().await {
                if number % 100 == 0 {
                    // Long enough for the other thread to be parked.
                    time::sleep(std::time::Duration::from_millis(1)).await;
                }
                to_thread.send(number * 2).await.unwrap();
            }
        });
        thread.join().unwrap();
    });
}

/// The break: in `Slots::count`, `position / self.lap * self.slots.len()` becomes `position / self.lap * self.lap`.
#[test]
fn the_number_of_values_is_right_in_every_lap() {
    for capacity in [1, 2, 3, 5, 8] {
        let (sender, mut receiver) = mpsc::channel(capacity);
        assert_eq!((sender.max_capacity(), receiver.max_capacity()), (capacity, capacity));
        for round in 0..4 * capacity {
            // So many that the rounds begin at every place of a lap.
            let count = 1 + round % capacity;
            for number in 0..count {
                assert_eq!(sender.len(), number, "capacity {capacity}, round {round}");
                sender.try_send(number).unwrap();
            }
            assert_eq!(sender.len(), count);
            let got: Vec<_> = std::iter::from_fn(|| receiver.try_recv().ok()).collect();
            assert_eq!(got, (0..count).collect::<Vec<_>>());
            assert!(sender.is_empty() && receiver.is_empty());
        }
    }
}
