//! The contestants. Each lives in its own folder and knows none of the others; this file only chooses.

mod bare;
mod crossbeam;
mod epoll;
mod flume;
mod listen;
mod many;
mod raw;
mod tokio;
mod uring;

use std::fmt;
use std::io;
use std::net::{SocketAddr, TcpListener};
use std::time::Duration;

use serde::{Deserialize, Serialize};

use crate::Result;
use crate::local::Bench;
use crate::serve::{Counters, counters};
use crate::workload::Setting;

/// Who takes part.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, clap::ValueEnum)]
#[serde(rename_all = "kebab-case")]
pub(crate) enum Arm {
    /// The runtime under test, through its public interface.
    Uring,
    /// The same, with a core that never looks before it sleeps. It takes part when it is asked for.
    UringNoSpin,
    /// The same, with `Builder::low_latency`: a core that looks for longer before it sleeps.
    UringLowLatency,
    /// Its channel that many cores send to, where `uring` is its mesh.
    UringMpsc,
    /// Its tasks without a priority, where `uring` has an urgent one.
    UringNormal,
    /// With cores that are woken by their eventfds, where `uring` sends messages from ring to ring.
    UringEventfd,
    /// System calls behind a readiness loop written for this harness; for files, blocking `pread(2)`.
    Epoll,
    /// The bare ring without any runtime: the limit to compare with.
    Raw,
    /// The bare ring, which looks for completions for up to 50 µs before it waits, as the runtime does unless said.
    RawSpin,
    /// tokio on one thread.
    Tokio,
    /// tokio's runtime of many threads. It takes part where the server has many cores.
    TokioMulti,
    /// The channel of flume, between two runtimes of tokio.
    Flume,
    /// The channel of crossbeam, between threads.
    Crossbeam,
    /// What wakes a thread, and no channel: the limit to compare with.
    Bare,
}

impl Arm {
    /// Whether the arm's process must have a ring, or must not.
    pub(crate) fn uses_ring(self) -> bool {
        matches!(
            self,
            Self::Uring
                | Self::UringNoSpin
                | Self::UringLowLatency
                | Self::UringMpsc
                | Self::UringNormal
                | Self::UringEventfd
                | Self::Raw
                | Self::RawSpin
        )
    }

    /// tokio has no counter of its system calls.
    pub(crate) fn counts_syscalls(self) -> bool {
        self.uses_ring() || self == Self::Epoll
    }
}

impl fmt::Display for Arm {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(match self {
            Self::Uring => "uring",
            Self::UringNoSpin => "uring-no-spin",
            Self::UringLowLatency => "uring-low-latency",
            Self::UringMpsc => "uring-mpsc",
            Self::UringNormal => "uring-normal",
            Self::UringEventfd => "uring-eventfd",
            Self::Epoll => "epoll",
            Self::Raw => "raw",
            Self::RawSpin => "raw-spin",
            Self::Tokio => "tokio",
            Self::TokioMulti => "tokio-multi",
            Self::Flume => "flume",
            Self::Crossbeam => "crossbeam",
            Self::Bare => "bare",
        })
    }
}

/// Tells whoever waits that a server listens.
pub(crate) type Announce<'a> = &'a (dyn Fn(SocketAddr) -> Result<()> + Sync);

/// Where a server is to listen, and run.
pub(crate) struct Site<'a> {
    pub(crate) addr: SocketAddr,
    /// The processor of each core. With at most one the server runs on its thread, wherever that is.
    pub(crate) cpus: &'a [usize],
    pub(crate) announce: Announce<'a>,
}

/// Echoes to any number of connections, until the process ends.
pub(crate) fn serve_echo(arm: Arm, site: &Site<'_>) -> Result<()> {
    match uring::builder(arm) {
        _ if site.cpus.len() > 1 || arm == Arm::TokioMulti => many::serve_echo(arm, site),
        Some(builder) => uring::serve_echo(builder, site.addr, counters(0), site.announce),
        None => one_thread(arm, listen::listen_on(site.addr)?, counters(0), site.announce),
    }
}

/// Echoes on this thread.
fn one_thread(
    arm: Arm,
    listener: TcpListener,
    counters: &'static Counters,
    announce: Announce<'_>,
) -> Result<()> {
    match arm {
        Arm::Epoll => epoll::serve_echo(listener, counters, announce),
        Arm::Raw => raw::serve_echo(&listener, Duration::ZERO, counters, announce),
        Arm::RawSpin => raw::serve_echo(&listener, raw::SPIN, counters, announce),
        Arm::Tokio => tokio::serve_echo(listener, counters, announce),
        _ => Err(format!("the {arm} arm serves nothing").into()),
    }
}

/// Sets up a workload that needs no client. Which arms have which workload is said by [`crate::workload`].
pub(crate) fn bench(arm: Arm, setting: &Setting) -> Result<Box<dyn Bench>> {
    let bench = match arm {
        Arm::Uring
        | Arm::UringNoSpin
        | Arm::UringLowLatency
        | Arm::UringMpsc
        | Arm::UringNormal
        | Arm::UringEventfd => uring::bench(arm, setting)?,
        Arm::RawSpin | Arm::TokioMulti => None,
        Arm::Epoll => epoll::bench(setting)?,
        Arm::Raw => raw::bench(setting)?,
        Arm::Tokio => tokio::bench(setting)?,
        Arm::Flume => flume::bench(setting)?,
        Arm::Crossbeam => crossbeam::bench(setting),
        Arm::Bare => bare::bench(setting),
    };
    bench.ok_or_else(|| format!("the {arm} arm has no such workload").into())
}

/// The last error of the kernel as it comes in a completion: a negative errno.
fn kernel_error(result: i32) -> io::Error {
    io::Error::from_raw_os_error(-result)
}
