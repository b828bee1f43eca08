//! What both sides of a channel share: the queue, the room in it, and who waits.
//!
//! Each value in the queue has a permit, and so has whoever is about to put one in: so many are out as the queue has
//! values, plus those that will still come. A channel without a bound has more permits than there is memory for.
//!
//! Values are code of users when they are dropped: that happens while nothing is borrowed.

use std::cell::{Cell, RefCell};
use std::collections::VecDeque;
use std::task::{Context, Poll};

use super::super::permits::{Closed, Permits, Refused};
use super::super::seat::Seat;
use super::super::until::{Crowd, until};
use super::error::{TryRecvError, TrySendError};
use crate::panics::contain;

pub(super) struct Queue<T> {
    values: RefCell<VecDeque<T>>,
    room: Permits,
    capacity: usize,
    senders: Cell<usize>,
    /// Set when the receiver was dropped: what is sent by a permit then is dropped at once.
    is_abandoned: Cell<bool>,
    receiver: Seat,
    /// The senders that wait for the receiver's end.
    closing: Crowd,
}

impl<T> Queue<T> {
    /// With one sender.
    pub(super) fn new(capacity: usize) -> Self {
        Self {
            values: RefCell::default(),
            room: Permits::new(capacity),
            capacity,
            senders: Cell::new(1),
            is_abandoned: Cell::new(false),
            receiver: Seat::default(),
            closing: Crowd::new(),
        }
    }

    /// Takes room for a value if there is some, and nobody waits for it.
    #[inline]
    pub(super) fn try_reserve(&self) -> Result<(), Refused> {
        self.room.try_take(1)
    }

    /// Waits for room for a value.
    pub(super) async fn reserve(&self) -> Result<(), Closed> {
        // A receiver that was closed waits for the last permit. One that was granted to this future may be the last, and
        // goes back when the future is dropped: this is dropped after it.
        let _leaving = Leaving(self);
        self.room.take(1).await
    }

    /// Gives back room that was taken for nothing.
    pub(super) fn unreserve(&self) {
        self.room.give(1);
        self.tell_if_closed();
    }

    fn tell_if_closed(&self) {
        if self.is_closed() {
            self.receiver.wake();
        }
    }

    /// Puts a value in, for which room was taken before.
    #[inline]
    pub(super) fn push(&self, value: T) {
        if self.is_abandoned.get() {
            return drop(value);
        }
        self.values.borrow_mut().push_back(value);
        self.receiver.wake();
    }

    #[inline]
    pub(super) fn try_push(&self, value: T) -> Result<(), TrySendError<T>> {
        match self.try_reserve() {
            Ok(()) => {
                self.push(value);
                Ok(())
            }
            Err(Refused::Closed) => Err(TrySendError::Closed(value)),
            Err(Refused::TooFew) => Err(TrySendError::Full(value)),
        }
    }

    /// Takes the oldest value out. The room goes to the sender that has waited longest.
    #[inline]
    fn pop(&self) -> Option<T> {
        let value = self.values.borrow_mut().pop_front()?;
        self.room.give(1);
        Some(value)
    }

    /// Whether an empty queue stays empty: the senders are gone, or closed out and the last of their permits is back.
    fn is_over(&self) -> bool {
        self.senders.get() == 0 || self.is_closed() && self.room.free() == self.capacity
    }

    #[inline]
    pub(super) fn try_recv(&self) -> Result<T, TryRecvError> {
        match self.pop() {
            Some(value) => Ok(value),
            None if self.is_over() => Err(TryRecvError::Disconnected),
            None => Err(TryRecvError::Empty),
        }
    }

    #[inline]
    pub(super) fn poll_recv(&self, cx: &mut Context<'_>) -> Poll<Option<T>> {
        self.receiver.poll(cx, || match self.try_recv() {
            Ok(value) => Some(Some(value)),
            Err(TryRecvError::Disconnected) => Some(None),
            Err(TryRecvError::Empty) => None,
        })
    }

