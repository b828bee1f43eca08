//! The server process: an arm on the main thread, and beside it a thread that answers questions about the process.

use std::net::SocketAddr;
use std::process;
use std::sync::atomic::{AtomicI64, AtomicU64, Ordering::Relaxed};
use std::thread;
use std::time::Duration;

use nix::sys::signal::{SigSet, Signal};

use crate::affinity::Placement;
use crate::alloc::Heap;
use crate::arms::{self, Arm, Site};
use crate::cli::{Protocol, ServeArgs};
use crate::control::{AskServer, ServerCounters, ServerMemory, answer, say};
use crate::{Result, affinity, meter};

/// Cores that a server can have.
pub(crate) const CORES_MAX: usize = 64;

/// What a core of a serving arm reports. One thread writes, so plain stores suffice: no read-modify-write is billed to an
/// arm, and no two cores write to the same line.
#[repr(align(128))]
pub(crate) struct Counters {
    echoes: AtomicU64,
    echoed_bytes: AtomicU64,
    syscalls: AtomicU64,
    allocations: AtomicU64,
    live_bytes: AtomicI64,
}

static COUNTERS: [Counters; CORES_MAX] = [const { Counters::new() }; CORES_MAX];

/// Those of a core, by its number.
pub(crate) fn counters(core: usize) -> &'static Counters {
    &COUNTERS[core]
}

impl Counters {
    const fn new() -> Self {
        Self {
            echoes: AtomicU64::new(0),
            echoed_bytes: AtomicU64::new(0),
            syscalls: AtomicU64::new(0),
            allocations: AtomicU64::new(0),
            live_bytes: AtomicI64::new(0),
        }
    }

    /// To be called when bytes have come in and before they are sent back, so that the client never knows more than
    /// the server. Returns how many calls there were.
    pub(crate) fn echoing(&self, bytes: usize) -> u64 {
        let echoes = self.echoes.load(Relaxed) + 1;
        let heap = Heap::of_this_thread();
        self.echoes.store(echoes, Relaxed);
        self.echoed_bytes.store(self.echoed_bytes.load(Relaxed) + bytes as u64, Relaxed);
        self.allocations.store(heap.allocations, Relaxed);
        self.live_bytes.store(heap.live_bytes, Relaxed);
        echoes
    }

    /// System calls so far, for arms that know them.
    pub(crate) fn set_syscalls(&self, syscalls: u64) {
        self.syscalls.store(syscalls, Relaxed);
    }
}

/// CPU time is read first and everything else after it, so that the reading is not in the round that it ends.
fn read(arm: Arm) -> Result<ServerCounters> {
    let sum =
        |count: fn(&Counters) -> &AtomicU64| COUNTERS.iter().map(|core| count(core).load(Relaxed)).sum();
    Ok(ServerCounters {
        cpu_ns: meter::cpu_time()?.as_nanos() as u64,
        echoed_bytes: sum(|core| &core.echoed_bytes),
        syscalls: arm.counts_syscalls().then(|| sum(|core| &core.syscalls)),
        allocations: sum(|core| &core.allocations),
        rings: meter::open_rings()?,
    })
}

fn memory() -> Result<ServerMemory> {
    Ok(ServerMemory {
        heap_bytes: COUNTERS.iter().map(|core| core.live_bytes.load(Relaxed)).sum(),
        anonymous_bytes: meter::anonymous_bytes()?,
        resident_bytes: meter::resident_bytes()?,
    })
}

/// Serves until told to stop; the watching thread ends the process.
pub(crate) fn run(args: &ServeArgs) -> Result<()> {
    let Protocol::TcpEcho = args.protocol;
    let cpus = cpus(args)?;
    if let [cpu] = *cpus {
        affinity::pin(Some(cpu))?;
    }
    let (arm, control, length) = (args.arm, args.control, args.seconds);
    // Blocked here, before there are other threads, so that only the watcher receives them.
    let mut stop = SigSet::empty();
    stop.add(Signal::SIGINT);
    stop.add(Signal::SIGTERM);
    stop.thread_block()?;
    thread::spawn(move || {
        let outcome = if control { answer_about(arm) } else { watch(arm, stop, length) };
        exit(outcome)
    });
    arms::serve_echo(arm, &Site { addr: args.addr, cpus: &cpus, announce: &announce })
}

/// The processors of the cores: as they were given, or else the best ones for more than one core.
fn cpus(args: &ServeArgs) -> Result<Vec<usize>> {
    match (args.cpu.len(), args.cores as usize) {
        (0, 1) => Ok(Vec::new()),
        (0, cores) => Placement::cores(cores),
        (given, cores) if given == cores => Ok(args.cpu.clone()),
        (given, cores) => Err(format!("{given} processors for {cores} cores").into()),
    }
}

/// Ends the process, with all of its threads.
pub(crate) fn exit(outcome: Result<()>) -> ! {
    process::exit(report(outcome))
}

fn announce(addr: SocketAddr) -> Result<()> {
    say(&format!("listening on {addr}"))
}

fn answer_about(arm: Arm) -> Result<()> {
    answer(|request| match request {
        AskServer::Counters => Ok(serde_json::to_value(read(arm)?)?),
        AskServer::Memory => Ok(serde_json::to_value(memory()?)?),
    })
}

/// Waits for the end and says what was served.
fn watch(arm: Arm, stop: SigSet, seconds: Option<f64>) -> Result<()> {
    if let Some(seconds) = seconds {
        let length = Duration::try_from_secs_f64(seconds)?;
        thread::spawn(move || {
            thread::sleep(length);
            // Ends the wait below in the same way as a signal from outside.
            let _ = nix::sys::signal::kill(nix::unistd::Pid::this(), Signal::SIGTERM);
        });
    }
    stop.wait()?;
    let counters = read(arm)?;
    let cpu_ms = counters.cpu_ns / 1_000_000;
    say(&format!("{arm}: echoed {} bytes, {cpu_ms} ms of CPU time", counters.echoed_bytes))
}

fn report(outcome: Result<()>) -> i32 {
    match outcome {
        Ok(()) => 0,
        Err(error) => {
            eprintln!("uring-bench serve: {error}");
            1
        }
    }
}
