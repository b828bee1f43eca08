//! Permits, handed out in the order in which they were asked for: what semaphores, locks and bounded channels are made
//! of.
//!
//! It owns the count and the line. A permit here is a number; whoever takes some owes them back, or forgets them.

use std::cell::Cell;
use std::pin::Pin;
use std::task::{Context, Poll};

use super::line::{Left, Line, Place};

/// As many permits there can be.
pub(super) const PERMITS_MAX: usize = usize::MAX >> 3;

/// There are no permits any more.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Closed;

/// Why permits were not to be had at once.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Refused {
    Closed,
    /// There are too few, or somebody waits who came before.
    TooFew,
}

pub(super) struct Permits {
    /// Those that nobody has. More than the first in the line wishes only while it is being served.
    free: Cell<usize>,
    closed: Cell<bool>,
    line: Line<usize, Result<(), Closed>>,
}

impl Permits {
    pub(super) const fn new(free: usize) -> Self {
        Self { free: Cell::new(free), closed: Cell::new(false), line: Line::new() }
    }

    /// How many a newcomer could have at once. None while somebody waits: what is free is saved up for the first.
    pub(super) fn available(&self) -> usize {
        if self.line.is_empty() { self.free.get() } else { 0 }
    }

    /// How many nobody has.
    #[inline]
    pub(super) fn free(&self) -> usize {
        self.free.get()
    }

    #[inline]
    pub(super) fn is_closed(&self) -> bool {
        self.closed.get()
    }

    /// Takes permits if there are so many, and nobody waits.
    #[inline]
    pub(super) fn try_take(&self, wanted: usize) -> Result<(), Refused> {
        if self.closed.get() {
            return Err(Refused::Closed);
        }
        if self.free.get() < wanted || !self.line.is_empty() {
            return Err(Refused::TooFew);
        }
        self.free.set(self.free.get() - wanted);
        Ok(())
    }

    /// Waits for permits.
    pub(super) fn take(&self, wanted: usize) -> Take<'_> {
        Take { permits: self, wanted, place: Place::default() }
    }

    /// As [`take`](Self::take), for permits that nobody closes: those of locks.
    pub(super) async fn take_open(&self, wanted: usize) {
        let taken = self.take(wanted).await;
        debug_assert_eq!(taken, Ok(()), "a lock is never closed");
    }

    /// Puts permits back, or new ones in, and serves those who wait.
    #[inline]
    pub(super) fn give(&self, permits: usize) {
        self.free.set(self.free.get().saturating_add(permits).min(PERMITS_MAX));
        if !self.line.is_empty() {
            self.serve();
        }
    }

    /// Takes permits away for good, as many as are free.
    pub(super) fn forget(&self, permits: usize) -> usize {
        let forgotten = permits.min(self.free.get());
        self.free.set(self.free.get() - forgotten);
        forgotten
    }

    /// Refuses everybody who waits, and who comes later. What was handed out stays so.
    pub(super) fn close(&self) {
        self.closed.set(true);
        self.line.call_all(Err(Closed));
    }

    /// Hands permits to those at the head of the line, as far as they go. Wakers run in between, with all in order.
    fn serve(&self) {
        while let Some(wanted) = self.line.first()
            && wanted <= self.free.get()
        {
            self.free.set(self.free.get() - wanted);
            self.line.call_first(Ok(()));
        }
    }
}

/// Waits for permits. Dropped, it gives back what it was handed, and makes room for those behind it.
#[must_use = "futures do nothing unless awaited"]
pub(super) struct Take<'a> {
    permits: &'a Permits,
    wanted: usize,
    place: Place,
}

impl Future for Take<'_> {
    type Output = Result<(), Closed>;

    #[inline]
    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        let Self { permits, wanted, ref mut place } = *self;
        permits.line.poll(place, wanted, cx, || match permits.try_take(wanted) {
            Ok(()) => Some(Ok(())),
            Err(Refused::Closed) => Some(Err(Closed)),
            Err(Refused::TooFew) => None,
        })
    }
}

impl Drop for Take<'_> {
    #[inline]
    fn drop(&mut self) {
        match self.permits.line.leave(&mut self.place) {
            Left::Called(Ok(())) => self.permits.give(self.wanted),
            // It may have been the first, and wished more than those behind it.
            Left::Waiting => self.permits.serve(),
            Left::Called(Err(Closed)) | Left::Outside => {}
        }
    }
}
