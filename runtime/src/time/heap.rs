//! The timers of a core: a heap of deadlines, each of which knows its place.
//!
//! Four children to a node: half as deep as a binary heap, and siblings share a cache line. A timer that is
//! cancelled leaves at once, so nothing piles up when a server arms and cancels one for every request.

use std::task::Waker;

use slab::Slab;

const CHILDREN: usize = 4;
/// The place of a timer that has fired.
const FIRED: u32 = u32::MAX;

/// Names a timer in the heap.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Timer(u32);

#[derive(Clone, Copy)]
struct Node {
    deadline: u64,
    timer: u32,
}

struct Entry {
    place: u32,
    waker: Option<Waker>,
}

/// The armed timers of a core.
#[derive(Default)]
pub(crate) struct Timers {
    heap: Vec<Node>,
    entries: Slab<Entry>,
}

impl Timers {
    /// Whether no timer is armed.
    pub(crate) fn is_empty(&self) -> bool {
        self.heap.is_empty()
    }

    /// The earliest deadline.
    pub(crate) fn next(&self) -> Option<u64> {
        self.heap.first().map(|node| node.deadline)
    }

    /// Arms a timer.
    pub(crate) fn arm(&mut self, deadline: u64, waker: Waker) -> Timer {
        let index = self.entries.insert(Entry { place: FIRED, waker: Some(waker) });
        let timer = u32::try_from(index).expect("invariant: memory ends before four billion timers");
        self.push(deadline, timer);
        Timer(timer)
    }

    /// Disarms a timer and forgets it, whether it has fired or not.
    pub(crate) fn cancel(&mut self, timer: Timer) {
        if let Some(entry) = self.entries.try_remove(timer.0 as usize)
            && entry.place != FIRED
        {
            self.take(entry.place as usize);
        }
    }

    /// Gives a timer another deadline; one that has fired is armed again.
    pub(crate) fn reset(&mut self, timer: Timer, deadline: u64) {
        let Some(entry) = self.entries.get(timer.0 as usize) else { return };
        if entry.place == FIRED {
            self.push(deadline, timer.0);
            return;
        }
        let place = entry.place as usize;
        let node = Node { deadline, timer: timer.0 };
        if deadline < self.heap[place].deadline {
            self.sift_up(place, node);
        } else {
            self.sift_down(place, node);
        }
    }

    /// Whether the timer has fired. If not, the waker is left.
    pub(crate) fn poll(&mut self, timer: Timer, waker: &Waker) -> bool {
        let Some(entry) = self.entries.get_mut(timer.0 as usize) else { return true };
        if entry.place == FIRED {
            return true;
        }
        match &mut entry.waker {
            Some(known) if known.will_wake(waker) => {}
            known => *known = Some(waker.clone()),
        }
        false
    }

    /// Fires the earliest timer, if it is due. Its entry stays until it is cancelled.
    pub(crate) fn pop_due(&mut self, now: u64) -> Option<Waker> {
        let first = *self.heap.first().filter(|node| node.deadline <= now)?;
        self.take(0);
        let entry = &mut self.entries[first.timer as usize];
        entry.place = FIRED;
        // A timer without a waker cannot be armed; an inert one keeps the slice of due timers going.
        Some(entry.waker.take().unwrap_or_else(|| Waker::noop().clone()))
    }

    fn push(&mut self, deadline: u64, timer: u32) {
        let node = Node { deadline, timer };
        self.heap.push(node);
        self.sift_up(self.heap.len() - 1, node);
    }

    /// Takes the node at `place` out of the heap.
    fn take(&mut self, place: usize) {
        let Some(last) = self.heap.pop() else { return };
        if place == self.heap.len() {
            return;
        }
        let gone = self.heap[place].deadline;
        if last.deadline < gone {
            self.sift_up(place, last);
        } else {
            self.sift_down(place, last);
        }
    }

    /// Puts `node` at `place` or as far above as it belongs.
    fn sift_up(&mut self, mut place: usize, node: Node) {
        while place > 0 {
            let parent = (place - 1) / CHILDREN;
            if self.heap[parent].deadline <= node.deadline {
                break;
            }
            self.set(place, self.heap[parent]);
            place = parent;
        }
        self.set(place, node);
    }

    /// Puts `node` at `place` or as far below as it belongs.
    fn sift_down(&mut self, mut place: usize, node: Node) {
        loop {
            let first = place * CHILDREN + 1;
            let last = (first + CHILDREN).min(self.heap.len());
            let Some(least) = (first..last).min_by_key(|&child| self.heap[child].deadline) else { break };
            if self.heap[least].deadline >= node.deadline {
                break;
            }
            self.set(place, self.heap[least]);
            place = least;
        }
        self.set(place, node);
    }

    fn set(&mut self, place: usize, node: Node) {
        self.heap[place] = node;
        self.entries[node.timer as usize].place = place as u32;
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use super::*;

    /// A small generator with a seed, so that a failure can be run again.
    struct Random(u64);

    impl Random {
        fn below(&mut self, limit: u64) -> u64 {
            self.0 ^= self.0 << 13;
            self.0 ^= self.0 >> 7;
            self.0 ^= self.0 << 17;
            self.0 % limit
        }
    }

    /// Arms, resets, cancels and fires at random and compares each step with a `BTreeMap`.
    fn check(seed: u64) {
        let mut random = Random(seed);
        let mut timers = Timers::default();
        let mut model: BTreeMap<(u64, u32), Timer> = BTreeMap::new();
        let mut now = 0;
        for step in 0..4000 {
            let deadline = now + random.below(1000);
            let any = model.keys().nth(random.below(model.len().max(1) as u64) as usize).copied();
            match (random.below(5), any) {
                (0..2, _) => {
                    let timer = timers.arm(deadline, Waker::noop().clone());
                    model.insert((deadline, timer.0), timer);
                }
                (2, Some(key)) => {
                    let timer = model.remove(&key).expect("chosen from the model");
                    timers.cancel(timer);
                }
                (3, Some(key)) => {
                    let timer = model.remove(&key).expect("chosen from the model");
                    timers.reset(timer, deadline);
                    model.insert((deadline, timer.0), timer);
                }
                _ => {
                    now += random.below(100);
                    while timers.pop_due(now).is_some() {}
                    let due: Vec<_> =
                        model.range(..=(now, u32::MAX)).map(|(key, timer)| (*key, *timer)).collect();
                    for (key, timer) in due {
                        assert!(timers.poll(timer, Waker::noop()), "seed {seed} step {step}: not fired");
                        timers.cancel(timer);
                        model.remove(&key);
                    }
                }
            }
            let first = model.keys().next().map(|key| key.0);
            assert_eq!(timers.next(), first, "seed {seed} step {step}");
        }
        assert_eq!(timers.entries.len(), model.len(), "seed {seed}: an entry is left behind");
    }

    #[test]
    fn the_heap_agrees_with_a_sorted_map() {
        // The break: `sift_down` alone in `take`, without looking up.
        for seed in 1..20 {
            check(seed);
        }
    }

    #[test]
    fn a_timer_that_fired_can_be_armed_again() {
        let mut timers = Timers::default();
        let timer = timers.arm(5, Waker::noop().clone());
        assert!(timers.pop_due(5).is_some() && timers.is_empty());
        timers.reset(timer, 9);
        assert!(!timers.poll(timer, Waker::noop()));
        assert_eq!(timers.next(), Some(9));
    }
}
