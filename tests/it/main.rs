//! The integration tests: one binary, through the facade.
#![allow(clippy::unwrap_used, clippy::print_stdout, reason = "tests")]

mod tidy;
