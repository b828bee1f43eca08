//! Futures in a line: who came first is called first, and who leaves is gone at once.
//!
//! Each primitive has one for each thing that can be waited for. The line owns the places and the wakers; it does not
//! know what is waited for. A place says what it wishes (`W`), and is called with what it is given (`G`).
//!
//! Entering, leaving and calling are a few memory accesses each, whatever the length. Wakers are code of users (also
//! their clones and drops): none of it runs while the line is borrowed, and its panics go no further.

use std::cell::{Cell, RefCell};
use std::marker::PhantomData;
use std::mem;
use std::rc::Rc;
use std::task::{Context, Poll, Waker};

use slab::Slab;

use crate::task::Waiter;

/// So much room a line keeps for those who come next. What a stampede needed beyond it is freed with its last one.
const ROOM_KEPT: usize = 1024;

/// The line itself.
pub(super) struct Line<W, G> {
    /// How many wait. Beside the rest, because most who ask want to hear that nobody does.
    waiting: Cell<usize>,
    inner: RefCell<Inner<W, G>>,
    /// What has a line belongs to its core, also while nobody shares it.
    stays: PhantomData<Rc<()>>,
}

/// A future's place. It belongs to one line, and has to be given back with [`Line::leave`] before it goes.
#[derive(Debug, Default)]
pub(super) struct Place(Option<usize>);

/// What a place was when it was given back.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Left<G> {
    /// Not in the line: it never came, or it has taken what it was given.
    Outside,
    Waiting,
    /// It was called and never came for this, which is now the caller's to pass on.
    Called(G),
}

impl<W: Copy, G: Copy> Line<W, G> {
    pub(super) const fn new() -> Self {
        let inner = Inner { nodes: Slab::new(), first: NOBODY, last: NOBODY, woken: Vec::new() };
        Self { waiting: Cell::new(0), inner: RefCell::new(inner), stays: PhantomData }
    }

    /// Whether nobody waits. Who was called waits no more.
    #[inline]
    pub(super) fn is_empty(&self) -> bool {
        self.waiting.get() == 0
    }

    /// What the first in the line wishes.
    #[inline]
    pub(super) fn first(&self) -> Option<W> {
        if self.is_empty() {
            return None;
        }
        let inner = self.inner.borrow();
        inner.nodes.get(inner.first).map(|node| node.wish)
    }

    /// Waits to be called. Who is not in the line yet enters it at its end, unless `look` gives something before.
    pub(super) fn poll(
        &self,
        place: &mut Place,
        wish: W,
        cx: &mut Context<'_>,
        look: impl FnMut() -> Option<G>,
    ) -> Poll<G> {
        match place.0 {
            None => self.enter(place, wish, cx.waker(), look),
            Some(key) => self.stay(place, key, cx.waker()),
        }
    }

    fn enter(
        &self,
        place: &mut Place,
        wish: W,
        waker: &Waker,
        mut look: impl FnMut() -> Option<G>,
    ) -> Poll<G> {
        if let Some(given) = look() {
            return Poll::Ready(given);
        }
        // The clone is code of users: it may bring about what was not there a moment ago.
        let waiter = Waiter::of(waker);
        if let Some(given) = look() {
            waiter.drop_contained();
            return Poll::Ready(given);
        }
        place.0 = Some(self.inner.borrow_mut().push(wish, waiter));
        self.waiting.set(self.waiting.get() + 1);
        Poll::Pending
    }

    fn stay(&self, place: &mut Place, key: usize, waker: &Waker) -> Poll<G> {
        let called = self.inner.borrow_mut().take_called(key);
        if let Some(given) = called {
            place.0 = None;
            return Poll::Ready(given);
        }
        if self.inner.borrow().nodes[key].waiter.is(waker) {
            return Poll::Pending;
        }
        // As above. The node stays meanwhile: only its own future removes it.
        let waiter = Waiter::of(waker);
        let (called, stale) = self.inner.borrow_mut().take_called_or_replace(key, waiter);
        stale.drop_contained();
        match called {
            Some(given) => {
                place.0 = None;
                Poll::Ready(given)
            }
            None => Poll::Pending,
        }
    }

    /// Gives a place back, wherever it is.
    pub(super) fn leave(&self, place: &mut Place) -> Left<G> {
        let Some(key) = place.0.take() else { return Left::Outside };
        let node = self.inner.borrow_mut().remove(key);
        if let Some(given) = node.called {
            return Left::Called(given);
        }
        self.waiting.set(self.waiting.get() - 1);
        node.waiter.drop_contained();
        Left::Waiting
    }

    /// Calls the first in the line, and wakes it. Gives `false` when nobody waits.
    #[inline]
    pub(super) fn call_first(&self, given: G) -> bool {
        if self.is_empty() {
            return false;
        }
        let waiter = self.inner.borrow_mut().call_first(given);
        self.waiting.set(self.waiting.get() - 1);
        waiter.unwrap_or_default().wake_contained();
        true
    }

