//! What tokio-console shows of a core, behind the feature `console`: spans of tasks and events of wakes.
//!
//! With the feature, each task is a span of `tracing` that is entered while it is polled and closed when its future is
//! gone, and each wake is an event, with the names that `console-subscriber` looks for. Without it there is nothing: the
//! future is what it was, and what is kept for a wake has no size. Clones and drops of wakers are not told, because the
//! wakers of a core are names, of which nobody counts how many there are.
//!
//! A subscriber is code of users, so nothing of the core is borrowed while it is called. It knows tasks by their places.

#[cfg(not(feature = "console"))]
mod absent;
#[cfg(not(feature = "console"))]
use absent as told;
#[cfg(feature = "console")]
mod told;

pub(crate) use told::{Mark, Marks, Woken, watch};
