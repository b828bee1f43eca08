//! The cost of tasks: an operation of theirs, again and again until a deadline.

use std::time::Instant;

/// Tasks of the second part of the yield workload.
pub(crate) const YIELDING_TASKS: usize = 64;

/// Operations between two looks at the clock.
pub(crate) const OPS_PER_LOOK: u64 = 256;

/// Awaits `op` until the deadline has passed and returns how often. It is to be run inside a task, as the work of a
/// server is: the root future of a runtime is woken differently, and in tokio more dearly.
pub(crate) async fn repeat<F: Future>(deadline: Instant, op: impl Fn() -> F) -> u64 {
    let mut ops = 0;
    while Instant::now() < deadline {
        for _ in 0..OPS_PER_LOOK {
            op().await;
        }
        ops += OPS_PER_LOOK;
    }
    ops
}
