//! The values that some receiver has still to see.
//!
//! It knows how many have still to see each value, not who. As receivers see the values in order, those that all have
//! seen are always the oldest. No method runs code of users: values come and go as values.

use std::collections::VecDeque;
use std::rc::Rc;

/// Where a value lies. Whoever clones it holds it meanwhile, and borrows nothing of the ring.
pub(super) type Holder<T> = Rc<Option<T>>;

pub(super) struct Ring<T> {
    slots: VecDeque<Slot<T>>,
    /// The position of the oldest value that is there. Positions count from the channel's beginning.
    first: u64,
    capacity: usize,
    /// Empty holders for the next values, so that a ring that is warm allocates nothing.
    spare: Vec<Holder<T>>,
}

struct Slot<T> {
    value: Holder<T>,
    /// How many receivers have still to see it.
    left: usize,
}

/// What left the ring, for its drop.
pub(super) enum Retired<T> {
    Alone(Option<T>),
    /// Somebody clones it, and drops it at last.
    Held(Holder<T>),
}

/// What a receiver finds.
pub(super) enum Found<T> {
    Empty,
    Missed(u64),
    /// The value itself: all others have seen it.
    Alone(T),
    /// The value, to be cloned.
    Shared(Holder<T>),
}

impl<T> Ring<T> {
    pub(super) fn new(capacity: usize) -> Self {
        Self { slots: VecDeque::new(), first: 0, capacity, spare: Vec::new() }
    }

    /// The position of the value that comes next.
    pub(super) fn end(&self) -> u64 {
        self.first + self.slots.len() as u64
    }

    pub(super) fn len(&self) -> usize {
        self.slots.len()
    }

    /// Puts a value in for so many receivers, and takes the oldest one out when there is no room.
    pub(super) fn push(&mut self, value: T, receivers: usize) -> Option<Retired<T>> {
        let retired = if self.slots.len() == self.capacity { self.retire_first() } else { None };
        let mut holder = self.spare.pop().unwrap_or_default();
        match Rc::get_mut(&mut holder) {
            Some(place) => *place = Some(value),
            None => holder = Rc::new(Some(value)),
        }
        self.slots.push_back(Slot { value: holder, left: receivers });
        retired
    }

    /// What is at a receiver's position, which moves on.
    pub(super) fn take(&mut self, next: &mut u64) -> Found<T> {
        if *next < self.first {
            let missed = self.first - *next;
            *next = self.first;
            return Found::Missed(missed);
        }
        let at = (*next - self.first) as usize;
        let Some(slot) = self.slots.get_mut(at) else { return Found::Empty };
        *next += 1;
        slot.left -= 1;
        if slot.left > 0 {
            return Found::Shared(Rc::clone(&slot.value));
        }
        debug_assert_eq!(at, 0, "what all have seen is the oldest");
        match self.retire_first() {
            Some(Retired::Alone(Some(value))) => Found::Alone(value),
            Some(Retired::Held(holder)) => Found::Shared(holder),
            Some(Retired::Alone(None)) | None => Found::Empty,
        }
    }

    /// A receiver is gone, and will see nothing from its position on.
    pub(super) fn leave(&mut self, next: u64) {
        let seen = next.saturating_sub(self.first) as usize;
        self.slots.iter_mut().skip(seen).for_each(|slot| slot.left -= 1);
    }

    /// The oldest value, if nobody has still to see it.
    pub(super) fn retire_seen(&mut self) -> Option<Retired<T>> {
        if self.slots.front()?.left > 0 {
            return None;
        }
        self.retire_first()
    }

    fn retire_first(&mut self) -> Option<Retired<T>> {
        let mut holder = self.slots.pop_front()?.value;
        self.first += 1;
        let Some(place) = Rc::get_mut(&mut holder) else { return Some(Retired::Held(holder)) };
        let value = place.take();
        self.spare.push(holder);
        Some(Retired::Alone(value))
    }
}