    pub(super) fn poll_recv_many(
        &self,
        cx: &mut Context<'_>,
        buffer: &mut Vec<T>,
        limit: usize,
    ) -> Poll<usize> {
        self.receiver.poll(cx, || {
            let before = buffer.len();
            while buffer.len() - before < limit
                && let Some(value) = self.pop()
            {
                buffer.push(value);
            }
            let received = buffer.len() - before;
            (received > 0 || limit == 0 || self.is_over()).then_some(received)
        })
    }

    /// Lets no new value in, and tells the senders.
    pub(super) fn close(&self) {
        self.room.close();
        self.closing.call_all(());
    }

    /// The receiver is gone: closes, and drops what nobody will take, each by itself.
    pub(super) fn abandon(&self) {
        self.is_abandoned.set(true);
        self.close();
        loop {
            let value = self.values.borrow_mut().pop_front();
            let Some(value) = value else { return };
            contain(|| drop(value));
        }
    }

    #[inline]
    pub(super) fn is_closed(&self) -> bool {
        self.room.is_closed()
    }

    /// Waits until the receiver is closed or dropped.
    pub(super) async fn closed(&self) {
        until(&self.closing, || self.is_closed().then_some(())).await;
    }

    pub(super) fn add_sender(&self) {
        self.senders.set(self.senders.get() + 1);
    }

    pub(super) fn remove_sender(&self) {
        self.senders.set(self.senders.get() - 1);
        if self.senders.get() == 0 {
            self.receiver.wake();
        }
    }

    pub(super) fn senders(&self) -> usize {
        self.senders.get()
    }

    pub(super) fn len(&self) -> usize {
        self.values.borrow().len()
    }

    /// For how many values there is room that nobody waits for.
    pub(super) fn available(&self) -> usize {
        self.room.available()
    }

    pub(super) fn capacity(&self) -> usize {
        self.capacity
    }
}

/// Tells the receiver when it goes, for it may wait for just this.
struct Leaving<'a, T>(&'a Queue<T>);

impl<T> Drop for Leaving<'_, T> {
    fn drop(&mut self) {
        self.0.tell_if_closed();
    }
}

/// The methods of a receiver, with a bound or without: what they do does not depend on it.
macro_rules! receiver_methods {
    () => {
        /// Waits for the next value. `None` means that none will come: all senders are gone, or the receiver was closed
        /// and has taken what was sent before.
        ///
        /// # Cancel safety
        ///
        /// Dropping the future loses no value.
        #[inline]
        pub async fn recv(&mut self) -> Option<T> {
            std::future::poll_fn(|cx| self.queue.poll_recv(cx)).await
        }

        /// Waits for values, puts those that are there, but at most `limit`, at the end of `buffer`, and tells how many.
        /// Zero means that none will come, or that the limit is zero.
        ///
        /// # Cancel safety
        ///
        /// Dropping the future loses no value: `buffer` is touched only at the moment in which it is ready.
        pub async fn recv_many(&mut self, buffer: &mut Vec<T>, limit: usize) -> usize {
            std::future::poll_fn(|cx| self.queue.poll_recv_many(cx, buffer, limit)).await
        }

        /// As [`recv`](Self::recv), for futures written by hand.
        pub fn poll_recv(&mut self, cx: &mut Context<'_>) -> Poll<Option<T>> {
            self.queue.poll_recv(cx)
        }

        /// Takes the next value if there is one.
        ///
        /// # Errors
        ///
        /// When there is none yet, or none will come.
        pub fn try_recv(&mut self) -> Result<T, TryRecvError> {
            self.queue.try_recv()
        }

        /// Lets no new value in. Those that were sent, and those that will be by permits that are out, can still be
        /// received; then comes `None`.
        pub fn close(&mut self) {
            self.queue.close();
        }

        /// Whether it was closed, or all senders are gone.
        #[must_use]
        pub fn is_closed(&self) -> bool {
            self.queue.is_closed() || self.queue.senders() == 0
        }

        /// How many values are there.
        #[must_use]
        pub fn len(&self) -> usize {
            self.queue.len()
        }

        /// Whether no value is there.
        #[must_use]
        pub fn is_empty(&self) -> bool {
            self.len() == 0
        }
    };
}

pub(super) use receiver_methods;
