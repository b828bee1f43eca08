//! libFuzzer over the check of the heap of timers: see `runtime/src/fuzz/timers.rs`.
#![no_main]

use libfuzzer_sys::fuzz_target;
use uring_runtime::fuzz::timers::check;

fuzz_target!(|bytes: &[u8]| check(bytes));
