//! What the cores of a service know of each other.

use std::sync::Arc;
use std::time::Duration;

use super::agreement::Agreements;
use crate::core::Core;
use crate::remote::{Handle, RemoteJoinHandle};
use crate::sync::CancellationToken;

/// A core's place in its service.
pub(crate) struct Member {
    pub(super) id: CoreId,
    pub(super) service: Arc<Service>,
}

/// What the cores of a service share.
pub(super) struct Service {
    /// All cores, by index.
    pub(super) cores: Vec<Handle>,
    pub(super) agreements: Agreements,
}

/// Which core of its service this is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub struct CoreId {
    /// From 0.
    pub index: usize,
    /// How many cores the service has.
    pub count: usize,
    /// The processor that the core is kept on. `None` for a runtime that was not launched with others.
    pub cpu: Option<usize>,
}

/// Which core this is. A runtime that was not launched with others is core 0 of 1.
///
/// # Panics
///
/// Outside of a runtime.
#[must_use]
#[track_caller]
pub fn core() -> CoreId {
    Core::current().member().map_or(CoreId { index: 0, count: 1, cpu: None }, |member| member.id)
}

/// Spawns a task on a core of this service: as [`Handle::spawn`], by the core's index.
///
/// # Panics
///
/// Outside of a runtime, and when the service has no such core: see [`core`](fn@crate::core).
#[track_caller]
pub fn spawn_on<M, F>(core: usize, make: M) -> RemoteJoinHandle<F::Output>
where
    M: FnOnce() -> F + Send + 'static,
    F: Future + 'static,
    F::Output: Send + 'static,
{
    let current = Core::current();
    let handle = match current.member() {
        Some(member) => member.service.cores.get(core).copied(),
        None => (core == 0).then(|| Handle::of(&current)),
    };
    match handle {
        Some(handle) => handle.spawn(make),
        None => {
            panic!("uring: this service has {} cores, and none with the index {core}", self::core().count)
        }
    }
}

/// Shuts the service down: all its cores, or this runtime when it was not launched with others.
///
/// In order: listeners accept no further connection, and their `accept` gives an error; the [`shutdown_token`] of each core
/// is cancelled; the main futures and the tasks go on until they have ended or the deadline has passed, whichever comes
/// first; then what is left is dropped, its sockets are closed, what is in flight is cancelled and drained, and what the
/// kernel does not give back is leaked and counted. All of that is over 100 ms after the deadline at most. Called again, it
/// can only shorten the deadline.
///
/// A runtime that was not launched ends its main future as it sees fit: only the first two steps are done here, and
/// [`Runtime::shutdown_within`](crate::Runtime::shutdown_within) does the others.
///
/// # Panics
///
/// Outside of a runtime.
#[track_caller]
pub fn shutdown(deadline: Duration) {
    let core = Core::current();
    match core.member() {
        Some(member) => member.service.cores.iter().for_each(|core| core.shutdown(deadline)),
        None => core.begin_shutdown(deadline),
    }
}

/// What is cancelled when this core is to shut down. Tasks await it, or race it with what they wait for.
///
/// # Panics
///
/// Outside of a runtime.
#[must_use]
#[track_caller]
pub fn shutdown_token() -> CancellationToken {
    Core::current().shutdown_token().clone()
}
