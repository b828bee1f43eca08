//! The load generator: one thread on the bare ring, a closed loop with one message in flight on each connection.
//!
//! It never sleeps. A client that sleeps has to be woken, and on loopback the server's send pays for the waking; a
//! busy client costs every server the same, nothing. In return it must be lighter than any server, so it reports the
//! share of its time in which it had nothing to do, and the harness refuses a result in which that share is too low.
//!
//! Where it has to share its processor with a core of the server it does not sleep either, for the same reason, but it
//! lets that core run whenever it has nothing to do. Then nobody can say which of the two had to wait for the other, so it
//! reports no shares.

mod connections;
mod driver;

use std::time::Duration;

use crate::cli::LoadArgs;
use crate::control::{AskLoad, answer, say};
use crate::ring::{ProvidedBuffers, Queues, ring};
use crate::{Result, affinity};

use connections::Connections;
use driver::{Driver, Idle};

/// More than the messages of a turn, and few enough to stay in the second-level cache.
const BUFFERS: u16 = 128;
/// A buffer takes a whole message, within reason.
const BUFFER_BYTES_MIN: usize = 2048;
const BUFFER_BYTES_MAX: usize = 64 << 10;

pub(crate) fn run(args: &LoadArgs) -> Result<()> {
    affinity::pin(args.cpu)?;
    let size = args.size as usize;
    let mut connections = Connections::open(&args.target, args.connections, size)?;
    let mut ring = ring()?;
    let queues = Queues::of(&mut ring)?;
    queues.submitter().register_files(&connections.descriptors())?;
    let buffer_bytes = size.clamp(BUFFER_BYTES_MIN, BUFFER_BYTES_MAX);
    let buffers = ProvidedBuffers::register(queues.submitter(), BUFFERS, buffer_bytes)?;
    let idle = if args.shares_cpu { Idle::Yields } else { Idle::Spins };
    let mut driver = Driver::new(queues, buffers, idle);
    driver.arm(&connections)?;
    say("ready")?;
    answer(|AskLoad { target, length_ns, gap_ns }| {
        let (length, gap) = (Duration::from_nanos(length_ns), Duration::from_nanos(gap_ns));
        driver.round(&mut connections, target, length, gap)
    })
}
