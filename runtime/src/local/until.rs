//! Waiting until something holds, by looking again whenever a line is called.

use std::pin::Pin;
use std::task::{Context, Poll, ready};

use super::line::{Line, Place};

/// A line of those who are all called at once, and then see for themselves.
pub(super) type Crowd = Line<(), ()>;

/// Waits until `look` gives something. Whoever changes what it sees calls all in the line.
pub(super) fn until<R, L>(line: &Crowd, look: L) -> Until<'_, L>
where
    L: FnMut() -> Option<R>,
{
    Until { line, look, place: Place::default() }
}

/// The future of [`until`]. Dropped, it leaves the line: no call is only for one, so there is nothing to pass on.
#[must_use = "futures do nothing unless awaited"]
pub(super) struct Until<'a, L> {
    line: &'a Crowd,
    look: L,
    place: Place,
}

// `look` is only called, never pinned.
impl<L> Unpin for Until<'_, L> {}

impl<R, L: FnMut() -> Option<R>> Future for Until<'_, L> {
    type Output = R;

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<R> {
        let Self { line, ref mut look, ref mut place } = *self;
        loop {
            let mut found = None;
            let enters = || {
                found = look();
                found.is_some().then_some(())
            };
            ready!(line.poll(place, (), cx, enters));
            // Called, and out of the line now: `look` decides whether to enter it again.
            if let Some(found) = found {
                return Poll::Ready(found);
            }
        }
    }
}

impl<L> Drop for Until<'_, L> {
    fn drop(&mut self) {
        self.line.leave(&mut self.place);
    }
}
