//! The macro has no arguments to pass.

#[uring::main]
async fn main(arguments: Vec<String>) {}
