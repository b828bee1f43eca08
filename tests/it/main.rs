//! The integration tests: one binary, through the facade.
#![allow(clippy::unwrap_used, clippy::print_stdout, reason = "tests")]

use uring::oracle::Allocator;

/// Ends the process when memory is freed that the kernel may still use.
#[global_allocator]
static ALLOCATOR: Allocator = Allocator::system();

mod alone;
mod buffers;
mod cancel;
mod cores;
mod environment;
mod examples;
mod files;
mod kit;
mod lifetime;
mod local;
mod pressure;
mod spin;
mod storm;
mod support;
mod tasks;
mod tcp;
mod tidy;
mod time;
mod together;
mod ui;
