//! The echo case: one server process for each arm, one generator for all of them.

use std::net::SocketAddr;
use std::time::Duration;

use super::{Measured, Plan, interleave};
use crate::Result;
use crate::arms::Arm;
use crate::child::Child;
use crate::control::{AskLoad, AskServer, LoadRound, ServerCounters};
use crate::meter::Round;
use crate::report::Case;
use crate::workload::Workload;

struct Contestant {
    arm: Arm,
    server: Child,
    target: usize,
    rounds: Vec<Round>,
}

/// Connections, bytes of a message, and how long each connection rests between two.
#[derive(Clone, Copy)]
pub(super) struct Echo {
    pub(super) connections: u32,
    pub(super) size: u32,
    pub(super) gap: Duration,
}

pub(super) fn run(plan: &Plan, arms: &[Arm], echo: Echo) -> Result<Case> {
    let Echo { connections, size, gap } = echo;
    let rest = if gap.is_zero() { String::new() } else { format!(", {} µs apart", gap.as_micros()) };
    let title = match connections {
        1 => format!("one connection x {size} B, one message in flight{rest}"),
        _ => format!("{connections} connections x {size} B, one message in flight on each{rest}"),
    };
    plan.progress.begin(&format!("{}, {title}", Workload::TcpEcho));
    let mut addrs = Vec::new();
    let mut contestants = Vec::new();
    for (target, &arm) in arms.iter().enumerate() {
        let (server, addr) = Child::server(arm, plan.placement.server)?;
        addrs.push(addr);
        contestants.push(Contestant { arm, server, target, rounds: Vec::new() });
    }
    let mut load = generator(&addrs, connections, size, plan.placement.client)?;
    interleave(&mut contestants, plan.rounds, |contestant| {
        plan.progress.visit(contestant.arm);
        let round = round(plan, contestant, &mut load, echo)?;
        contestant.rounds.push(round);
        Ok(())
    })?;
    let measured: Measured = contestants.into_iter().map(|one| (one.arm, one.rounds)).collect();
    Ok(case(title, connections).conclude(measured))
}

/// Starts the load generator and waits until all its connections have exchanged a message.
pub(crate) fn generator(addrs: &[SocketAddr], connections: u32, size: u32, cpu: usize) -> Result<Child> {
    let mut args: Vec<String> = vec!["load".to_owned()];
    let numbers = [
        ("--connections", connections.to_string()),
        ("--size", size.to_string()),
        ("--cpu", cpu.to_string()),
    ];
    let targets = addrs.iter().map(|addr| ("--target", addr.to_string()));
    args.extend(numbers.into_iter().chain(targets).flat_map(|(name, value)| [name.to_owned(), value]));
    let mut load = Child::start("the load generator".to_owned(), &args)?;
    load.wait_until_ready()?;
    Ok(load)
}

/// A warm-up, then a measured run between two looks at the server. Nothing is in flight at either look.
fn round(plan: &Plan, contestant: &mut Contestant, load: &mut Child, echo: Echo) -> Result<Round> {
    let Echo { size, gap, .. } = echo;
    let target = contestant.target;
    let mut drive = |length: Duration| -> Result<LoadRound> {
        load.ask(&AskLoad { target, length_ns: length.as_nanos() as u64, gap_ns: gap.as_nanos() as u64 })
    };
    drive(plan.warm_up)?;
    let before: ServerCounters = contestant.server.ask(&AskServer::Counters)?;
    let seen = drive(plan.length)?;
    let after: ServerCounters = contestant.server.ask(&AskServer::Counters)?;
    Ok(Round {
        ops: seen.round_trips,
        elapsed_ns: seen.elapsed_ns,
        cpu_ns: after.cpu_ns - before.cpu_ns,
        syscalls: after.syscalls.zip(before.syscalls).map(|(after, before)| after - before),
        allocations: after.allocations - before.allocations,
        rings: after.rings,
        p50_ns: Some(seen.p50_ns),
        p99_ns: Some(seen.p99_ns),
        waited: Some(seen.waited),
        disturbed: Some(seen.disturbed),
        ops_of_server: Some((after.echoed_bytes - before.echoed_bytes) / u64::from(size)),
    })
}

fn case(title: String, connections: u32) -> Case {
    let latency =
        if connections == 1 { "round-trip time, one in flight" } else { "service time under saturation" };
    Case {
        workload: Workload::TcpEcho,
        title,
        baseline: Workload::TcpEcho.baseline(),
        latency: Some(latency),
        notes: vec![
            "raw: the bare ring with direct descriptors, the limit. tokio: current_thread.",
            "On loopback a sender also runs the receiver's half of TCP, so CPU includes the kernel's work for the client.",
        ],
        arms: Vec::new(),
        uring_to: Vec::new(),
    }
}
