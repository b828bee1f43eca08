//! The runtime over a ring that follows a script: each hazard of operations in flight, on virtual time.
//!
//! No test waits for a kernel: what becomes of a submission is said by the test, so the rare order of events is as
//! easy to have as the usual one. Each test names the one-line break that it catches.

use uring_runtime::oracle::Allocator;

/// Ends the process when memory is freed that the kernel may still use.
#[global_allocator]
static ALLOCATOR: Allocator = Allocator::system();

mod accept;
mod audit;
mod buffers;
mod end;
mod given_up;
mod local;
mod mail;
mod memory;
mod multishot;
mod offload;
mod open;
// Release builds have no oracles.
#[cfg(debug_assertions)]
mod oracle;
mod panics;
mod pool;
mod receive;
mod send;
mod short;
mod shortage;
mod stalls;
mod submit;
mod support;
mod time;
mod wakers;
mod zero_copy;
