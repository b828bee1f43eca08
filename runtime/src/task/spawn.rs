//! How tasks come to be.

use std::panic::Location;

use super::handle::JoinHandle;
use super::priority::Priority;
use super::raw;
use super::table::MAIN;
use super::waker::Name;
use crate::console::watch;
use crate::core::{Misuse, with_current};

/// Runs a future by itself, on the current core, with [`Priority::Normal`].
///
/// It starts when the current task waits for something the next time. Dropping the handle detaches the task.
///
/// # Panics
///
/// Outside of a runtime.
#[track_caller]
pub fn spawn<F>(future: F) -> JoinHandle<F::Output>
where
    F: Future + 'static,
    F::Output: 'static,
{
    start(Priority::Normal, None, future)
}

/// Another name of [`spawn`]: every task stays on the core that it was spawned on, and need not be `Send`.
///
/// # Panics
///
/// Outside of a runtime.
#[track_caller]
pub fn spawn_local<F>(future: F) -> JoinHandle<F::Output>
where
    F: Future + 'static,
    F::Output: 'static,
{
    start(Priority::Normal, None, future)
}

/// As [`spawn`], with [`Priority::Urgent`].
///
/// # Panics
///
/// Outside of a runtime.
///
/// # Examples
///
/// ```no_run
/// use uring_runtime::task::spawn_urgent;
/// use uring_runtime::time::{Duration, interval};
///
/// # async fn beat() {}
/// drop(spawn_urgent(async {
///     let mut heartbeat = interval(Duration::from_secs(1));
///     loop {
///         heartbeat.tick().await;
///         beat().await;
///     }
/// }));
/// ```
#[track_caller]
pub fn spawn_urgent<F>(future: F) -> JoinHandle<F::Output>
where
    F: Future + 'static,
    F::Output: 'static,
{
    start(Priority::Urgent, None, future)
}

/// As [`spawn`], with any priority.
///
/// # Panics
///
/// Outside of a runtime.
#[track_caller]
pub fn spawn_with<F>(priority: Priority, future: F) -> JoinHandle<F::Output>
where
    F: Future + 'static,
    F::Output: 'static,
{
    start(priority, None, future)
}

#[track_caller]
#[inline]
pub(super) fn start<F>(priority: Priority, name: Option<&str>, future: F) -> JoinHandle<F::Output>
where
    F: Future + 'static,
    F::Output: 'static,
{
    let caller = Location::caller();
    let spawned = with_current(|core| {
        let core = core?;
        let (future, mark) = watch("task", name, caller, future);
        let (task, joined) = raw::task(future, caller);
        Some(if core.is_open() {
            let mut tasks = core.tasks.borrow_mut();
            let index = tasks.insert(task, priority);
            tasks.marks.set(index, mark);
            if let Some(name) = name {
                tasks.set_name(index, name);
            }
            JoinHandle::new(joined, Name::new(core.id(), index))
        } else {
            // The runtime is ending and runs no task any more.
            task.cancel();
            JoinHandle::new(joined, Name::new(core.id(), MAIN))
        })
    });
    // This and `caller` are outside of the closure, through which `track_caller` does not reach.
    match spawned {
        Some(handle) => handle,
        None => panic!("{}", Misuse::NoRuntime),
    }
}
