//! A channel between threads: a queue, who waits for room in it, and who waits for values.
//!
//! The flavours (`mpsc`, `spsc`, `mesh`) differ in how many ends there are. Sending to a receiver that is not waiting is a
//! few atomic steps and no system call; one that waits is woken through its waker, and its core by its ring if it sleeps.
//! No value is dropped and no waker is woken while a lock is taken. When the consumer goes, it drops whatever is in the queue
//! or still on its way.
//!
//! A value that is on its way is a few instructions from being there, unless its producer has lost its processor just then.
//! Who would wait for it looks again instead: that producer may have found nobody waiting.
#![allow(unsafe_code, reason = "the one consumer of the queue")]

use std::mem;
use std::pin::Pin;
use std::task::{Context, Poll};

use super::error::{SendError, TryRecvError, TrySendError};
use super::line::{Line, Stand, Ticket, Used};
use super::patience::Patience;
use super::prims::{Arc, AtomicUsize, Ordering, discard, look, pause, retire, step_aside};
use super::sleeper::Sleeper;
use super::slots::{Refused, Slots};

/// Makes a channel with one producer and its consumer.
pub(super) fn channel<T>(capacity: usize, receiver: Arc<Sleeper>) -> (Producer<T>, Consumer<T>) {
    assert!(capacity > 0, "uring: a channel between cores needs room for one value at least");
    let channel = Arc::new(Channel {
        slots: Slots::new(capacity),
        line: Line::new(),
        receiver,
        producers: AtomicUsize::new(1),
    });
    (Producer::of(Arc::clone(&channel)), Consumer { channel, patience: Patience::new(), yielded: 0 })
}

struct Channel<T> {
    slots: Slots<T>,
    line: Line,
    /// Shared by all channels that one receiver waits for.
    receiver: Arc<Sleeper>,
    producers: AtomicUsize,
}

impl<T> Channel<T> {
    #[inline]
    fn push(&self, value: T) -> Result<(), Refused<T>> {
        self.slots.push(value)?;
        self.receiver.wake();
        Ok(())
    }
}

/// An end that values go into.
pub(super) struct Producer<T> {
    channel: Arc<Channel<T>>,
    patience: Patience,
}

impl<T> Producer<T> {
    fn of(channel: Arc<Channel<T>>) -> Self {
        Self { channel, patience: Patience::new() }
    }

    /// Sends a value if there is room and nobody waits for it.
    #[inline]
    pub(super) fn try_send(&self, value: T) -> Result<(), TrySendError<T>> {
        let Channel { slots, line, .. } = &*self.channel;
        if !line.is_empty() && !slots.is_closed() {
            return Err(TrySendError::Full(value));
        }
        self.channel.push(value).map_err(|refused| match refused {
            Refused::Full(value) => TrySendError::Full(value),
            Refused::Closed(value) => TrySendError::Closed(value),
        })
    }

    /// Sends a value in its turn.
    pub(super) fn send(&self, value: T) -> Send<'_, T> {
        Send { producer: self, value: Some(value), ticket: None, yielded: 0 }
    }

    pub(super) fn is_closed(&self) -> bool {
        self.channel.slots.is_closed()
    }

    pub(super) fn capacity(&self) -> usize {
        self.channel.slots.capacity()
    }

    pub(super) fn len(&self) -> usize {
        self.channel.slots.len()
    }

    pub(super) fn is_of(&self, other: &Self) -> bool {
        Arc::ptr_eq(&self.channel, &other.channel)
    }
}

impl<T> Clone for Producer<T> {
    fn clone(&self) -> Self {
        self.channel.producers.fetch_add(1, Ordering::Relaxed);
        Self::of(Arc::clone(&self.channel))
    }
}

impl<T> Drop for Producer<T> {
    fn drop(&mut self) {
        if retire(&self.channel.producers) == 1 {
            self.channel.slots.close();
            self.channel.receiver.wake();
        }
    }
}

/// The end that values come out of. There is one, and nobody can share it.
pub(super) struct Consumer<T> {
    channel: Arc<Channel<T>>,
    patience: Patience,
    /// How often the present wait has yielded.
    yielded: usize,
}

impl<T> Consumer<T> {
    /// Takes the oldest value and lets the next sender go.
    #[inline]
    pub(super) fn pop(&mut self) -> Option<T> {
        // SAFETY: a channel has one consumer, and it is borrowed for this call alone (docs/safety.md, S11).
        let value = unsafe { self.channel.slots.pop() }?;
        self.channel.line.advance();
        Some(value)
    }

    /// Whether nothing can come any more.
    pub(super) fn is_over(&self) -> bool {
        !self.channel.slots.is_coming()
            && (look(&self.channel.producers) == 0 || self.channel.slots.is_closed())
    }

    /// Takes a value that is there now.
    pub(super) fn try_recv(&mut self) -> Result<T, TryRecvError> {
        if let Some(value) = self.pop() {
            return Ok(value);
        }
        // In this order: what the last producer has sent is there when it is known to be gone.
        let over = self.is_over();
        self.pop().ok_or(if over { TryRecvError::Disconnected } else { TryRecvError::Empty })
    }

