//! Where the one who waits for something sits: the receiver of a channel, for example.
//!
//! It owns a waker. Wakers are code of users: none of it runs while anything is borrowed, and its panics go no further.

use std::cell::Cell;
use std::task::{Context, Poll};

use crate::task::Waiter;

#[derive(Default)]
pub(super) struct Seat(Cell<Waiter>);

impl Seat {
    /// Waits until `look` gives something. It is asked again at each poll; whoever changes what it sees must call
    /// [`wake`](Self::wake).
    #[inline]
    pub(super) fn poll<R>(&self, cx: &mut Context<'_>, mut look: impl FnMut() -> Option<R>) -> Poll<R> {
        if let Some(found) = look() {
            return Poll::Ready(found);
        }
        let known = self.0.take();
        let is_same = known.is(cx.waker());
        self.0.set(known);
        if is_same {
            return Poll::Pending;
        }
        // The clone of this waker and the drop of the one before are code of users: look again.
        let waiter = Waiter::of(cx.waker());
        self.0.replace(waiter).drop_contained();
        match look() {
            Some(found) => {
                self.0.take().drop_contained();
                Poll::Ready(found)
            }
            None => Poll::Pending,
        }
    }

    #[inline]
    pub(super) fn wake(&self) {
        self.0.take().wake_contained();
    }
}
