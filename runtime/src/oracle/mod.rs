//! Oracles of debug builds: what must never happen is looked for where it would happen, and ends the process.
//!
//! Memory that an entry in flight points to is noted from its submission to its last completion. A program whose
//! allocator is [`Allocator`] is aborted, with a text that says which operation it was, when such memory is freed: at once
//! and each time, also when the kernel happens not to write to it any more. In a build for AddressSanitizer (with
//! `--cfg uring_asan`) the same memory is asked for poison at both ends.
//!
//! Release builds have none of it: each function is empty there. It knows entries, and not who submits them.

mod alloc;

#[cfg(not(debug_assertions))]
mod absent;
#[cfg(not(debug_assertions))]
use absent as notes;
#[cfg(debug_assertions)]
mod regions;
#[cfg(debug_assertions)]
use regions as notes;

#[cfg(all(debug_assertions, not(uring_asan)))]
mod no_poison;
#[cfg(all(debug_assertions, not(uring_asan)))]
use no_poison as poison;
#[cfg(all(debug_assertions, uring_asan))]
mod poison;

pub use alloc::Allocator;

pub(crate) use notes::{Ledger, lent, returned};
