//! Work for a core from another thread: what a spawner sends, and what comes back.
//!
//! A future is made on the core that will run it, so it need not be `Send`: only what makes it travels, and what it gives.
//! It is polled, aborted and dropped on its own core, whatever happens on the thread that sent it.

mod handle;
mod join;
mod outcome;
mod prims;

pub use handle::Handle;
pub use join::RemoteJoinHandle;
