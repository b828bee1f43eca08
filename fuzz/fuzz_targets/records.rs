//! libFuzzer over the check of the records of operations: see `runtime/src/fuzz/records.rs`.
#![no_main]

use libfuzzer_sys::fuzz_target;
use uring_runtime::fuzz::records::check;

fuzz_target!(|bytes: &[u8]| check(bytes));
