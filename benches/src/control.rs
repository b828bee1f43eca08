//! The lines between the harness and its processes: one JSON request on standard input, one JSON reply on standard
//! output. A process that sees the end of its input ends, so nothing outlives the harness.

use std::io::Write;

use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};

use crate::Result;

/// What a server is asked.
#[derive(Clone, Copy, Debug, Serialize, Deserialize)]
pub(crate) enum AskServer {
    /// The counters, at the boundary of a round.
    Counters,
    /// The memory; dearer to find out, so asked only by `idle-memory`.
    Memory,
}

/// The counters of a server process since it started.
#[derive(Clone, Copy, Debug, Serialize, Deserialize)]
pub(crate) struct ServerCounters {
    pub(crate) cpu_ns: u64,
    pub(crate) echoed_bytes: u64,
    pub(crate) syscalls: Option<u64>,
    pub(crate) allocations: u64,
    pub(crate) rings: u32,
}

/// The user memory of a server process.
#[derive(Clone, Copy, Debug, Serialize, Deserialize)]
pub(crate) struct ServerMemory {
    /// Live heap bytes of the serving thread.
    pub(crate) heap_bytes: i64,
    /// Anonymous resident memory: heap, stacks and pools, whoever mapped them.
    pub(crate) anonymous_bytes: u64,
    pub(crate) resident_bytes: u64,
}

/// What the load generator is asked: drive one target for a while, then let everything in flight come back.
#[derive(Clone, Copy, Debug, Serialize, Deserialize)]
pub(crate) struct AskLoad {
    pub(crate) target: usize,
    pub(crate) length_ns: u64,
    /// How long a connection rests between an answer and the next message.
    pub(crate) gap_ns: u64,
}

/// What the generator saw.
#[derive(Clone, Copy, Debug, Serialize, Deserialize)]
pub(crate) struct LoadRound {
    pub(crate) round_trips: u64,
    pub(crate) elapsed_ns: u64,
    pub(crate) p50_ns: u64,
    pub(crate) p99_ns: u64,
    /// The share of the round in which the generator had nothing to do, 0 to 1, unless it shares its CPU with the server.
    pub(crate) waited: Option<f64>,
    /// The share of the round in which somebody else had the generator's CPU, unless it has to share it: else it never gives
    /// it away.
    pub(crate) disturbed: Option<f64>,
}

/// What a process with a workload of its own is asked.
#[derive(Clone, Copy, Debug, Serialize, Deserialize)]
pub(crate) struct AskLocal {
    pub(crate) length_ns: u64,
}

/// A reply, or why there is none.
#[derive(Debug, Serialize, Deserialize)]
pub(crate) enum Reply<T> {
    Done(T),
    Failed(String),
}

/// Answers requests until standard input ends.
pub(crate) fn answer<Q, A>(mut handle: impl FnMut(Q) -> Result<A>) -> Result<()>
where
    Q: DeserializeOwned,
    A: Serialize,
{
    for line in std::io::stdin().lines() {
        let reply = match serde_json::from_str(&line?).map_err(Into::into).and_then(&mut handle) {
            Ok(answer) => Reply::Done(answer),
            Err(error) => Reply::Failed(error.to_string()),
        };
        say(&serde_json::to_string(&reply)?)?;
    }
    Ok(())
}

/// Prints one line and flushes it, since the reader on the other side waits for it.
pub(crate) fn say(line: &str) -> Result<()> {
    let mut out = std::io::stdout().lock();
    writeln!(out, "{line}")?;
    Ok(out.flush()?)
}
