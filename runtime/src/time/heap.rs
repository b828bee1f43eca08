//! The timers of a core: a heap of deadlines, each of which knows its place.
//!
//! Four children to a node: half as deep as a binary heap, and siblings share a cache line. A timer that is
//! cancelled leaves at once, so nothing piles up when a server arms and cancels one for every request.

use std::task::Waker;

use slab::Slab;

use crate::task::Name;

const CHILDREN: usize = 4;
/// The place of a timer that has fired.
const FIRED: u32 = u32::MAX;
/// In an entry's owner: the rest is a place among the foreign wakers.
const FOREIGN: u32 = 1 << 31;
/// The owner of a timer that has fired and was not polled since.
const NOBODY: u32 = u32::MAX;
/// The end of the list of free entries.
const NONE: u32 = u32::MAX;

/// Names a timer in the heap.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Timer(u32);

/// Whom an armed timer will wake.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Wakes {
    This,
    Another,
}

/// The timer has fired.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Fired;

/// Whom a timer is armed for: made of a waker before the timers are borrowed, because cloning it is code of users.
pub(crate) enum Owner {
    Task(u32),
    Foreign(Waker),
}

impl Owner {
    /// The owner of a waker, on the core with this number.
    #[inline]
    pub(crate) fn of(core: u16, waker: &Waker) -> Self {
        match Name::of(waker) {
            Some(name) if name.core() == core && name.index() < FOREIGN => Self::Task(name.index()),
            _ => Self::Foreign(waker.clone()),
        }
    }
}

/// Who is to be woken by a timer.
pub(crate) enum Due {
    /// The task of the own core at this place.
    Task(u32),
    /// Somebody else, such as a combinator with wakers of its own.
    Foreign(Waker),
    /// Nobody.
    Nobody,
}

#[derive(Clone, Copy)]
struct Node {
    deadline: u64,
    timer: u32,
}

/// Eight bytes, so that a million timers stay in the cache: a task of the own core is known by its place.
#[derive(Clone, Copy)]
struct Entry {
    /// The place in the heap, or `FIRED`; of a free entry, the next free one.
    place: u32,
    /// The task's place, or a foreign waker's with `FOREIGN`.
    owner: u32,
}

/// The armed timers of a core.
pub(crate) struct Timers {
    core: u16,
    heap: Vec<Node>,
    entries: Vec<Entry>,
    free: u32,
    foreign: Slab<Waker>,
}

impl Timers {
    /// No timers, on the core with this number.
    pub(crate) fn new(core: u16) -> Self {
        Self { core, heap: Vec::new(), entries: Vec::new(), free: NONE, foreign: Slab::new() }
    }

    /// Whether no timer is armed.
    pub(crate) fn is_empty(&self) -> bool {
        self.heap.is_empty()
    }

    /// How many timers are armed.
    pub(crate) fn armed(&self) -> usize {
        self.heap.len()
    }

    /// The earliest deadline.
    pub(crate) fn next(&self) -> Option<u64> {
        self.heap.first().map(|node| node.deadline)
    }

    /// Arms a timer.
    #[inline]
    pub(crate) fn arm(&mut self, deadline: u64, owner: Owner) -> Timer {
        let entry = Entry { place: FIRED, owner: self.owner(owner) };
        let timer = match self.entries.get_mut(self.free as usize) {
            Some(free) => {
                let timer = self.free;
                self.free = free.place;
                *free = entry;
                timer
            }
            None => {
                self.entries.push(entry);
                u32::try_from(self.entries.len() - 1)
                    .expect("invariant: memory ends before four billion timers")
            }
        };
        self.push(deadline, timer);
        Timer(timer)
    }

    /// How an entry knows whom to wake.
    #[inline]
    fn owner(&mut self, owner: Owner) -> u32 {
        match owner {
            Owner::Task(index) => index,
            Owner::Foreign(waker) => FOREIGN | self.foreign.insert(waker) as u32,
        }
    }

    /// Forgets a foreign waker.
    fn disown(&mut self, owner: u32) -> Option<Waker> {
        if owner & FOREIGN == 0 { None } else { self.foreign.try_remove((owner & !FOREIGN) as usize) }
    }

    /// Disarms a timer and forgets it, whether it has fired or not. A foreign waker is handed out, because its drop is
    /// code of users.
    ///
    /// The caller says the timer's deadline, which the heap knows, too: among a million timers its place is not in the
    /// cache, and this way nothing waits for it.
    #[inline]
    #[must_use = "drop it when the timers are no longer borrowed"]
    pub(crate) fn cancel(&mut self, timer: Timer, deadline: u64) -> Option<Waker> {
        let entry = &mut self.entries[timer.0 as usize];
        let Entry { place, owner } = *entry;
        entry.place = self.free;
        self.free = timer.0;
        if place == FIRED {
            return None;
        }
        debug_assert_eq!(self.heap[place as usize].deadline, deadline, "a timer's owner knows its deadline");
        self.take(place as usize, deadline);
        self.disown(owner)
    }

