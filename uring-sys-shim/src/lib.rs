//! What a ring is: 64-byte submissions in, 16-byte completions out, and nothing asynchronous.
//!
//! This crate owns the narrowest interface between `uring` and the kernel. It stands on the `io-uring` crate for
//! the mapped queues and adds what that crate lacks: entries of its own ([`Sqe`]), decoded completions ([`Cqe`]),
//! an enter with an absolute deadline ([`Ring::enter`]), set-up by trial with errors that name cause and cure
//! ([`SetupError`]), one value for what the kernel can do ([`Features`]), and the provided-buffer ring
//! ([`BufRing`]).
//!
//! It must not know futures, wakers or tasks. The seam is the trait [`Ring`]: [`KernelRing`] is the real one, and
//! [`ScriptedRing`] follows a test's script. A simulator plugs in at the same place.

mod ring;

mod buf_ring;
mod call;
mod cpu;
mod cqe;
mod enter;
mod error;
mod features;
mod fork;
mod incoming;
mod kernel;
mod scripted;
mod setup;
mod signals;
mod sqe;
mod workers;

pub use buf_ring::BufRing;
pub use call::{Call, RawAddress, Reply, SocketOption, monotonic_nanos, notify};
pub use cpu::{allow_cpus, cpu_quota, usable_cpus};
pub use cqe::Cqe;
pub use error::{Cause, SetupError, Step};
pub use features::Features;
pub use kernel::KernelRing;
pub use ring::{Register, Ring, SqFull};
pub use scripted::{Script, ScriptedRing};
pub use setup::RingConfig;
pub use signals::without_signals;
pub use sqe::{Sqe, opcode};
pub use workers::kernel_threads;
