//! The core of `uring`: an executor that submits operations to io_uring and completes futures from its completions.
//!
//! Users take it through the facade, the crate `uring`. Modules in reading order: `op` says what an operation is,
//! `driver` keeps those in flight, `core` runs the loop, [`task`] and [`time`] are what it runs, [`buf`] is what
//! operations own, [`io`] and [`fs`] are what users hold, [`local`] is what tasks of one core talk through, `together`
//! is several futures in one task, [`oracle`] is what debug builds look for.

mod op;

mod audit;
mod blocking;
mod builder;
mod console;
mod core;
mod driver;
mod launch;
mod panics;
mod presets;
mod remote;
mod runtime;
mod stats;

pub mod buf;
pub mod fs;
pub mod io;
pub mod local;
pub mod oracle;
pub mod signal;
pub mod sync;
pub mod task;
pub mod time;

#[doc(hidden)]
pub mod together;

#[cfg(any(test, fuzzing))]
#[doc(hidden)]
pub mod fuzz;

pub use audit::Audit;
pub use builder::{BuildError, Builder};
pub use launch::{
    CoreId, Cores, LaunchError, Launcher, ParseCoresError, bind_together, core, shutdown, shutdown_token,
    spawn_on,
};
pub use remote::{Handle, RemoteJoinHandle};
pub use runtime::{Runtime, is_running, kernel_threads, stats};
pub use stats::{Figure, FigureKind, FigureValue, Stats};

#[cfg(feature = "metrics")]
pub mod metrics;
pub use uring_sys_shim::{Cause, Features, Ring, SetupError, Step};
