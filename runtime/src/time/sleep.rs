//! Waiting until a point in time.

use std::fmt;
use std::pin::Pin;
use std::rc::Rc;
use std::task::{Context, Poll, ready};
use std::time::Duration;

use super::Instant;
use super::heap::{Fired, Owner, Timer, Wakes};
use crate::core::Core;
use crate::task::coop;

/// Waits for a duration, from now on. `Duration::MAX` never ends.
///
/// # Panics
///
/// Outside of a runtime.
///
/// # Cancel safety
///
/// Dropping the future disarms the timer.
#[track_caller]
pub fn sleep(duration: Duration) -> Sleep {
    let core = Core::current();
    let deadline = Instant::from_nanos(core.now()) + duration;
    Sleep { core, deadline, timer: None, ahead: !duration.is_zero() }
}

/// Waits until a deadline, which may have passed.
///
/// # Panics
///
/// Outside of a runtime.
///
/// # Cancel safety
///
/// Dropping the future disarms the timer.
#[track_caller]
pub fn sleep_until(deadline: Instant) -> Sleep {
    Sleep { core: Core::current(), deadline, timer: None, ahead: false }
}

/// The future of [`sleep`] and [`sleep_until`].
#[must_use = "futures do nothing unless awaited"]
pub struct Sleep {
    core: Rc<Core>,
    deadline: Instant,
    timer: Option<Timer>,
    /// Set if the deadline lay ahead when the clock was last read, so that it need not be read again to arm.
    ahead: bool,
}

impl Sleep {
    /// When it ends.
    #[must_use]
    pub fn deadline(&self) -> Instant {
        self.deadline
    }

    /// Whether the deadline has passed.
    #[must_use]
    pub fn is_elapsed(&self) -> bool {
        self.core.now() >= self.deadline.nanos()
    }

    /// Gives it another deadline, earlier or later, also after it has ended. An armed timer is moved, which is
    /// cheap: protocols do it for every packet.
    pub fn reset(&mut self, deadline: Instant) {
        self.ahead = false;
        if deadline == Instant::NEVER {
            self.disarm();
        }
        self.deadline = deadline;
        if let Some(timer) = self.timer {
            self.core.timers.borrow_mut().reset(timer, deadline.nanos());
        }
    }

    fn disarm(&mut self) {
        if let Some(timer) = self.timer.take() {
            let waker = self.core.timers.borrow_mut().cancel(timer, self.deadline.nanos());
            drop(waker);
        }
    }
}

impl Future for Sleep {
    type Output = ();

    #[inline]
    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<()> {
        if let Some(timer) = self.timer {
            let polled = self.core.timers.borrow().poll(timer, cx.waker());
            return match polled {
                Err(Fired) => over(cx),
                Ok(Wakes::This) => Poll::Pending,
                Ok(Wakes::Another) => {
                    let owner = Owner::of(self.core.id(), cx.waker());
                    let before = self.core.timers.borrow_mut().set_owner(timer, owner);
                    drop(before);
                    Poll::Pending
                }
            };
        }
        if self.deadline == Instant::NEVER {
            return Poll::Pending;
        }
        if !self.ahead && self.is_elapsed() {
            return over(cx);
        }
        self.core.check();
        let owner = Owner::of(self.core.id(), cx.waker());
        let timer = self.core.timers.borrow_mut().arm(self.deadline.nanos(), owner);
        self.timer = Some(timer);
        Poll::Pending
    }
}

/// The deadline has passed, and stays so until the task may take a result.
#[inline]
fn over(cx: &mut Context<'_>) -> Poll<()> {
    ready!(coop::poll_proceed(cx));
    coop::progressed();
    Poll::Ready(())
}

impl Drop for Sleep {
    fn drop(&mut self) {
        self.disarm();
    }
}

impl fmt::Debug for Sleep {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Sleep").field("deadline", &self.deadline).finish_non_exhaustive()
    }
}