    /// Calls all who wait, and wakes them in their order. Who comes while they are woken is not among them.
    pub(super) fn call_all(&self, given: G) {
        if self.is_empty() {
            return;
        }
        let mut woken = self.inner.borrow_mut().call_all(given);
        self.waiting.set(0);
        for waiter in woken.drain(..) {
            waiter.wake_contained();
        }
        // Kept for the next time. It is empty: dropping another one in its place is no code of users.
        if woken.capacity() <= ROOM_KEPT {
            self.inner.borrow_mut().woken = woken;
        }
    }
}

/// No node has this key.
const NOBODY: usize = usize::MAX;

struct Node<W, G> {
    /// Nobody from the call on.
    waiter: Waiter,
    wish: W,
    /// Set when it was called. The node is out of the list then, and waits for its future to come or to leave.
    called: Option<G>,
    before: usize,
    after: usize,
}

/// A doubly linked list in a slab. No method runs code of users: wakers come and go as values.
struct Inner<W, G> {
    nodes: Slab<Node<W, G>>,
    first: usize,
    last: usize,
    /// Room for the wakers of a call to all, so that it allocates nothing.
    woken: Vec<Waiter>,
}

impl<W: Copy, G: Copy> Inner<W, G> {
    fn push(&mut self, wish: W, waiter: Waiter) -> usize {
        let node = Node { waiter, wish, called: None, before: self.last, after: NOBODY };
        let key = self.nodes.insert(node);
        match self.nodes.get_mut(self.last) {
            Some(last) => last.after = key,
            None => self.first = key,
        }
        self.last = key;
        key
    }

    fn unlink(&mut self, key: usize) {
        let Node { before, after, .. } = self.nodes[key];
        match self.nodes.get_mut(before) {
            Some(node) => node.after = after,
            None => self.first = after,
        }
        match self.nodes.get_mut(after) {
            Some(node) => node.before = before,
            None => self.last = before,
        }
    }

    fn remove(&mut self, key: usize) -> Node<W, G> {
        if self.nodes[key].called.is_none() {
            self.unlink(key);
        }
        let node = self.nodes.remove(key);
        if self.nodes.is_empty() && self.nodes.capacity() > ROOM_KEPT {
            self.nodes = Slab::new();
        }
        node
    }

    /// What the node was given, and the node is removed then.
    fn take_called(&mut self, key: usize) -> Option<G> {
        let given = self.nodes[key].called?;
        drop(self.remove(key));
        Some(given)
    }

    fn take_called_or_replace(&mut self, key: usize, waiter: Waiter) -> (Option<G>, Waiter) {
        match self.take_called(key) {
            Some(given) => (Some(given), waiter),
            None => (None, mem::replace(&mut self.nodes[key].waiter, waiter)),
        }
    }

    fn call_first(&mut self, given: G) -> Option<Waiter> {
        let key = self.first;
        if key == NOBODY {
            return None;
        }
        self.unlink(key);
        let node = &mut self.nodes[key];
        node.called = Some(given);
        Some(mem::take(&mut node.waiter))
    }

    fn call_all(&mut self, given: G) -> Vec<Waiter> {
        let mut woken = mem::take(&mut self.woken);
        while let Some(waiter) = self.call_first(given) {
            woken.push(waiter);
        }
        woken
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn enter(line: &Line<usize, ()>, place: &mut Place, wish: usize) {
        assert!(line.poll(place, wish, &mut Context::from_waker(Waker::noop()), || None).is_pending());
    }

    fn room(line: &Line<usize, ()>) -> usize {
        line.inner.borrow().nodes.capacity()
    }

    #[test]
    fn a_million_who_leave_behind_one_who_waits_need_no_room() {
        // The break: no `unlink` and `remove` in `Line::leave`, so that who has left stays in the line.
        let line = Line::new();
        let (mut first, mut place) = (Place::default(), Place::default());
        enter(&line, &mut first, 0);
        for wish in 1..=1_000_000 {
            enter(&line, &mut place, wish);
            assert_eq!(line.leave(&mut place), Left::Waiting);
        }
        assert!(room(&line) <= 8, "{}", room(&line));
        assert_eq!(line.first(), Some(0));
        assert_eq!(line.leave(&mut first), Left::Waiting);
        assert!(line.is_empty());
    }

    #[test]
    fn the_room_of_a_stampede_is_freed_with_its_last_one() {
        // The break: no `Slab::new()` in `Inner::remove`.
        let line = Line::new();
        let mut places: Vec<Place> = (0..100_000).map(|_| Place::default()).collect();
        places.iter_mut().for_each(|place| enter(&line, place, 0));
        assert!(room(&line) >= 100_000);
        line.call_all(());
        assert!(places.iter_mut().all(|place| line.leave(place) == Left::Called(())));
        assert!(room(&line) <= ROOM_KEPT, "{}", room(&line));
        assert!(line.inner.borrow().woken.capacity() <= ROOM_KEPT);
    }
}
