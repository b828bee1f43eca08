//! The macro is for the program's own `main`.

#[uring::main]
async fn run() {}

fn main() {}
