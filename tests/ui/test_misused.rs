//! The test macro adds `#[test]` by itself, and wants what the other wants.

#[uring::test]
#[test]
async fn twice() {}

#[uring::test]
fn not_async() {}

#[uring::test]
async fn with_arguments(number: u8) {}

fn main() {}
