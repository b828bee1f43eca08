//! The runtimes whose futures are dropped. All but the one under test are a feature of this crate: see [`check`].

mod uring;

#[cfg(not(feature = "peers"))]
mod none;
#[cfg(not(feature = "peers"))]
use none as others;
#[cfg(feature = "peers")]
mod compio;
#[cfg(feature = "peers")]
mod monoio;
#[cfg(feature = "peers")]
mod peers;
#[cfg(feature = "peers")]
mod tokio_uring;
#[cfg(feature = "peers")]
use peers as others;

use super::{Found, Scenario, World};
use crate::Result;

/// Whether this build has the arm.
pub(super) fn check(world: World) -> Result<()> {
    if world == World::Uring || others::THERE {
        return Ok(());
    }
    Err("this build has no peers; build it with them: cargo run --release -p uring-bench --features peers -- losses".into())
}

/// Runs a scenario on the runtime of this arm.
pub(super) fn run(world: World, scenario: Scenario, count: u64, seed: u64) -> Result<Found> {
    match world {
        World::Uring => uring::run(scenario, count, seed),
        other => others::run(other, scenario, count, seed),
    }
}
