//! The heap of timers against a sorted map: who fires when, and whose waker is kept.
//!
//! Each timer has an owner of its own, so that who is woken says which timer fired.

use std::collections::BTreeSet;
use std::sync::Arc;
use std::task::{Wake, Waker};

use super::Input;
use crate::task::Name;
use crate::time::{Due, Fired, Owner, Timer, Timers, Wakes};

/// Timers that are alive at once.
const TIMERS_MAX: usize = 64;
const CORE: u16 = 3;

/// Somebody else's waker.
struct Foreign;

impl Wake for Foreign {
    fn wake(self: Arc<Self>) {}
}

/// Whom a timer wakes.
#[derive(Clone)]
enum Whom {
    Task(u32),
    Other(Arc<Foreign>),
}

impl Whom {
    fn waker(&self) -> Waker {
        match self {
            Self::Task(index) => Name::new(CORE, *index).waker(),
            Self::Other(foreign) => Waker::from(Arc::clone(foreign)),
        }
    }
}

/// What the model knows of a timer.
struct Known {
    timer: Timer,
    deadline: u64,
    /// Gone when the timer has fired, until it gets a new one.
    owner: Option<Whom>,
    is_armed: bool,
}

struct World {
    timers: Timers,
    known: Vec<Known>,
    /// The deadlines that are armed, each with its timer's place in `known`.
    armed: BTreeSet<(u64, usize)>,
    owners: u32,
    foreign: Vec<Arc<Foreign>>,
    now: u64,
}

/// Does with a heap and with its model what the bytes say, and compares them.
///
/// # Panics
///
/// When they disagree.
pub fn check(bytes: &[u8]) {
    let input = Input::new(bytes);
    let mut world = World {
        timers: Timers::new(CORE),
        known: Vec::new(),
        armed: BTreeSet::new(),
        owners: 0,
        foreign: Vec::new(),
        now: 0,
    };
    while let Some(byte) = input.next() {
        match byte % 8 {
            0 | 1 => world.arm(&input),
            2 => world.reset(&input),
            3 => world.cancel(&input),
            4 => world.give(&input),
            5 => world.ask(&input),
            _ => world.pass(&input),
        }
        assert_eq!(world.timers.next(), world.armed.first().map(|(deadline, _)| *deadline));
        assert_eq!(world.timers.is_empty(), world.armed.is_empty());
    }
    world.end();
}

impl World {
    /// A deadline near now, far away, in the past or at the ends of time.
    fn deadline(&self, input: &Input) -> u64 {
        match input.below(8) {
            0 => self.now,
            1 => 0,
            2 => u64::MAX,
            3 => u64::MAX - u64::from(input.byte()),
            4 => self.now.saturating_sub(u64::from(input.byte())),
            5 => self.now.saturating_add(u64::from(input.word()) << 32),
            _ => self.now.saturating_add(u64::from(input.byte())),
        }
    }

    /// Somebody who owns no other timer.
    fn somebody(&mut self, input: &Input) -> Whom {
        self.owners += 1;
        if input.byte().is_multiple_of(2) {
            return Whom::Task(self.owners);
        }
        let foreign = Arc::new(Foreign);
        self.foreign.push(Arc::clone(&foreign));
        Whom::Other(foreign)
    }

    fn arm(&mut self, input: &Input) {
        if self.known.len() == TIMERS_MAX {
            return;
        }
        let deadline = self.deadline(input);
        let owner = self.somebody(input);
        let timer = self.timers.arm(deadline, Owner::of(CORE, &owner.waker()));
        assert!(self.known.iter().all(|known| known.timer != timer), "a timer's name is its own");
        self.armed.insert((deadline, self.known.len()));
        self.known.push(Known { timer, deadline, owner: Some(owner), is_armed: true });
    }

    fn any(&self, input: &Input) -> Option<usize> {
        (!self.known.is_empty()).then(|| input.below(self.known.len()))
    }

    fn reset(&mut self, input: &Input) {
        let Some(place) = self.any(input) else { return };
        let deadline = self.deadline(input);
        let known = &mut self.known[place];
        self.timers.reset(known.timer, deadline);
        self.armed.remove(&(known.deadline, place));
        self.armed.insert((deadline, place));
        known.deadline = deadline;
        known.is_armed = true;
    }

