//! The contestants. Each lives in its own folder and knows none of the others; this file only chooses.

mod bare;
mod crossbeam;
mod epoll;
mod flume;
mod raw;
mod tokio;
mod uring;

use std::fmt;
use std::io;
use std::net::{SocketAddr, TcpListener};
use std::time::Duration;

use nix::sys::socket::{Backlog, listen};
use serde::{Deserialize, Serialize};

use ::uring::Builder;

use crate::Result;
use crate::local::Bench;
use crate::serve::Counters;
use crate::workload::Setting;

/// Who takes part.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, clap::ValueEnum)]
#[serde(rename_all = "lowercase")]
pub(crate) enum Arm {
    /// The runtime under test, through its public interface.
    Uring,
    /// The same, with a core that never looks before it sleeps. It takes part when it is asked for.
    #[serde(rename = "uring-no-spin")]
    UringNoSpin,
    /// System calls behind a readiness loop written for this harness; for files, blocking `pread(2)`.
    Epoll,
    /// The bare ring without any runtime: the limit to compare with.
    Raw,
    /// tokio on one thread.
    Tokio,
    /// The channel of flume, between two runtimes of tokio.
    Flume,
    /// The channel of crossbeam, between threads.
    Crossbeam,
    /// What wakes a thread, and no channel: the limit to compare with.
    Bare,
}

impl Arm {
    pub(crate) const ALL: [Self; 7] =
        [Self::Uring, Self::Epoll, Self::Raw, Self::Tokio, Self::Flume, Self::Crossbeam, Self::Bare];

    /// Whether the arm's process must have a ring, or must not.
    pub(crate) fn uses_ring(self) -> bool {
        matches!(self, Self::Uring | Self::UringNoSpin | Self::Raw)
    }

    /// tokio has no counter of its system calls.
    pub(crate) fn counts_syscalls(self) -> bool {
        matches!(self, Self::Uring | Self::UringNoSpin | Self::Epoll | Self::Raw)
    }
}

impl fmt::Display for Arm {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(match self {
            Self::Uring => "uring",
            Self::UringNoSpin => "uring-no-spin",
            Self::Epoll => "epoll",
            Self::Raw => "raw",
            Self::Tokio => "tokio",
            Self::Flume => "flume",
            Self::Crossbeam => "crossbeam",
            Self::Bare => "bare",
        })
    }
}

/// Tells whoever waits that a server listens.
pub(crate) type Announce = fn(SocketAddr) -> Result<()>;

/// Echoes on one thread, to any number of connections, until the process ends.
pub(crate) fn serve_echo(
    arm: Arm,
    addr: SocketAddr,
    counters: &'static Counters,
    announce: Announce,
) -> Result<()> {
    match arm {
        Arm::Uring => uring::serve_echo(Builder::new(), addr, counters, announce),
        Arm::UringNoSpin => uring::serve_echo(Builder::new().spin(Duration::ZERO), addr, counters, announce),
        Arm::Epoll => epoll::serve_echo(addr, counters, announce),
        Arm::Raw => raw::serve_echo(addr, counters, announce),
        Arm::Tokio => tokio::serve_echo(addr, counters, announce),
        Arm::Flume | Arm::Crossbeam | Arm::Bare => Err(format!("the {arm} arm serves nothing").into()),
    }
}

/// Sets up a workload that needs no client. Which arms have which workload is said by [`crate::workload`].
pub(crate) fn bench(arm: Arm, setting: &Setting) -> Result<Box<dyn Bench>> {
    let bench = match arm {
        Arm::Uring => Some(uring::bench(setting)?),
        Arm::UringNoSpin => None,
        Arm::Epoll => epoll::bench(setting)?,
        Arm::Raw => raw::bench(setting)?,
        Arm::Tokio => Some(tokio::bench(setting)?),
        Arm::Flume => flume::bench(setting)?,
        Arm::Crossbeam => crossbeam::bench(setting),
        Arm::Bare => bare::bench(setting),
    };
    bench.ok_or_else(|| format!("the {arm} arm has no such workload").into())
}

/// A listener with a backlog that takes a thousand connections at once; the standard library's is 128.
fn listen_on(addr: SocketAddr) -> Result<TcpListener> {
    let listener = TcpListener::bind(addr)?;
    listen(&listener, Backlog::new(4096)?)?;
    Ok(listener)
}

/// The last error of the kernel as it comes in a completion: a negative errno.
fn kernel_error(result: i32) -> io::Error {
    io::Error::from_raw_os_error(-result)
}