    /// Takes a value, or says that none will come, or leaves the waker.
    pub(super) fn poll(&mut self, cx: &mut Context<'_>) -> Poll<Option<T>> {
        if let Some(value) = self.pop() {
            let yielded = mem::take(&mut self.yielded);
            self.found(yielded);
            return Poll::Ready(Some(value));
        }
        if self.yields(self.yielded, cx) {
            self.yielded += 1;
            return Poll::Pending;
        }
        self.yielded = 0;
        self.waits(cx);
        match self.try_recv() {
            Ok(value) => Poll::Ready(Some(value)),
            Err(TryRecvError::Disconnected) => Poll::Ready(None),
            Err(TryRecvError::Empty) => {
                self.looks_again_if_coming(cx);
                Poll::Pending
            }
        }
    }

    /// A value was there after so many yields.
    #[inline]
    pub(super) fn found(&self, yielded: usize) {
        self.patience.found(yielded);
    }

    /// Yields once more before it waits, after so many times.
    pub(super) fn yields(&self, yielded: usize, cx: &Context<'_>) -> bool {
        let yields = self.patience.is_left(yielded);
        if yields {
            pause(self.patience.pauses(yielded));
            cx.waker().wake_by_ref();
        }
        yields
    }

    /// Leaves the waker. Whoever waits looks again after this.
    pub(super) fn waits(&self, cx: &Context<'_>) {
        self.patience.waits();
        self.channel.receiver.wait(cx.waker());
    }

    /// Who has left its waker is woken by who brings the next value; by itself, if one has come meanwhile or is on its way.
    /// Gives whether that is so.
    pub(super) fn looks_again_if_coming(&self, cx: &Context<'_>) -> bool {
        let coming = self.channel.slots.is_coming();
        if coming {
            step_aside();
            cx.waker().wake_by_ref();
        }
        coming
    }

    /// From here on nothing is sent; what was sent can still be received.
    pub(super) fn close(&mut self) {
        self.channel.slots.close();
        self.channel.line.close();
    }

    pub(super) fn is_closed(&self) -> bool {
        self.channel.slots.is_closed()
    }

    pub(super) fn capacity(&self) -> usize {
        self.channel.slots.capacity()
    }

    pub(super) fn len(&self) -> usize {
        self.channel.slots.len()
    }
}

impl<T> Drop for Consumer<T> {
    fn drop(&mut self) {
        self.close();
        self.channel.receiver.leave();
        // Left there, a value would live as long as the last producer, who may be waiting for the very answer that goes with
        // it. After the close no producer takes a position, so this ends.
        loop {
            while let Some(value) = self.pop() {
                discard(value);
            }
            if !self.channel.slots.is_coming() {
                return;
            }
            step_aside();
        }
    }
}

/// The future of a send.
#[must_use = "futures do nothing unless awaited"]
pub(super) struct Send<'a, T> {
    producer: &'a Producer<T>,
    value: Option<T>,
    ticket: Option<Ticket>,
    yielded: usize,
}

// The value is moved in and out, never pinned.
impl<T> Unpin for Send<'_, T> {}

impl<T> Send<'_, T> {
    fn finish(&mut self, used: Used) {
        if let Some(ticket) = self.ticket.take() {
            let Channel { slots, line, .. } = &*self.producer.channel;
            line.leave(ticket, used, || slots.has_room());
        }
    }

    /// Tries to push. Gives the outcome, or keeps the value when there is no room.
    fn push(&mut self) -> Option<Result<(), SendError<T>>> {
        let value = self.value.take().expect("uring: a send was polled after it had completed");
        match self.producer.channel.push(value) {
            Ok(()) => {
                self.finish(Used::Yes);
                Some(Ok(()))
            }
            Err(Refused::Closed(value)) => {
                self.finish(Used::No);
                Some(Err(SendError(value)))
            }
            Err(Refused::Full(value)) => {
                self.value = Some(value);
                None
            }
        }
    }
}

impl<T> Future for Send<'_, T> {
    type Output = Result<(), SendError<T>>;

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        let this = &mut *self;
        let Channel { slots, line, .. } = &*this.producer.channel;
        match this.ticket {
            None => {
                if (line.is_empty() || slots.is_closed())
                    && let Some(done) = this.push()
                {
                    this.producer.patience.found(this.yielded);
                    return Poll::Ready(done);
                }
                if this.producer.patience.is_left(this.yielded) {
                    pause(this.producer.patience.pauses(this.yielded));
                    this.yielded += 1;
                    cx.waker().wake_by_ref();
                    return Poll::Pending;
                }
                this.producer.patience.waits();
                let (ticket, alone) = line.join(cx.waker().clone());
                this.ticket = Some(ticket);
                // Room may have come, or the channel may have been closed, before this one stood in the line.
                if (alone || slots.is_closed())
                    && let Some(done) = this.push()
                {
                    return Poll::Ready(done);
                }
                Poll::Pending
            }
            Some(ticket) => match line.stand(ticket, cx.waker()) {
                Stand::Waits => Poll::Pending,
                Stand::Granted | Stand::Closed => {
                    if let Some(done) = this.push() {
                        return Poll::Ready(done);
                    }
                    line.again(ticket, cx.waker().clone());
                    this.push().map_or(Poll::Pending, Poll::Ready)
                }
            },
        }
    }
}

impl<T> Drop for Send<'_, T> {
    fn drop(&mut self) {
        self.finish(Used::No);
    }
}