    /// Gives a timer another deadline. One that has fired is armed again, for this waker's owner.
    #[inline]
    pub(crate) fn reset(&mut self, timer: Timer, deadline: u64) {
        let place = self.entries[timer.0 as usize].place;
        if place == FIRED {
            self.push(deadline, timer.0);
            return;
        }
        let node = Node { deadline, timer: timer.0 };
        if deadline < self.heap[place as usize].deadline {
            self.sift_up(place as usize, node);
        } else {
            self.sift_down(place as usize, node);
        }
    }

    /// Whether the timer has fired; if not, whether it will wake this waker.
    #[inline]
    pub(crate) fn poll(&self, timer: Timer, waker: &Waker) -> Result<Wakes, Fired> {
        let Entry { place, owner } = self.entries[timer.0 as usize];
        if place == FIRED {
            return Err(Fired);
        }
        let known = if owner & FOREIGN == 0 {
            Name::of(waker) == Some(Name::new(self.core, owner))
        } else {
            self.foreign.get((owner & !FOREIGN) as usize).is_some_and(|known| known.will_wake(waker))
        };
        Ok(if known { Wakes::This } else { Wakes::Another })
    }

    /// Gives an armed timer another owner. A foreign waker of the one before is handed out.
    #[must_use = "drop it when the timers are no longer borrowed"]
    pub(crate) fn set_owner(&mut self, timer: Timer, owner: Owner) -> Option<Waker> {
        let owner = self.owner(owner);
        let entry = &mut self.entries[timer.0 as usize];
        let before = std::mem::replace(&mut entry.owner, owner);
        self.disown(before)
    }

    /// Fires the earliest timer, if it is due. Its entry stays until it is cancelled.
    pub(crate) fn pop_due(&mut self, now: u64) -> Option<Due> {
        let first = *self.heap.first().filter(|node| node.deadline <= now)?;
        self.take(0, first.deadline);
        let entry = &mut self.entries[first.timer as usize];
        let owner = entry.owner;
        *entry = Entry { place: FIRED, owner: NOBODY };
        Some(if owner & FOREIGN == 0 {
            Due::Task(owner)
        } else {
            self.disown(owner).map_or(Due::Nobody, Due::Foreign)
        })
    }

    fn push(&mut self, deadline: u64, timer: u32) {
        let node = Node { deadline, timer };
        self.heap.push(node);
        self.sift_up(self.heap.len() - 1, node);
    }

    /// Takes the node at `place`, with this deadline, out of the heap.
    #[inline]
    fn take(&mut self, place: usize, gone: u64) {
        let Some(last) = self.heap.pop() else { return };
        if place == self.heap.len() {
            return;
        }
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
        let mut timers = Timers::new(0);
        let mut model: BTreeMap<(u64, u32), Timer> = BTreeMap::new();
        let mut now = 0;
        for step in 0..4000 {
            let deadline = now + random.below(1000);
            let any = model.keys().nth(random.below(model.len().max(1) as u64) as usize).copied();
            match (random.below(5), any) {
                (0..2, _) => {
                    let timer = timers.arm(deadline, Owner::of(0, Waker::noop()));
                    model.insert((deadline, timer.0), timer);
                }
                (2, Some(key)) => {
                    let timer = model.remove(&key).expect("chosen from the model");
                    drop(timers.cancel(timer, key.0));
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
                        assert_eq!(
                            timers.poll(timer, Waker::noop()).err(),
                            Some(Fired),
                            "seed {seed} step {step}: not fired"
                        );
                        drop(timers.cancel(timer, key.0));
                        model.remove(&key);
                    }
                }
            }
            let first = model.keys().next().map(|key| key.0);
            assert_eq!(timers.next(), first, "seed {seed} step {step}");
        }
        assert_eq!(timers.heap.len(), model.len(), "seed {seed}: a node is left behind");
        assert_eq!(timers.foreign.len(), model.len(), "seed {seed}: a waker is left behind");
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
        let mut timers = Timers::new(0);
        let timer = timers.arm(5, Owner::of(0, Waker::noop()));
        assert!(timers.pop_due(5).is_some() && timers.is_empty());
        timers.reset(timer, 9);
        assert!(timers.poll(timer, Waker::noop()).is_ok());
        assert_eq!(timers.next(), Some(9));
    }
}
