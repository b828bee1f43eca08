//! The workloads: what is done and measured, written once and independent of who does it.

mod channels;
mod crowd;
mod files;
mod mesh;
mod slot;
mod tasks;
mod timers;

use std::fmt;
use std::path::PathBuf;

use serde::Serialize;

use crate::arms::Arm;

pub(crate) use channels::{CAPACITY, Numbers, RoundTrips, beside, ping_pong, stream};
pub(crate) use crowd::{BUSY_TASKS, Crowd, Delays};
pub(crate) use files::{BLOCK_BYTES, DataFile, Offsets, Reads};
pub(crate) use mesh::{Incoming, Outgoing, Parcel, channels, mesh};
pub(crate) use slot::Slot;
pub(crate) use tasks::{OPS_PER_LOOK, YIELDING_TASKS, repeat};
pub(crate) use timers::all_timer_parts;

/// What is measured.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, clap::ValueEnum)]
#[serde(rename_all = "kebab-case")]
pub(crate) enum Workload {
    TcpEcho,
    FileRead,
    Spawn,
    Yield,
    Timers,
    Mpsc,
    Stream,
    PingPong,
    Mesh,
    Urgent,
    Bell,
}

/// A workload without a client, with everything it needs to know.
pub(crate) enum Setting {
    FileRead { path: PathBuf, depth: u32 },
    Spawn,
    Yield,
    Timers,
    Mpsc,
    Stream { other_cpu: usize },
    PingPong { other_cpu: usize },
    Mesh { cpus: Vec<usize> },
    Urgent { other_cpu: usize },
    Bell { other_cpu: usize },
}

impl Setting {
    pub(crate) fn workload(&self) -> Workload {
        match self {
            Self::FileRead { .. } => Workload::FileRead,
            Self::Spawn => Workload::Spawn,
            Self::Yield => Workload::Yield,
            Self::Timers => Workload::Timers,
            Self::Mpsc => Workload::Mpsc,
            Self::Stream { .. } => Workload::Stream,
            Self::PingPong { .. } => Workload::PingPong,
            Self::Mesh { .. } => Workload::Mesh,
            Self::Urgent { .. } => Workload::Urgent,
            Self::Bell { .. } => Workload::Bell,
        }
    }

    /// What a part of the workload is called in a report.
    pub(crate) fn title(&self, part: usize) -> String {
        let part = self.workload().parts()[part];
        match self {
            Self::FileRead { depth, .. } => format!("{part}, {depth} in flight"),
            Self::Mesh { cpus } => format!("{part} of {}", cpus.len()),
            _ => part.to_owned(),
        }
    }
}

impl Workload {
    pub(crate) const ALL: [Self; 11] = [
        Self::TcpEcho,
        Self::FileRead,
        Self::Spawn,
        Self::Yield,
        Self::Timers,
        Self::Mpsc,
        Self::Stream,
        Self::PingPong,
        Self::Mesh,
        Self::Urgent,
        Self::Bell,
    ];

    /// Who takes part unless arms are named. epoll and the bare ring are no runtimes: they have no tasks and no timers.
    pub(crate) fn usual(self) -> &'static [Arm] {
        match self {
            Self::TcpEcho | Self::FileRead => &[Arm::Uring, Arm::Epoll, Arm::Raw, Arm::Tokio],
            Self::Spawn | Self::Yield | Self::Timers | Self::Mpsc => &[Arm::Uring, Arm::Tokio],
            Self::Stream => &[Arm::Uring, Arm::Tokio, Arm::Flume, Arm::Crossbeam],
            Self::Mesh => &[Arm::Uring, Arm::UringMpsc, Arm::Tokio, Arm::Flume, Arm::Crossbeam],
            Self::Urgent => &[Arm::Uring, Arm::UringNormal, Arm::Tokio],
            Self::Bell => &[Arm::Uring, Arm::UringEventfd, Arm::Bare],
            Self::PingPong => &[Arm::Uring, Arm::Tokio, Arm::Flume, Arm::Crossbeam, Arm::Bare],
        }
    }

    /// Who can take part.
    pub(crate) fn has(self, arm: Arm) -> bool {
        let asked_for: &[Arm] = match self {
            Self::TcpEcho => &[Arm::UringNoSpin, Arm::UringLowLatency, Arm::RawSpin, Arm::TokioMulti],
            _ => &[],
        };
        self.usual().contains(&arm) || asked_for.contains(&arm)
    }

    /// Whom the others are divided by.
    pub(crate) fn baseline(self) -> Arm {
        match self {
            Self::TcpEcho | Self::FileRead => Arm::Epoll,
            Self::Bell => Arm::Bare,
            _ => Arm::Tokio,
        }
    }

    /// Whether every operation goes to the kernel, so that a ring without enters has done nothing.
    pub(crate) fn is_io(self) -> bool {
        matches!(self, Self::TcpEcho | Self::FileRead)
    }

    /// What one run of the workload measures separately.
    pub(crate) fn parts(self) -> &'static [&'static str] {
        match self {
            Self::TcpEcho => &["echo of a message"],
            Self::FileRead => &["4 KiB random read, page cache"],
            Self::Spawn => &["spawn and join an empty task"],
            Self::Yield => &["yield_now, a lone task", "yield_now, one of 64 tasks"],
            Self::Timers => &[
                "arm a timer on top of a million",
                "cancel it, in random order",
                "sleep 0.1 to 5 ms on an idle core",
            ],
            Self::Mpsc => &["send a value and receive it, within a task"],
            Self::Stream => &["a value from one thread to another"],
            Self::PingPong => &["a value to another thread and back"],
            Self::Mesh => &["a value from each node to each other"],
            Self::Urgent => &[
                "a poll of one of 10,000 busy tasks, while a timer wakes another task",
                "a poll of one of 10,000 busy tasks, while another core wakes another task",
            ],
            Self::Bell => &["a value to a core that sleeps, and back to one that sleeps"],
        }
    }
}

impl fmt::Display for Workload {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::TcpEcho => "tcp-echo",
            Self::FileRead => "file-read",
            Self::Spawn => "spawn",
            Self::Yield => "yield",
            Self::Timers => "timers",
            Self::Mpsc => "mpsc",
            Self::Stream => "stream",
            Self::PingPong => "ping-pong",
            Self::Mesh => "mesh",
            Self::Urgent => "urgent",
            Self::Bell => "bell",
        })
    }
}

#[cfg(test)]
mod tests {
    use super::{Arm, Workload};

    #[test]
    fn every_workload_has_the_runtime_and_whom_it_is_divided_by() {
        for workload in Workload::ALL {
            assert!(workload.usual().contains(&Arm::Uring), "{workload}");
            assert!(workload.usual().contains(&workload.baseline()), "{workload}");
        }
    }
}
