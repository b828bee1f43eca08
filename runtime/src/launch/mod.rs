//! One service on many cores: which processors, how they start together, and how they end together.
//!
//! Each core is a thread with a runtime of its own; nothing migrates between them. What a core knows of the others is their
//! [`Handle`](crate::Handle)s, and what they agree on.

mod agreement;
mod cores;
mod error;
mod launcher;
mod serve;
mod service;
mod signals;

pub use agreement::bind_together;
pub use cores::{Cores, ParseCoresError};
pub use error::LaunchError;
pub use launcher::Launcher;
pub use service::{CoreId, core, shutdown, shutdown_token, spawn_on};

pub(crate) use serve::finish;
pub(crate) use service::Member;
