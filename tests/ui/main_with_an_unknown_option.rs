//! The macro says which options there are.

#[uring::main(flavor = "multi_thread")]
async fn main() {}
