//! A channel for one value, between any threads.

use std::future::poll_fn;
use std::pin::Pin;
use std::sync::PoisonError;
use std::task::{Context, Poll, Waker};
use std::{fmt, mem};

use super::error::{RecvError, TryRecvError};
use super::prims::{Arc, Mutex, MutexGuard, discard, wake};

/// Makes a channel for one value.
///
/// # Examples
///
/// ```
/// # fn main() -> Result<(), uring_runtime::BuildError> {
/// let (sender, receiver) = uring_runtime::sync::oneshot::channel();
/// let thread = std::thread::spawn(move || sender.send(42));
/// let core = uring_runtime::Runtime::new()?;
/// assert_eq!(core.block_on(receiver), Ok(42));
/// # drop(thread.join());
/// # Ok(())
/// # }
/// ```
pub fn channel<T>() -> (Sender<T>, Receiver<T>) {
    let shared =
        Arc::new(Mutex::new(State { value: None, sender: Side::Open(None), receiver: Side::Open(None) }));
    (Sender(Some(Arc::clone(&shared))), Receiver(shared))
}

struct State<T> {
    value: Option<T>,
    sender: Side,
    receiver: Side,
}

/// One end, with the waker of who waits there.
enum Side {
    Open(Option<Waker>),
    Gone,
}

impl Side {
    /// Leaves a waker, and gives what was there before.
    fn wait(&mut self, waker: Waker) -> Self {
        mem::replace(self, Self::Open(Some(waker)))
    }

    fn wake(self) {
        if let Self::Open(Some(waker)) = self {
            wake(waker);
        }
    }

    fn is_gone(&self) -> bool {
        matches!(self, Self::Gone)
    }
}

fn lock<T>(shared: &Mutex<State<T>>) -> MutexGuard<'_, State<T>> {
    shared.lock().unwrap_or_else(PoisonError::into_inner)
}

/// The sending end. Dropping it without having sent tells the receiver.
pub struct Sender<T>(Option<Arc<Mutex<State<T>>>>);

impl<T> Sender<T> {
    fn shared(&self) -> &Arc<Mutex<State<T>>> {
        self.0.as_ref().expect("invariant: it is there until the value is sent")
    }

    /// Sends the value.
    ///
    /// # Errors
    ///
    /// The value itself, when the receiver is gone or has closed the channel.
    pub fn send(mut self, value: T) -> Result<(), T> {
        let Some(shared) = self.0.take() else { return Err(value) };
        let mut state = lock(&shared);
        // Dropped at the end, with the lock released, as it may hold a waker.
        let _own = mem::replace(&mut state.sender, Side::Gone);
        let receiver = match &mut state.receiver {
            Side::Gone => {
                drop(state);
                return Err(value);
            }
            Side::Open(waker) => waker.take(),
        };
        state.value = Some(value);
        drop(state);
        Side::Open(receiver).wake();
        Ok(())
    }

    /// Waits until the receiver is gone or has closed the channel.
    ///
    /// # Cancel safety
    ///
    /// Nothing is lost when the future is dropped.
    pub fn closed(&mut self) -> impl Future<Output = ()> + use<'_, T> {
        poll_fn(|cx| {
            let waker = cx.waker().clone();
            let mut state = lock(self.shared());
            if state.receiver.is_gone() {
                return Poll::Ready(());
            }
            let before = state.sender.wait(waker);
            drop(state);
            drop(before);
            Poll::Pending
        })
    }

    /// Whether the receiver is gone or has closed the channel.
    #[must_use]
    pub fn is_closed(&self) -> bool {
        lock(self.shared()).receiver.is_gone()
    }
}

impl<T> Drop for Sender<T> {
    fn drop(&mut self) {
        let Some(shared) = self.0.take() else { return };
        let mut state = lock(&shared);
        let own = mem::replace(&mut state.sender, Side::Gone);
        let receiver = match &mut state.receiver {
            Side::Open(waker) => waker.take(),
            Side::Gone => None,
        };
        drop(state);
        Side::Open(receiver).wake();
        // Last, because it is code of users and may panic.
        drop(own);
    }
}

impl<T> fmt::Debug for Sender<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Sender").field("closed", &self.is_closed()).finish()
    }
}

/// The receiving end: a future of the value. Dropping it tells the sender.
#[must_use = "futures do nothing unless awaited"]
pub struct Receiver<T>(Arc<Mutex<State<T>>>);

impl<T> Receiver<T> {
    /// Takes the value if it is there.
    ///
    /// # Errors
    ///
    /// [`TryRecvError`] says whether it may come.
    pub fn try_recv(&mut self) -> Result<T, TryRecvError> {
        let mut state = lock(&self.0);
        match state.value.take() {
            Some(value) => Ok(value),
            None if state.sender.is_gone() || state.receiver.is_gone() => Err(TryRecvError::Disconnected),
            None => Err(TryRecvError::Empty),
        }
    }

    /// From here on nothing can be sent. A value that was sent before can still be received.
    pub fn close(&mut self) {
        let mut state = lock(&self.0);
        let own = mem::replace(&mut state.receiver, Side::Gone);
        let sender = match &mut state.sender {
            Side::Open(waker) => waker.take(),
            Side::Gone => None,
        };
        drop(state);
        Side::Open(sender).wake();
        drop(own);
    }
}

impl<T> Future for Receiver<T> {
    type Output = Result<T, RecvError>;

    /// # Cancel safety
    ///
    /// A receiver that is awaited by reference loses nothing when that is given up.
    fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        let waker = cx.waker().clone();
        let mut state = lock(&self.0);
        if let Some(value) = state.value.take() {
            return Poll::Ready(Ok(value));
        }
        if state.sender.is_gone() || state.receiver.is_gone() {
            return Poll::Ready(Err(RecvError));
        }
        let before = state.receiver.wait(waker);
        drop(state);
        drop(before);
        Poll::Pending
    }
}

impl<T> Drop for Receiver<T> {
    fn drop(&mut self) {
        self.close();
        // Dropped with the lock released.
        let value = lock(&self.0).value.take();
        discard(value);
    }
}

impl<T> fmt::Debug for Receiver<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Receiver").finish_non_exhaustive()
    }
}
