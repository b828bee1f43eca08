//! Signals of the process, heard by tasks.
//!
//! The handler is the crate `signal-hook`'s: it writes a byte to a pipe, which the ring reads. It may interrupt any thread,
//! and several signals of one kind that come together may be heard as one, as signals are.

use std::fmt;
use std::io;
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::task::{Context, Poll};

use signal_hook::{SigId, consts, flag, low_level};
use uring_sys_shim::{Call, Reply};

use crate::buf::BufResult;
use crate::core::Core;
use crate::fs::File;

/// A kind of signal.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct SignalKind(i32);

impl SignalKind {
    /// The signal of this number.
    #[must_use]
    pub const fn from_raw(number: i32) -> Self {
        Self(number)
    }

    /// SIGINT: Ctrl-C.
    #[must_use]
    pub const fn interrupt() -> Self {
        Self(consts::SIGINT)
    }

    /// SIGTERM: what a supervisor sends first.
    #[must_use]
    pub const fn terminate() -> Self {
        Self(consts::SIGTERM)
    }

    /// SIGHUP: by convention, to read the configuration again.
    #[must_use]
    pub const fn hangup() -> Self {
        Self(consts::SIGHUP)
    }

    /// SIGQUIT.
    #[must_use]
    pub const fn quit() -> Self {
        Self(consts::SIGQUIT)
    }

    /// SIGUSR1.
    #[must_use]
    pub const fn user_defined1() -> Self {
        Self(consts::SIGUSR1)
    }

    /// SIGUSR2.
    #[must_use]
    pub const fn user_defined2() -> Self {
        Self(consts::SIGUSR2)
    }

    /// The number.
    #[must_use]
    pub const fn as_raw_value(self) -> i32 {
        self.0
    }
}

/// Listens for a kind of signal, on this core, from now on. What the signal does by default does not happen any more, as
/// long as the process lives, also after the listener was dropped.
///
/// # Errors
///
/// The errno of `sigaction(2)`: `InvalidInput` for signals that cannot be handled (SIGKILL, SIGSTOP, and those that tell of
/// a fault of the program).
///
/// # Panics
///
/// Outside of a runtime.
#[track_caller]
pub fn signal(kind: SignalKind) -> io::Result<Signal> {
    let core = Core::current();
    if consts::FORBIDDEN.contains(&kind.0) {
        let text = format!("signal {} cannot be handled", kind.0);
        return Err(io::Error::new(io::ErrorKind::InvalidInput, text));
    }
    let Reply::Pipe(reader, writer) = core.call(Call::Pipe)? else {
        return Err(io::Error::other("the ring made no pipe"));
    };
    let handler = low_level::pipe::register(kind.0, writer)?;
    let file = File::from_std(reader.into());
    Ok(Signal { file: std::rc::Rc::new(file), reading: None, handler })
}

/// Waits for SIGINT, once.
///
/// # Errors
///
/// As [`signal`].
///
/// # Cancel safety
///
/// Nothing is lost but the signals that come when nobody waits.
pub async fn ctrl_c() -> io::Result<()> {
    signal(SignalKind::interrupt())?.recv().await
}

type Reading = Pin<Box<dyn Future<Output = BufResult<usize, Vec<u8>>>>>;

/// Hears a kind of signal: see [`signal`].
pub struct Signal {
    file: std::rc::Rc<File>,
    /// Kept between two calls, so that nothing is lost when one is given up.
    reading: Option<Reading>,
    handler: SigId,
}

impl Signal {
    /// Waits for the next signal of the kind. Those that came since the last call count, together, as one.
    ///
    /// # Errors
    ///
    /// The errno of `read(2)`.
    ///
    /// # Cancel safety
    ///
    /// Nothing is lost when the future is dropped.
    pub fn recv(&mut self) -> impl Future<Output = io::Result<()>> + use<'_> {
        std::future::poll_fn(|cx| self.poll_recv(cx))
    }

    /// As [`recv`](Signal::recv), for futures that are written by hand.
    ///
    /// # Errors
    ///
    /// As [`recv`](Signal::recv).
    pub fn poll_recv(&mut self, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        let file = &self.file;
        let reading = self.reading.get_or_insert_with(|| {
            let file = std::rc::Rc::clone(file);
            Box::pin(async move { file.read_at(Vec::with_capacity(64), 0).await })
        });
        let BufResult(result, _bytes) = std::task::ready!(reading.as_mut().poll(cx));
        self.reading = None;
        Poll::Ready(result.map(drop))
    }
}

impl Drop for Signal {
    fn drop(&mut self) {
        low_level::unregister(self.handler);
    }
}

impl fmt::Debug for Signal {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Signal").field("file", &self.file).finish_non_exhaustive()
    }
}

/// Lets a kind of signal do what it does by default again, from its drop on.
pub(crate) struct ByDefault(Arc<AtomicBool>);

impl ByDefault {
    /// Not yet: when this is dropped.
    pub(crate) fn later(kind: SignalKind) -> Self {
        let now = Arc::new(AtomicBool::new(false));
        if let Err(error) = flag::register_conditional_default(kind.0, Arc::clone(&now)) {
            tracing::error!(%error, ?kind, "a second signal will not end the process");
        }
        Self(now)
    }
}

impl Drop for ByDefault {
    fn drop(&mut self) {
        self.0.store(true, Ordering::SeqCst);
    }
}
