//! The table of operations against a list: a key finds its own operation or none, also when generations wrap.
#![allow(unsafe_code, reason = "implements the unsafe trait Operation")]

use std::cell::RefCell;
use std::rc::Rc;
use std::sync::Arc;
use std::task::{Wake, Waker};

use uring_sys_shim::{Cqe, Sqe, opcode};

use super::Input;
use crate::driver::{Abandoned, Delivery, Key, Payload, Polled, Records};
use crate::op::{More, OnDrop, Operation};
use crate::task::Waiter;

const OPERATIONS_MAX: usize = 48;

/// What happened to operations: its number, and what the completion said.
type Log = Rc<RefCell<Vec<(u64, i32)>>>;

/// An operation that notes what it is told. With `WORDS` large it lies in a box.
struct Probe<const WORDS: usize> {
    number: u64,
    log: Log,
    _room: [usize; WORDS],
}

// SAFETY: the entry points to no memory.
unsafe impl<const WORDS: usize> Operation for Probe<WORDS> {
    type Output = ();
    const ON_DROP: OnDrop = OnDrop::Cancel;

    fn entry(&mut self) -> Sqe {
        Sqe::new(opcode::NOP, -1)
    }

    fn more(&mut self, cqe: Cqe) -> More {
        self.log.borrow_mut().push((self.number, cqe.res));
        More { cancel: cqe.res < 0, ..More::default() }
    }

    fn finish(self, _cqe: Cqe) {}

    fn orphaned(self, cqe: Cqe) {
        self.log.borrow_mut().push((self.number, cqe.res));
    }
}

/// A waker to be told from others.
struct Foreign;

impl Wake for Foreign {
    fn wake(self: Arc<Self>) {}
}

enum Stage {
    /// With the waker that was left.
    Waiting(Waker),
    Orphaned,
    Completed(i32),
}

struct Known {
    key: Key,
    number: u64,
    is_boxed: bool,
    stage: Stage,
}

struct World {
    records: Records,
    known: Vec<Known>,
    /// The keys of operations that are gone.
    gone: Vec<Key>,
    log: Log,
    numbers: u64,
}

/// Does with a table and with its model what the bytes say, and compares them.
///
/// # Panics
///
/// When they disagree.
pub fn check(bytes: &[u8]) {
    let input = Input::new(bytes);
    // The first generations are the last before the wrap.
    let records = Records::starting_at(u32::MAX - u32::from(input.byte() % 32));
    let mut world = World { records, known: Vec::new(), gone: Vec::new(), log: Log::default(), numbers: 0 };
    while let Some(byte) = input.next() {
        match byte % 8 {
            0 | 1 => world.insert(&input),
            2 => world.complete(&input),
            3 => world.abandon(&input),
            4 => world.poll(&input),
            5 => world.complete_gone(&input),
            6 => world.more(&input),
            _ => world.wait(&input),
        }
        let in_flight = world.known.iter().filter(|known| !matches!(known.stage, Stage::Completed(_)));
        assert_eq!(world.records.in_flight(), in_flight.count());
        assert!(world.known.iter().all(|known| world.records.contains(known.key)));
        assert!(!world.gone.iter().any(|key| world.records.contains(*key)));
    }
    world.end();
}

impl World {
    fn payload(&self, is_boxed: bool) -> Payload {
        let (number, log) = (self.numbers, Rc::clone(&self.log));
        if is_boxed {
            Payload::new(Probe::<16> { number, log, _room: [0; 16] })
        } else {
            Payload::new(Probe::<0> { number, log, _room: [] })
        }
    }

    fn insert(&mut self, input: &Input) {
        if self.known.len() == OPERATIONS_MAX {
            return;
        }
        self.numbers += 1;
        let kind = input.byte();
        let is_boxed = kind & 1 != 0;
        let payload = self.payload(is_boxed);
        let (key, stage) = if kind & 2 == 0 {
            let waker = Waker::from(Arc::new(Foreign));
            (self.records.insert(payload, Waiter::of(&waker)), Stage::Waiting(waker))
        } else {
            (self.records.insert_detached(payload), Stage::Orphaned)
        };
        assert!(
            !self.gone.contains(&key) && self.known.iter().all(|known| known.key != key),
            "a key came twice"
        );
        assert_eq!(Key::from_user_data(key.user_data()), key);
        self.known.push(Known { key, number: self.numbers, is_boxed, stage });
    }

    fn any(&self, input: &Input) -> Option<usize> {
        (!self.known.is_empty()).then(|| input.below(self.known.len()))
    }

    fn forget(&mut self, place: usize) {
        let known = self.known.swap_remove(place);
        self.gone.push(known.key);
    }

    /// The last completion, or one that comes again.
    fn complete(&mut self, input: &Input) {
        let Some(place) = self.any(input) else { return };
        self.complete_at(place, i32::from(input.byte()) - 128);
    }

