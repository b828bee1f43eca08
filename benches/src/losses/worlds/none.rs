//! A build without peers.

use super::{Found, Scenario, World};
use crate::Result;

pub(super) const THERE: bool = false;

/// There is nobody to run.
pub(super) fn run(world: World, _scenario: Scenario, _count: u64, _seed: u64) -> Result<Found> {
    Err(format!("this build has no {world:?}").into())
}
