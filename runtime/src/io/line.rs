//! Futures in a line: one at a time, first come, first served.
//!
//! A socket has a line for each direction. It owns no data and does not know what is waited for.

use std::cell::{Cell, RefCell};
use std::collections::VecDeque;
use std::mem;
use std::task::{Poll, Waker};

/// The line itself.
#[derive(Default)]
pub(crate) struct Line {
    busy: Cell<bool>,
    /// Who waits, oldest first. As long as the tasks that use one socket at once.
    waiting: RefCell<VecDeque<(u64, Waker)>>,
    /// Whose turn it is, who has not been polled since.
    called: Cell<Option<u64>>,
    tickets: Cell<u64>,
}

/// A future's place.
#[derive(Debug, Default, PartialEq, Eq)]
pub(crate) enum Place {
    /// Not in the line.
    #[default]
    Outside,
    /// Waiting, with this number.
    Waiting(u64),
    /// At the head: its turn.
    Head,
}

/// Leaves the line when it is dropped, by a panic, too.
pub(super) struct Leaving<'a> {
    line: &'a Line,
    place: &'a mut Place,
}

impl Drop for Leaving<'_> {
    fn drop(&mut self) {
        self.line.leave(self.place);
    }
}

impl Line {
    /// Waits for the head of the line.
    pub(crate) fn poll_enter(&self, place: &mut Place, waker: &Waker) -> Poll<()> {
        match *place {
            Place::Head => return Poll::Ready(()),
            Place::Outside if !self.busy.replace(true) => {
                *place = Place::Head;
                return Poll::Ready(());
            }
            Place::Outside => {
                let ticket = self.tickets.get();
                self.tickets.set(ticket + 1);
                // Cloned before the borrow: it is code of users.
                let entry = (ticket, waker.clone());
                self.waiting.borrow_mut().push_back(entry);
                *place = Place::Waiting(ticket);
            }
            Place::Waiting(ticket) if self.called.get() == Some(ticket) => {
                self.called.set(None);
                *place = Place::Head;
                return Poll::Ready(());
            }
            Place::Waiting(ticket) => drop(self.replace(ticket, waker)),
        }
        Poll::Pending
    }

    /// Leaves the line, from wherever the place is; the next one is called.
    pub(crate) fn leave(&self, place: &mut Place) {
        match mem::take(place) {
            Place::Outside => {}
            Place::Head => self.call_next(),
            Place::Waiting(ticket) if self.called.get() == Some(ticket) => {
                // Called, and dropped before it came: the turn goes on to the next, or it would be lost.
                self.called.set(None);
                self.call_next();
            }
            Place::Waiting(ticket) => drop(self.remove(ticket)),
        }
    }

    /// Leaves the line at the end of the caller's scope.
    pub(super) fn leaving<'a>(&'a self, place: &'a mut Place) -> Leaving<'a> {
        Leaving { line: self, place }
    }

    /// Keeps another waker, and hands out the one before: its drop is code of users.
    fn replace(&self, ticket: u64, waker: &Waker) -> Option<Waker> {
        let stale = |entry: &(u64, Waker)| entry.0 == ticket && !entry.1.will_wake(waker);
        if !self.waiting.borrow().iter().any(stale) {
            return None;
        }
        let waker = waker.clone();
        let mut waiting = self.waiting.borrow_mut();
        let (_, known) = waiting.iter_mut().find(|entry| entry.0 == ticket)?;
        Some(mem::replace(known, waker))
    }

    /// As `replace`, for good.
    fn remove(&self, ticket: u64) -> Option<(u64, Waker)> {
        let mut waiting = self.waiting.borrow_mut();
        let place = waiting.iter().position(|entry| entry.0 == ticket)?;
        waiting.remove(place)
    }

    fn call_next(&self) {
        let next = self.waiting.borrow_mut().pop_front();
        match next {
            Some((ticket, waker)) => {
                self.called.set(Some(ticket));
                waker.wake();
            }
            None => self.busy.set(false),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn enter(line: &Line, place: &mut Place) -> bool {
        line.poll_enter(place, Waker::noop()).is_ready()
    }

    #[test]
    fn the_line_is_served_in_order_and_a_turn_is_passed_on_by_who_leaves() {
        let line = Line::default();
        let [mut a, mut b, mut c] = [Place::Outside, Place::Outside, Place::Outside];
        assert!(enter(&line, &mut a));
        assert!(!enter(&line, &mut b) && !enter(&line, &mut c));
        line.leave(&mut a);
        assert!(!enter(&line, &mut a), "a newcomer does not overtake");
        // `b` was called and leaves without having come. The break is doing nothing there: `c` would wait for ever.
        line.leave(&mut b);
        assert!(enter(&line, &mut c));
        line.leave(&mut c);
        assert!(enter(&line, &mut a));
    }

    #[test]
    fn who_leaves_while_waiting_is_not_called() {
        let line = Line::default();
        let [mut a, mut b] = [Place::Outside, Place::Outside];
        assert!(enter(&line, &mut a) && !enter(&line, &mut b));
        line.leave(&mut b);
        line.leave(&mut a);
        assert!(enter(&line, &mut b));
    }
}