    fn complete_at(&mut self, place: usize, res: i32) {
        let Known { key, number, stage, .. } = &mut self.known[place];
        let number = *number;
        match (self.records.deliver(Cqe { user_data: key.user_data(), res, flags: 0 }), &*stage) {
            (Delivery::Wake(waiter), Stage::Waiting(waker)) => {
                assert!(waiter.is(waker), "the last waker is woken");
                *stage = Stage::Completed(res);
            }
            (Delivery::Orphan(payload, cqe), Stage::Orphaned) => {
                payload.orphaned(cqe);
                assert_eq!(self.log.borrow_mut().pop(), Some((number, res)), "its own orphan step runs");
                self.forget(place);
            }
            (Delivery::Unknown, Stage::Completed(_)) => {}
            _ => panic!("a last completion came to something else"),
        }
    }

    /// The future of an operation goes.
    fn abandon(&mut self, input: &Input) {
        let Some(place) = self.any(input) else { return };
        let Known { key, number, stage, .. } = &mut self.known[place];
        let number = *number;
        match (&*stage, self.records.abandon(*key)) {
            (Stage::Waiting(waker), Abandoned::InFlight(waiter)) => {
                assert!(waiter.is(waker), "its waker is handed out");
                *stage = Stage::Orphaned;
            }
            (Stage::Orphaned, Abandoned::InFlight(waiter)) => assert!(waiter.is_nobody()),
            (Stage::Completed(res), Abandoned::Completed(payload, cqe)) => {
                let expect = (number, *res);
                payload.orphaned(cqe);
                assert_eq!(self.log.borrow_mut().pop(), Some(expect), "its own orphan step runs");
                self.forget(place);
            }
            _ => panic!("an abandoned operation is where it was"),
        }
    }

    /// The future of an operation looks, with the waker that it has left or with another one.
    fn poll(&mut self, input: &Input) {
        let Some(place) = self.any(input) else { return };
        self.poll_at(place);
    }

    fn poll_at(&mut self, place: usize) {
        let is_boxed = self.known[place].is_boxed;
        if is_boxed { self.poll_as::<16>(place) } else { self.poll_as::<0>(place) }
    }

    fn poll_as<const WORDS: usize>(&mut self, place: usize) {
        let known = &self.known[place];
        if let Stage::Waiting(waker) = &known.stage {
            let polled = self.records.poll::<Probe<WORDS>>(known.key, waker);
            assert!(matches!(polled, Polled::Waits), "it knows its waker");
        }
        let probe = self.records.get_mut::<Probe<WORDS>>(known.key);
        assert_eq!(probe.number, known.number, "a key finds its own operation");
        match (self.records.poll::<Probe<WORDS>>(known.key, Waker::noop()), &known.stage) {
            (Polled::Completed(probe, cqe), Stage::Completed(res)) => {
                assert_eq!((probe.number, cqe.res), (known.number, *res), "it gets its own result");
                self.forget(place);
            }
            (Polled::Stale, Stage::Waiting(_) | Stage::Orphaned) => {}
            _ => panic!("an operation is not where it should be"),
        }
    }

    /// A completion for an operation that is gone or never was.
    fn complete_gone(&mut self, input: &Input) {
        let (kind, which) = (input.byte(), input.word());
        let key = if kind & 1 == 0 && !self.gone.is_empty() {
            self.gone[usize::from(which) % self.gone.len()]
        } else {
            // Generations that this run never reaches, at places that may be taken.
            Key::from_user_data(1 << 63 | u64::from(which % 64))
        };
        let cqe = Cqe { user_data: key.user_data(), res: i32::from(kind), flags: 0 };
        let cqe = if kind & 2 == 0 { cqe } else { cqe.with_more() };
        assert!(matches!(self.records.deliver(cqe), Delivery::Unknown), "{key:?} is nobody's");
    }

    /// A completion that is not the last.
    fn more(&mut self, input: &Input) {
        let Some(place) = self.any(input) else { return };
        let res = i32::from(input.byte()) - 128;
        let Known { key, number, .. } = &self.known[place];
        match self.records.deliver(Cqe { user_data: key.user_data(), res, flags: 0 }.with_more()) {
            Delivery::More(named, more) => {
                assert!(named == *key && more.cancel == (res < 0) && more.wake.is_nobody());
            }
            _ => panic!("a completion with more to come ends nothing"),
        }
        assert_eq!(self.log.borrow_mut().pop(), Some((*number, res)), "its own operation is told");
    }

    /// Another waker is left.
    fn wait(&mut self, input: &Input) {
        let Some(place) = self.any(input) else { return };
        let waker = Waker::from(Arc::new(Foreign));
        let given = self.records.set_waiter(self.known[place].key, Waiter::of(&waker));
        if let Stage::Waiting(known) = &mut self.known[place].stage {
            assert!(given.is(known), "the one before is handed out");
            *known = waker;
        } else {
            assert!(given.is(&waker), "nobody waits any more: it is handed back");
        }
    }

    /// Completes and takes everything: each operation was dropped once then.
    fn end(mut self) {
        while let Some(place) = self.known.len().checked_sub(1) {
            if !matches!(self.known[place].stage, Stage::Completed(_)) {
                self.complete_at(place, 7);
            }
            if matches!(self.known.get(place), Some(Known { stage: Stage::Completed(_), .. })) {
                self.poll_at(place);
            }
        }
        assert_eq!(self.records.in_flight(), 0);
        assert!(self.log.borrow().is_empty());
        assert_eq!(Rc::strong_count(&self.log), 1, "an operation is left behind");
    }
}
