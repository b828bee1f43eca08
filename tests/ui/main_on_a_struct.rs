//! The macro is for a function.

#[uring::main]
struct Main;

fn main() {}
