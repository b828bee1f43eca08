//! libFuzzer over the check of the pool of buffers: see `runtime/src/fuzz/pool.rs`.
#![no_main]

use libfuzzer_sys::fuzz_target;
use uring_runtime::fuzz::pool::check;

fuzz_target!(|bytes: &[u8]| check(bytes));
