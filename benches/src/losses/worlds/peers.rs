//! A build with peers.

use super::{Found, Scenario, World, compio, monoio, tokio_uring, uring};
use crate::Result;

pub(super) const THERE: bool = true;

/// Runs a scenario on a peer's runtime.
pub(super) fn run(world: World, scenario: Scenario, count: u64, seed: u64) -> Result<Found> {
    match world {
        World::Uring => uring::run(scenario, count, seed),
        World::Compio => compio::run(scenario, count, seed),
        World::Monoio => monoio::run(scenario, count, seed),
        World::TokioUring => tokio_uring::run(scenario, count, seed),
    }
}
