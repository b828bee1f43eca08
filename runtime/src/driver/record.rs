//! The operations in flight, each under a key that no other operation will ever have.
//!
//! ```text
//!              insert                last completion               take
//!   (vacant) ─────────▶ Waiting ────────────────────▶ Completed ─────────▶ (vacant)
//!                          │                               │
//!                  abandon │                       abandon │
//!                          ▼        last completion        ▼
//!                       Orphaned ───────────────────▶ orphan step ───────▶ (vacant)
//! ```
//!
//! The record is the only owner of the memory that the kernel can see. It leaves the table at the operation's last
//! completion and never before.

use std::mem;
use std::task::Waker;

use slab::Slab;
use uring_sys_shim::Cqe;

use crate::driver::payload::Payload;
use crate::op::{More, Operation};
use crate::task::Waiter;

/// Names one operation: its place in the table and a number that is used once in four billion operations.
///
/// As `user_data` the generation is the upper half and the place the lower.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Key {
    index: u32,
    generation: u32,
}

impl Key {
    pub(crate) fn user_data(self) -> u64 {
        u64::from(self.generation) << 32 | u64::from(self.index)
    }

    pub(crate) fn from_user_data(user_data: u64) -> Self {
        Self { index: user_data as u32, generation: (user_data >> 32) as u32 }
    }
}

/// Places from here on are tags of entries that have no record.
pub(crate) const INDEX_MAX: u32 = u32::MAX - 16;

struct Record {
    generation: u32,
    stage: Stage,
    payload: Payload,
}

enum Stage {
    /// In flight; the future that waits has left its waker, once it was polled again.
    Waiting(Waiter),
    /// In flight, and nobody waits: the orphan step runs at the last completion.
    Orphaned,
    /// The last completion is there, and its future has not come for it yet.
    Completed(Cqe),
}

/// What a completion asks for, to be done when the table is no longer borrowed.
pub(crate) enum Delivery {
    /// Nobody is waiting yet, or a key that is not in the table: see the count.
    Nothing,
    /// Wake the future.
    Wake(Waiter),
    /// Run the operation's orphan step.
    Orphan(Payload, Cqe),
    /// It was not the operation's last: what that asks for.
    More(Key, More),
    /// No such operation: a completion that came twice, or too late.
    Unknown,
    /// A message to the core at this place did not arrive.
    Unsent(u16),
}

/// What a future finds when it looks for its operation.
pub(crate) enum Polled<T> {
    /// The operation and its last completion.
    Completed(T, Cqe),
    /// It is in flight, and will wake this waker.
    Waits,
    /// It is in flight, and would wake another one.
    Stale,
}

/// What became of an operation whose future is gone, to be done or dropped when the table is no longer borrowed.
pub(crate) enum Abandoned {
    /// It goes on by itself. Its waker, if it had one.
    InFlight(Waiter),
    /// It had completed: run its orphan step.
    Completed(Payload, Cqe),
}

/// All operations in flight.
#[derive(Default)]
pub(crate) struct Records {
    slab: Slab<Record>,
    generation: u32,
    /// How many of the records are `Completed`.
    completed: usize,
}

impl Records {
    /// No operations, the next of which gets the generation behind this one: to come near its wrap.
    #[cfg(any(test, fuzzing))]
    pub(crate) fn starting_at(generation: u32) -> Self {
        Self { generation, ..Self::default() }
    }

    /// How many operations have not had their last completion.
    pub(crate) fn in_flight(&self) -> usize {
        self.slab.len() - self.completed
    }

    /// How many operations have completed and were not taken.
    pub(crate) fn completed(&self) -> usize {
        self.completed
    }

    /// Adds an operation that a future waits for.
    #[inline(always)]
    pub(crate) fn insert(&mut self, payload: Payload, waiter: Waiter) -> Key {
        self.add(payload, Stage::Waiting(waiter))
    }

    /// Adds an operation that belongs to a resource instead of a future.
    #[inline(always)]
    pub(crate) fn insert_detached(&mut self, payload: Payload) -> Key {
        self.add(payload, Stage::Orphaned)
    }

    #[inline(always)]
    fn add(&mut self, payload: Payload, stage: Stage) -> Key {
        self.generation = self.generation.wrapping_add(1);
        let generation = self.generation;
        let index = self.slab.insert(Record { generation, stage, payload });
        assert!(
            index < INDEX_MAX as usize,
            "invariant: memory ends before four billion operations in flight"
        );
        Key { index: index as u32, generation }
    }

    fn find(&mut self, key: Key) -> Option<&mut Record> {
        self.slab.get_mut(key.index as usize).filter(|record| record.generation == key.generation)
    }

    /// Whether the operation is still in the table.
    pub(crate) fn contains(&self, key: Key) -> bool {
        self.slab.get(key.index as usize).is_some_and(|record| record.generation == key.generation)
    }

    /// Takes a completed operation out, or says whether its future will be woken by this waker.
    #[inline(always)]
    pub(crate) fn poll<T: Operation>(&mut self, key: Key, waker: &Waker) -> Polled<T> {
        let record = self.find(key).expect("invariant: a future's record lives until the future took it");
        match &record.stage {
            Stage::Completed(cqe) => {
                let cqe = *cqe;
                self.completed -= 1;
                let record = self.slab.remove(key.index as usize);
                Polled::Completed(record.payload.take(), cqe)
            }
            Stage::Waiting(known) if known.is(waker) => Polled::Waits,
            Stage::Waiting(_) | Stage::Orphaned => Polled::Stale,
        }
    }

    /// Keeps another waiter for an operation in flight, and hands out the one before, because its drop is code of users.
    pub(crate) fn set_waiter(&mut self, key: Key, waiter: Waiter) -> Waiter {
        match self.find(key).map(|record| &mut record.stage) {
            Some(Stage::Waiting(known)) => mem::replace(known, waiter),
            _ => waiter,
        }
    }

    /// The operation of a future, in its record: in flight, or completed and not taken.
    pub(crate) fn get_mut<T: Operation>(&mut self, key: Key) -> &mut T {
        let record = self.find(key).expect("invariant: a future's record lives until the future took it");
        record.payload.get_mut()
    }

    /// The future is gone.
    pub(crate) fn abandon(&mut self, key: Key) -> Abandoned {
        let record = self.find(key).expect("invariant: a future's record lives until the future took it");
        if let Stage::Completed(cqe) = record.stage {
            self.completed -= 1;
            let record = self.slab.remove(key.index as usize);
            return Abandoned::Completed(record.payload, cqe);
        }
        match mem::replace(&mut record.stage, Stage::Orphaned) {
            Stage::Waiting(waiter) => Abandoned::InFlight(waiter),
            Stage::Orphaned | Stage::Completed(_) => Abandoned::InFlight(Waiter::Nobody),
        }
    }

    /// Brings a completion to its operation.
    #[inline]
    pub(crate) fn deliver(&mut self, cqe: Cqe) -> Delivery {
        let key = Key::from_user_data(cqe.user_data);
        let Some(record) = self.find(key) else {
            return Delivery::Unknown;
        };
        if cqe.more() {
            return Delivery::More(key, record.payload.more(cqe));
        }
        match &mut record.stage {
            Stage::Orphaned => {
                let record = self.slab.remove(key.index as usize);
                Delivery::Orphan(record.payload, cqe)
            }
            Stage::Waiting(waiter) => {
                let waiter = mem::take(waiter);
                record.stage = Stage::Completed(cqe);
                self.completed += 1;
                Delivery::Wake(waiter)
            }
            // A second last completion: no kernel posts one.
            Stage::Completed(_) => Delivery::Unknown,
        }
    }
}
