//! The macro runs a future.

#[uring::main]
fn main() {}
