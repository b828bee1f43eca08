//! The user memory of an idle connection: many are opened, each exchanges one message, and then the server waits.

use crate::Result;
use crate::affinity::{Placement, Seat};
use crate::child::Child;
use crate::cli::IdleMemoryArgs;
use crate::compare::generator;
use crate::control::{AskServer, ServerMemory, say};

/// Connections that are opened before the first look, so that what a server allocates once (its pool, the first
/// slab of a table) is not divided among those that come after.
const CONNECTIONS_BEFORE: u32 = 64;

/// Descriptors that a process needs besides its connections.
const DESCRIPTORS_KEPT: u64 = 64;

pub(crate) fn run(args: &IdleMemoryArgs) -> Result<()> {
    let (limit, _) = nix::sys::resource::getrlimit(nix::sys::resource::Resource::RLIMIT_NOFILE)?;
    if u64::from(args.connections) + u64::from(CONNECTIONS_BEFORE) + DESCRIPTORS_KEPT > limit {
        return Err(format!("the descriptor limit is {limit}; raise it or open fewer connections").into());
    }
    let placement = Placement::choose()?;
    let (mut server, addr) = Child::server(args.arm, &[placement.server])?;
    let _first = generator(&[addr], CONNECTIONS_BEFORE, args.size, Seat::Alone(placement.client))?;
    let before: ServerMemory = server.ask(&AskServer::Memory)?;
    let _rest = generator(&[addr], args.connections, args.size, Seat::Alone(placement.client))?;
    let after: ServerMemory = server.ask(&AskServer::Memory)?;

    let each = |bytes: i64| bytes as f64 / f64::from(args.connections);
    let growth = |before: u64, after: u64| each(after as i64 - before as i64);
    say(&format!(
        "{}: {} idle connections, each after one message of {} B",
        args.arm, args.connections, args.size
    ))?;
    say(&format!("  heap       {:8.0} B per connection", each(after.heap_bytes - before.heap_bytes)))?;
    let (anonymous, resident) = (
        growth(before.anonymous_bytes, after.anonymous_bytes),
        growth(before.resident_bytes, after.resident_bytes),
    );
    say(&format!(
        "  anonymous  {anonymous:8.0} B per connection (heap, stacks, pools: what the process mapped)"
    ))?;
    say(&format!("  resident   {resident:8.0} B per connection (with pages shared with the kernel)"))
}
