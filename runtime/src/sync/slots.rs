//! A bounded queue of many producers and one consumer, without locks.
//!
//! Each slot has a stamp that says whose it is, as in Dmitry Vyukov's bounded queue. Positions count laps: the low part is
//! the slot's index, and one lap is more than the last index.
//!
//! ```text
//!   stamp = position         the slot is free for the producer of that position
//!   stamp = position + 1     it holds that position's value, for the consumer
//!   stamp = position + lap   it is free for the producer one lap later
//! ```
//!
//! A producer takes a position by moving `tail`, writes the slot and then its stamp. In between the value is *on its way*: the
//! consumer finds nothing there, and also nothing behind it, for values leave in the order of their positions. The move of
//! `tail` is the producer's only step that other processors have to agree on at once; the stamp is an ordinary store, which
//! lets a producer go on to the next value while the line of this one is still being fetched. It owns the values and nothing
//! else: who waits is `channel`'s.
#![allow(unsafe_code, reason = "slots whose owner is told by a stamp")]

use std::mem::MaybeUninit;

use super::prims::{AtomicUsize, Ordering, Shared, claim, discard, look, publish};

/// Set in `tail` when no producer may take a position any more.
const CLOSED: usize = 1 << (usize::BITS - 1);

struct Slot<T> {
    stamp: AtomicUsize,
    value: Shared<MaybeUninit<T>>,
}

/// Keeps what producers write away from what the consumer writes: two lines, because processors fetch pairs.
#[repr(align(128))]
struct Apart<T>(T);

/// The queue.
pub(super) struct Slots<T> {
    tail: Apart<AtomicUsize>,
    /// Only the consumer moves it.
    head: Apart<AtomicUsize>,
    slots: Box<[Slot<T>]>,
    lap: usize,
}

/// Why a value was not taken.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Refused<T> {
    Full(T),
    Closed(T),
}

// SAFETY: a value is written by one thread and moved out by another, which is what `Send` allows; the stamps give each
// slot to one thread at a time (docs/safety.md, S11), so no two threads ever use one value.
unsafe impl<T: Send> Sync for Slots<T> {}
// SAFETY: as above.
unsafe impl<T: Send> Send for Slots<T> {}

impl<T> Slots<T> {
    /// A queue of so many values, at least one.
    pub(super) fn new(capacity: usize) -> Self {
        let slots = (0..capacity)
            .map(|index| Slot { stamp: AtomicUsize::new(index), value: Shared::new(MaybeUninit::uninit()) })
            .collect();
        Self {
            tail: Apart(AtomicUsize::new(0)),
            head: Apart(AtomicUsize::new(0)),
            slots,
            // More than the capacity, so that "holds this lap's value" and "free for the next lap" differ for one slot.
            lap: (capacity + 1).next_power_of_two(),
        }
    }

    pub(super) fn capacity(&self) -> usize {
        self.slots.len()
    }

    #[inline]
    fn index(&self, position: usize) -> usize {
        position & (self.lap - 1)
    }

    #[inline]
    fn after(&self, position: usize) -> usize {
        let index = self.index(position);
        if index + 1 < self.slots.len() { position + 1 } else { position - index + self.lap }
    }

    /// Puts a value at the end.
    #[inline]
    pub(super) fn push(&self, value: T) -> Result<(), Refused<T>> {
        let mut tail = self.tail.0.load(Ordering::Relaxed);
        loop {
            if tail & CLOSED != 0 {
                return Err(Refused::Closed(value));
            }
            let slot = &self.slots[self.index(tail)];
            let stamp = look(&slot.stamp);
            if stamp == tail {
                let next = self.after(tail);
                match claim(&self.tail.0, tail, next) {
                    Ok(_) => {
                        slot.value.with_mut(|place| {
                            // SAFETY: the stamp says that the slot is the producer's of this position, which the
                            // exchange made this thread; the consumer comes when it sees the stamp below
                            // (docs/safety.md, S11).
                            unsafe { place.write(MaybeUninit::new(value)) }
                        });
                        slot.stamp.store(tail + 1, Ordering::Release);
                        return Ok(());
                    }
                    Err(now) => tail = now,
                }
            } else {
                let now = self.tail.0.load(Ordering::Relaxed);
                if now == tail {
                    return Err(Refused::Full(value));
                }
                tail = now;
            }
        }
    }

    /// Takes the oldest value. Only one thread at a time may do that.
    ///
    /// # Safety
    ///
    /// No two threads may be here at once.
    #[inline]
    pub(super) unsafe fn pop(&self) -> Option<T> {
        let head = self.head.0.load(Ordering::Relaxed);
        let slot = &self.slots[self.index(head)];
        if look(&slot.stamp) != head + 1 {
            return None;
        }
        // SAFETY: the stamp says that the slot holds a value for the consumer, which is this thread alone
        // (docs/safety.md, S11).
        let value = slot.value.with_mut(|place| unsafe { place.read() });
        self.head.0.store(self.after(head), Ordering::Relaxed);
        publish(&slot.stamp, head + self.lap);
        // SAFETY: a producer wrote it before it stored the stamp, and the head has passed it: nobody reads it again.
        Some(unsafe { value.assume_init() })
    }

    /// Whether a push would find room now.
    pub(super) fn has_room(&self) -> bool {
        let tail = self.tail.0.load(Ordering::Relaxed) & !CLOSED;
        look(&self.slots[self.index(tail)].stamp) == tail
    }

    /// Whether a value is there or on its way. In the order of [`publish`], so that of a consumer that has published that it
    /// waits and a producer, either the consumer learns here that a value comes, or the producer finds it waiting.
    pub(super) fn is_coming(&self) -> bool {
        look(&self.tail.0) & !CLOSED != self.head.0.load(Ordering::Relaxed)
    }

    /// From here on every push is refused. Values whose producers have a position still come.
    pub(super) fn close(&self) {
        self.tail.0.fetch_or(CLOSED, Ordering::Release);
    }

    /// Who finds it closed by the last producer finds all values, too.
    pub(super) fn is_closed(&self) -> bool {
        self.tail.0.load(Ordering::Acquire) & CLOSED != 0
    }

    /// Values that are there or on their way, as far as another thread can know.
    pub(super) fn len(&self) -> usize {
        let (tail, head) =
            (self.tail.0.load(Ordering::Relaxed) & !CLOSED, self.head.0.load(Ordering::Relaxed));
        let (tail, head) = (self.count(tail), self.count(head));
        tail.saturating_sub(head).min(self.slots.len())
    }

    /// How many positions came before this one.
    fn count(&self, position: usize) -> usize {
        position / self.lap * self.slots.len() + self.index(position)
    }
}

impl<T> Drop for Slots<T> {
    fn drop(&mut self) {
        // SAFETY: the queue is being dropped, so that nobody else uses it.
        while let Some(value) = unsafe { self.pop() } {
            discard(value);
        }
    }
}
