//! What a stretch of work cost its process: time, CPU, heap. One [`Round`] is one row of raw data.

use std::time::{Duration, Instant};

use nix::sys::resource::{UsageWho, getrusage};
use nix::sys::time::TimeVal;
use serde::{Deserialize, Serialize};

use crate::Result;
use crate::alloc::Heap;

/// One measured round of one arm.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
pub(crate) struct Round {
    /// Operations done: round trips, reads, spawns.
    pub(crate) ops: u64,
    pub(crate) elapsed_ns: u64,
    /// Cores of the process under test, if it has more than one.
    pub(crate) cores: Option<u32>,
    /// User and system time of the whole process that does the work, helper threads included.
    pub(crate) cpu_ns: u64,
    /// System calls (for a ring: enters), where the arm knows them.
    pub(crate) syscalls: Option<u64>,
    /// Heap allocations of the thread that runs the arm.
    pub(crate) allocations: u64,
    /// Rings that the process has open, as the kernel lists its descriptors: the proof of the arm.
    pub(crate) rings: u32,
    pub(crate) p50_ns: Option<u64>,
    pub(crate) p99_ns: Option<u64>,
    /// Polls of other tasks that came between a wake and what it was for.
    pub(crate) p50_polls: Option<u64>,
    pub(crate) p99_polls: Option<u64>,
    /// The share of the round in which the load generator had nothing to do, 0 to 1.
    pub(crate) waited: Option<f64>,
    /// The share of the round in which somebody else had the generator's CPU, 0 to 1.
    pub(crate) disturbed: Option<f64>,
    /// Operations that the other side counted, if there is another side.
    pub(crate) ops_of_server: Option<u64>,
}

impl Round {
    pub(crate) fn cpu_ns_per_op(&self) -> f64 {
        self.cpu_ns as f64 / self.ops as f64
    }

    /// The share of the round in which a core of the process under test had its CPU, 0 to 1.
    pub(crate) fn busy(&self) -> f64 {
        self.cpu_ns as f64 / self.elapsed_ns as f64 / f64::from(self.cores.unwrap_or(1))
    }

    pub(crate) fn ops_per_second(&self) -> f64 {
        self.ops as f64 * 1e9 / self.elapsed_ns as f64
    }
}

/// A running measurement of the calling process.
pub(crate) struct Meter {
    started: Instant,
    cpu: Duration,
    heap: Heap,
}

impl Meter {
    pub(crate) fn start() -> Result<Self> {
        Ok(Self { heap: Heap::of_this_thread(), cpu: cpu_time()?, started: Instant::now() })
    }

    /// Ends the measurement; what the meter cannot see (enters, percentiles) stays for the caller to add.
    pub(crate) fn stop(self, ops: u64) -> Result<Round> {
        let elapsed = self.started.elapsed();
        let cpu = cpu_time()? - self.cpu;
        let heap = Heap::of_this_thread();
        Ok(Round {
            ops,
            elapsed_ns: elapsed.as_nanos() as u64,
            cpu_ns: cpu.as_nanos() as u64,
            allocations: heap.allocations - self.heap.allocations,
            rings: open_rings()?,
            ..Round::default()
        })
    }
}

/// User and system time of this process so far, in microsecond steps.
pub(crate) fn cpu_time() -> Result<Duration> {
    let usage = getrusage(UsageWho::RUSAGE_SELF)?;
    Ok(duration(usage.user_time()) + duration(usage.system_time()))
}

/// How many descriptors of this process are rings. Reading `/proc` instead of asking the arm keeps the arm honest.
pub(crate) fn open_rings() -> Result<u32> {
    let mut rings = 0;
    for entry in std::fs::read_dir("/proc/self/fd")? {
        // The descriptor of the listing itself is gone by the time that its link is read.
        if let Ok(target) = std::fs::read_link(entry?.path()) {
            rings += u32::from(target.as_os_str().to_string_lossy().contains("[io_uring]"));
        }
    }
    Ok(rings)
}

/// Calls of `write(2)` of this process so far, where the kernel counts them (`proc_pid_io(5)`).
pub(crate) fn writes() -> Option<u64> {
    let counts = std::fs::read_to_string("/proc/self/io").ok()?;
    counts.lines().find_map(|line| line.strip_prefix("syscw: "))?.parse().ok()
}

/// Resident anonymous memory of this process in bytes: what `smaps_rollup` sums, exact unlike `statm`.
pub(crate) fn anonymous_bytes() -> Result<u64> {
    rollup_bytes("Anonymous:")
}

/// Resident memory of this process in bytes.
pub(crate) fn resident_bytes() -> Result<u64> {
    rollup_bytes("Rss:")
}

fn rollup_bytes(field: &str) -> Result<u64> {
    let rollup = std::fs::read_to_string("/proc/self/smaps_rollup")?;
    let line = rollup.lines().find_map(|line| line.strip_prefix(field));
    let number = line.and_then(|rest| rest.trim().strip_suffix(" kB")).ok_or("smaps_rollup lacks a field")?;
    Ok(number.trim().parse::<u64>()? * 1024)
}

fn duration(time: TimeVal) -> Duration {
    Duration::from_secs(time.tv_sec() as u64) + Duration::from_micros(time.tv_usec() as u64)
}