    fn cancel(&mut self, input: &Input) {
        let Some(place) = self.any(input) else { return };
        let last = self.known.len() - 1;
        let known = self.known.swap_remove(place);
        self.armed.remove(&(known.deadline, place));
        // The last one has moved to the place that became free.
        if let Some(moved) = self.known.get(place)
            && self.armed.remove(&(moved.deadline, last))
        {
            self.armed.insert((moved.deadline, place));
        }
        let given = self.timers.cancel(known.timer, known.deadline);
        match known.owner {
            Some(owner @ Whom::Other(_)) => {
                assert!(
                    given.is_some_and(|waker| waker.will_wake(&owner.waker())),
                    "its waker is handed out"
                );
            }
            _ => assert!(given.is_none(), "there was no waker to hand out"),
        }
    }

    /// Gives an armed timer another owner.
    fn give(&mut self, input: &Input) {
        let Some(place) = self.any(input).filter(|&place| self.known[place].is_armed) else { return };
        let owner = self.somebody(input);
        let before = self.timers.set_owner(self.known[place].timer, Owner::of(CORE, &owner.waker()));
        match self.known[place].owner.replace(owner) {
            Some(known @ Whom::Other(_)) => {
                assert!(
                    before.is_some_and(|waker| waker.will_wake(&known.waker())),
                    "the one before is handed out"
                );
            }
            _ => assert!(before.is_none(), "there was none before"),
        }
    }

    fn ask(&self, input: &Input) {
        let Some(known) = self.any(input).map(|place| &self.known[place]) else { return };
        let expect = if known.is_armed { Ok(Wakes::Another) } else { Err(Fired) };
        assert_eq!(self.timers.poll(known.timer, Waker::noop()), expect);
        if let Some(owner) = &known.owner {
            assert_eq!(self.timers.poll(known.timer, &owner.waker()), Ok(Wakes::This));
        }
    }

    /// Time passes, a little or much, and what is due fires, or only some of it.
    fn pass(&mut self, input: &Input) {
        let step = match input.below(4) {
            0 => 0,
            1 => u64::from(input.word()) << 40,
            _ => u64::from(input.byte()),
        };
        self.now = self.now.saturating_add(step);
        for _ in 0..=input.below(2 * TIMERS_MAX) {
            let due = self.timers.pop_due(self.now);
            let first = self.armed.first().copied().filter(|(deadline, _)| *deadline <= self.now);
            let Some(due) = due else {
                assert_eq!(first, None, "what is due fires");
                return;
            };
            let (deadline, _) = first.expect("only what is due fires");
            self.fired(deadline, &due);
        }
    }

    /// One of the timers with this deadline has fired, for its owner.
    fn fired(&mut self, deadline: u64, due: &Due) {
        let at = (deadline, 0)..=(deadline, usize::MAX);
        let has_fired =
            |place: &usize| self.timers.poll(self.known[*place].timer, Waker::noop()) == Err(Fired);
        let place = self.armed.range(at).map(|(_, place)| *place).find(has_fired);
        let place = place.expect("one of the earliest fires");
        self.armed.remove(&(deadline, place));
        let known = &mut self.known[place];
        known.is_armed = false;
        match (known.owner.take(), due) {
            (Some(Whom::Task(index)), Due::Task(woken)) => assert_eq!(index, *woken),
            (Some(owner @ Whom::Other(_)), Due::Foreign(woken)) => assert!(woken.will_wake(&owner.waker())),
            (None, Due::Nobody) => {}
            _ => panic!("a timer wakes somebody else than its owner"),
        }
    }

    fn end(mut self) {
        for known in self.known.drain(..) {
            drop(self.timers.cancel(known.timer, known.deadline));
        }
        assert!(self.timers.is_empty() && self.timers.next().is_none());
        for foreign in &self.foreign {
            assert_eq!(Arc::strong_count(foreign), 1, "a waker is left behind");
        }
    }
}
