//! Which CPUs the harness may use, and who sits where. Server and client never share one if there are two.

use nix::sched::{CpuSet, sched_getaffinity, sched_setaffinity};
use nix::unistd::Pid;

use crate::Result;

/// The CPUs of one measurement.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Placement {
    pub(crate) server: usize,
    pub(crate) client: usize,
}

/// The processor of the load generator.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Seat {
    /// Nobody else is on it.
    Alone(usize),
    /// A core of the server is on it, too.
    Shared(usize),
}

impl Placement {
    /// The last CPU that the process may use serves and the first one loads it: interrupts tend to land on the first.
    ///
    /// # Errors
    /// If fewer than two CPUs are allowed: a server and a client that share one measure the scheduler.
    pub(crate) fn choose() -> Result<Self> {
        let allowed = allowed()?;
        match (allowed.first(), allowed.last()) {
            (Some(&client), Some(&server)) if client != server => Ok(Self { server, client }),
            _ => Err("two CPUs are needed, one for the server and one for the client".into()),
        }
    }

    /// The processors of a server with so many cores, from the last one downwards: when there are as many, the last of
    /// them is the client's, too.
    ///
    /// # Errors
    /// If there are fewer.
    pub(crate) fn cores(count: usize) -> Result<Vec<usize>> {
        let allowed = allowed()?;
        if allowed.len() < count {
            return Err(format!("{count} cores need as many CPUs, and there are {}", allowed.len()).into());
        }
        Ok(allowed.into_iter().rev().take(count).collect())
    }
}

/// Pins the calling thread, and so every thread that it starts later.
pub(crate) fn pin(cpu: Option<usize>) -> Result<()> {
    if let Some(cpu) = cpu {
        let mut set = CpuSet::new();
        set.set(cpu)?;
        sched_setaffinity(Pid::from_raw(0), &set)?;
    }
    Ok(())
}

fn allowed() -> Result<Vec<usize>> {
    let set = sched_getaffinity(Pid::from_raw(0))?;
    Ok((0..CpuSet::count()).filter(|&cpu| set.is_set(cpu).unwrap_or(false)).collect())
}
