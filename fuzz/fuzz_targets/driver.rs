//! libFuzzer over the check of whole runtimes on a scripted ring: see `runtime/tests/replay/`.
#![no_main]

use libfuzzer_sys::fuzz_target;

#[path = "../../runtime/tests/replay/main.rs"]
mod replay;

fuzz_target!(|bytes: &[u8]| replay::check(bytes));
