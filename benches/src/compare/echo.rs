//! The echo case: one server process for each arm, one generator for all of them.

use std::net::SocketAddr;
use std::time::Duration;

use super::{Measured, Plan, interleave};
use crate::Result;
use crate::affinity::{Placement, Seat};
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

/// Cores of the server, connections, bytes of a message, and how long each connection rests between two.
#[derive(Clone, Copy)]
pub(super) struct Echo {
    pub(super) cores: u32,
    pub(super) connections: u32,
    pub(super) size: u32,
    pub(super) gap: Duration,
}

impl Echo {
    /// With one connection it also matters how long a server looks before it waits, and with many cores how they share the
    /// work.
    pub(super) fn usual(&self) -> &'static [Arm] {
        match self.connections {
            _ if self.cores > 1 => &[Arm::Uring, Arm::Epoll, Arm::Raw, Arm::Tokio, Arm::TokioMulti],
            1 => &[Arm::Uring, Arm::UringLowLatency, Arm::Epoll, Arm::Raw, Arm::RawSpin, Arm::Tokio],
            _ => Workload::TcpEcho.usual(),
        }
    }

    fn title(&self) -> String {
        let Self { cores, connections, size, gap } = self;
        let rest = if gap.is_zero() { String::new() } else { format!(", {} µs apart", gap.as_micros()) };
        let served = if *cores == 1 { String::new() } else { format!("{cores} cores, ") };
        match connections {
            1 => format!("{served}one connection x {size} B, one message in flight{rest}"),
            _ => format!("{served}{connections} connections x {size} B, one message in flight on each{rest}"),
        }
    }

    /// The processors of the server's cores, and the generator's.
    fn seats(&self, placement: Placement) -> Result<(Vec<usize>, Seat)> {
        if self.cores == 1 {
            return Ok((vec![placement.server], Seat::Alone(placement.client)));
        }
        let cpus = Placement::cores(self.cores as usize)?;
        let is_shared = cpus.contains(&placement.client);
        let seat = if is_shared { Seat::Shared } else { Seat::Alone };
        Ok((cpus, seat(placement.client)))
    }
}

pub(super) fn run(plan: &Plan, arms: &[Arm], echo: Echo) -> Result<Case> {
    let Echo { connections, size, .. } = echo;
    let title = echo.title();
    let (cpus, seat) = echo.seats(plan.placement)?;
    plan.progress.begin(&format!("{}, {title}", Workload::TcpEcho));
    let mut addrs = Vec::new();
    let mut contestants = Vec::new();
    for (target, &arm) in arms.iter().enumerate() {
        let (server, addr) = Child::server(arm, &cpus)?;
        addrs.push(addr);
        contestants.push(Contestant { arm, server, target, rounds: Vec::new() });
    }
    let mut load = generator(&addrs, connections, size, seat)?;
    interleave(&mut contestants, plan.rounds, |contestant| {
        plan.progress.visit(contestant.arm);
        let round = round(plan, contestant, &mut load, echo)?;
        contestant.rounds.push(round);
        Ok(())
    })?;
    let measured: Measured = contestants.into_iter().map(|one| (one.arm, one.rounds)).collect();
    Ok(case(title, echo, seat).conclude(measured))
}

/// Starts the load generator and waits until all its connections have exchanged a message.
pub(crate) fn generator(addrs: &[SocketAddr], connections: u32, size: u32, seat: Seat) -> Result<Child> {
    let (Seat::Alone(cpu) | Seat::Shared(cpu)) = seat;
    let mut args: Vec<String> = vec!["load".to_owned()];
    let numbers = [
        ("--connections", connections.to_string()),
        ("--size", size.to_string()),
        ("--cpu", cpu.to_string()),
    ];
    let targets = addrs.iter().map(|addr| ("--target", addr.to_string()));
    args.extend(numbers.into_iter().chain(targets).flat_map(|(name, value)| [name.to_owned(), value]));
    if let Seat::Shared(_) = seat {
        args.push("--shares-cpu".to_owned());
    }
    let mut load = Child::start("the load generator".to_owned(), &args)?;
    load.wait_until_ready()?;
    Ok(load)
}

/// A warm-up, then a measured run between two looks at the server. Nothing is in flight at either look.
fn round(plan: &Plan, contestant: &mut Contestant, load: &mut Child, echo: Echo) -> Result<Round> {
    let Echo { size, gap, cores, .. } = echo;
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
        cores: (cores > 1).then_some(cores),
        cpu_ns: after.cpu_ns - before.cpu_ns,
        syscalls: after.syscalls.zip(before.syscalls).map(|(after, before)| after - before),
        allocations: after.allocations - before.allocations,
        rings: after.rings,
        p50_ns: Some(seen.p50_ns),
        p99_ns: Some(seen.p99_ns),
        waited: seen.waited,
        disturbed: seen.disturbed,
        ops_of_server: Some((after.echoed_bytes - before.echoed_bytes) / u64::from(size)),
        ..Round::default()
    })
}

fn case(title: String, echo: Echo, seat: Seat) -> Case {
    let latency = if echo.connections == 1 {
        "round-trip time, one in flight"
    } else {
        "service time under saturation"
    };
    Case {
        workload: Workload::TcpEcho,
        title,
        baseline: Workload::TcpEcho.baseline(),
        latency: Some(latency),
        notes: notes(echo, seat),
        arms: Vec::new(),
        uring_to: Vec::new(),
    }
}

fn notes(echo: Echo, seat: Seat) -> Vec<&'static str> {
    let mut notes = vec![
        "raw: the bare ring with direct descriptors, the limit. tokio: current_thread.",
        "On loopback a sender also runs the receiver's half of TCP, so CPU includes the kernel's work for the client.",
    ];
    if echo.cores > 1 {
        notes = vec![
            "Each core has a listener of its own, and the kernel spreads connections by chance. tokio: as many current-thread",
            "runtimes; tokio-multi: one runtime with as many workers. epoll and raw: as many threads.",
        ];
        if let Seat::Shared(_) = seat {
            notes.push(
                "The generator has its CPU from a core of the server: compare the CPU time, not the rest.",
            );
        }
    } else if echo.connections == 1 {
        notes.push("raw-spin always looks for 50 µs before it waits, as uring does while that pays; uring-low-latency for 1 ms.");
        notes.push(
            "The share in which the generator is not idle is its own part of a round trip, whoever serves.",
        );
    }
    notes
}
