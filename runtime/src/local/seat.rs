//! Where the one who waits for something sits: the receiver of a channel, for example.
//!
//! It owns a waker. Wakers are code of users: none of it runs while anything is borrowed, and its panics go no further.

use std::cell::Cell;
use std::task::{Context, Poll};

use crate::task::Waiter;

#[derive(Default)]
pub(super) struct Seat {
    /// Whether somebody sits there: most calls find nobody, and do not look further.
    is_taken: Cell<bool>,
    waiter: Cell<Waiter>,
}

impl Seat {
    /// Waits until `look` gives something. It is asked again at each poll; whoever changes what it sees must call
    /// [`wake`](Self::wake).
    #[inline]
    pub(super) fn poll<R>(&self, cx: &mut Context<'_>, mut look: impl FnMut() -> Option<R>) -> Poll<R> {
        match look() {
            Some(found) => Poll::Ready(found),
            None => self.sit(cx, look),
        }
    }

    fn sit<R>(&self, cx: &mut Context<'_>, mut look: impl FnMut() -> Option<R>) -> Poll<R> {
        let known = self.waiter.take();
        let is_same = known.is(cx.waker());
        self.waiter.set(known);
        if is_same {
            return Poll::Pending;
        }
        // The clone of this waker and the drop of the one before are code of users: look again.
        let waiter = Waiter::of(cx.waker());
        self.is_taken.set(true);
        self.waiter.replace(waiter).drop_contained();
        match look() {
            Some(found) => {
                self.waiter.take().drop_contained();
                Poll::Ready(found)
            }
            None => Poll::Pending,
        }
    }

    /// Wakes who sits there, who then sits there no more.
    #[inline]
    pub(super) fn wake(&self) {
        if self.is_taken.get() {
            self.is_taken.set(false);
            self.waiter.take().wake_contained();
        }
    }
}
