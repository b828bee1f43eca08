//! A place for one value between two threads, and nothing else: who waits for it is woken by its waker, as the runtime that
//! runs it wakes tasks. It looks once and then waits, unlike a channel, which may look for a while.

use std::mem;
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::task::{Context, Poll, Waker};

pub(crate) struct Slot<T>(Mutex<State<T>>);

enum State<T> {
    Empty,
    Awaited(Waker),
    Full(T),
    /// Nothing comes any more.
    Over,
}

impl<T> Slot<T> {
    pub(crate) fn new() -> Self {
        Self(Mutex::new(State::Empty))
    }

    /// Whether a task waits for the value.
    pub(crate) fn is_awaited(&self) -> bool {
        matches!(*self.state(), State::Awaited(_))
    }

    /// Puts a value into the place and wakes who waits for it. One that is there already is replaced.
    pub(crate) fn put(&self, value: T) {
        self.change(State::Full(value));
    }

    /// Tells who waits that nothing comes any more.
    pub(crate) fn end(&self) {
        self.change(State::Over);
    }

    /// Waits for the value and takes it, or hears that nothing comes any more.
    pub(crate) fn take(&self) -> impl Future<Output = Option<T>> {
        std::future::poll_fn(|cx| self.poll_take(cx))
    }

    fn poll_take(&self, cx: &Context<'_>) -> Poll<Option<T>> {
        let mut state = self.state();
        match mem::replace(&mut *state, State::Empty) {
            State::Full(value) => Poll::Ready(Some(value)),
            State::Over => {
                *state = State::Over;
                Poll::Ready(None)
            }
            State::Empty | State::Awaited(_) => {
                *state = State::Awaited(cx.waker().clone());
                Poll::Pending
            }
        }
    }

    fn change(&self, new: State<T>) {
        // The lock is given up before the waker runs: who it wakes would wait for it.
        let old = mem::replace(&mut *self.state(), new);
        if let State::Awaited(waker) = old {
            waker.wake();
        }
    }

    fn state(&self) -> MutexGuard<'_, State<T>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests {
    use std::pin::pin;
    use std::task::{Context, Poll, Waker};

    use super::Slot;

    #[test]
    fn a_value_is_taken_once_and_the_end_is_heard_again_and_again() {
        let slot = Slot::new();
        let poll = || pin!(slot.take()).poll(&mut Context::from_waker(Waker::noop()));
        assert_eq!(poll(), Poll::Pending);
        assert!(slot.is_awaited());
        slot.put(7);
        assert!(!slot.is_awaited());
        assert_eq!((poll(), poll()), (Poll::Ready(Some(7)), Poll::Pending));
        slot.end();
        assert_eq!((poll(), poll()), (Poll::Ready(None), Poll::Ready(None)));
    }
}
