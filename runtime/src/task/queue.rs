//! The places that are ready and of one priority, oldest first.
//!
//! A place is in the queue at most once, so there are never more entries than places. Who adds a place makes room for
//! it, and pushing never grows the queue. It knows nothing of tasks.

/// A ring of places, as long as a power of two.
pub(super) struct Queue {
    ring: Box<[u32]>,
    /// Counts of what was taken and put so far; their low bits are places in the ring.
    head: u32,
    tail: u32,
}

impl Default for Queue {
    fn default() -> Self {
        Self { ring: Box::new([0; 16]), head: 0, tail: 0 }
    }
}

impl Queue {
    #[inline]
    fn at(&self, count: u32) -> usize {
        count as usize & (self.ring.len() - 1)
    }

    #[inline]
    pub(super) fn is_empty(&self) -> bool {
        self.head == self.tail
    }

    /// Puts a place, for which there is room.
    #[inline]
    pub(super) fn push(&mut self, place: u32) {
        debug_assert!((self.tail.wrapping_sub(self.head) as usize) < self.ring.len(), "room was made");
        let at = self.at(self.tail);
        self.ring[at] = place;
        self.tail = self.tail.wrapping_add(1);
    }

    /// Takes the oldest.
    #[inline]
    pub(super) fn pop(&mut self) -> Option<u32> {
        if self.is_empty() {
            return None;
        }
        let place = self.ring[self.at(self.head)];
        self.head = self.head.wrapping_add(1);
        Some(place)
    }

    /// Makes room for so many places in all.
    pub(super) fn make_room(&mut self, places: usize) {
        if places <= self.ring.len() {
            return;
        }
        let mut ring = vec![0; places.next_power_of_two()].into_boxed_slice();
        let mut count = 0;
        while let Some(place) = self.pop() {
            ring[count] = place;
            count += 1;
        }
        *self = Self { ring, head: 0, tail: count as u32 };
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn places_leave_in_the_order_of_their_coming_also_while_the_queue_grows_and_its_counts_wrap() {
        // The break: `head: 0` kept at its old value in `make_room`.
        let mut queue = Queue { head: u32::MAX - 5, tail: u32::MAX - 5, ..Queue::default() };
        let (mut put, mut taken) = (0, 0);
        for round in 0..200 {
            queue.make_room(round + 1);
            while (put - taken) as usize <= round {
                queue.push(put);
                put += 1;
            }
            for _ in 0..round / 2 + 1 {
                assert_eq!(queue.pop(), Some(taken));
                taken += 1;
            }
        }
        while let Some(place) = queue.pop() {
            assert_eq!(place, taken);
            taken += 1;
        }
        assert_eq!(taken, put);
        assert!(queue.is_empty());
    }
}
