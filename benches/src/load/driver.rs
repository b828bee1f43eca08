//! The generator's loop: what it sends, what it gets back, and how long it had nothing to do.
#![allow(unsafe_code, reason = "sends memory that the kernel is told of")]

use std::collections::VecDeque;
use std::time::{Duration, Instant};

use hdrhistogram::Histogram;
use io_uring::{opcode, squeue, types};

use super::connections::{Connections, Echo};
use crate::Result;
use crate::control::LoadRound;
use crate::meter::cpu_time;
use crate::ring::{Completion, GROUP, Key, ProvidedBuffers, Queues};

/// A server that has not answered for so long has lost a message.
const SILENCE_MAX: Duration = Duration::from_secs(5);

/// Between two enters the generator lets so much time pass for each connection but the first, since it is lighter
/// when it sends and receives several messages at once. It is far less than a server needs for a message, so the
/// server has the rest of the connections to work on meanwhile.
const PACE_PER_CONNECTION: Duration = Duration::from_nanos(400);
const PACE_MAX: Duration = Duration::from_micros(100);

const RECEIVE: u8 = 0;
const SEND: u8 = 1;

pub(super) struct Driver<'ring> {
    queues: Queues<'ring>,
    buffers: ProvidedBuffers,
    idle: Idle,
}

/// What is done while there is nothing to do.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum Idle {
    Spins,
    /// Who else is on the processor runs.
    Yields,
}

/// A round under way.
struct Run {
    deadline: Instant,
    now: Instant,
    /// When the next enter may be, see [`PACE_PER_CONNECTION`].
    enter_at: Instant,
    pace: Duration,
    in_flight: usize,
    /// How long a connection rests between two messages.
    gap: Duration,
    /// The connections that rest, and until when.
    resting: VecDeque<(Instant, u32)>,
    round_trips_ns: Histogram<u64>,
    stretches: Stretches,
}

/// The stretches without anything to do.
#[derive(Default)]
struct Stretches {
    since: Option<Instant>,
    total: Duration,
}

impl Stretches {
    /// Notes that there is nothing to do and returns for how long that has been so.
    fn begin(&mut self, now: Instant) -> Duration {
        now - *self.since.get_or_insert(now)
    }

    fn end(&mut self, now: Instant) {
        if let Some(since) = self.since.take() {
            self.total += now - since;
        }
    }
}

impl<'ring> Driver<'ring> {
    pub(super) fn new(queues: Queues<'ring>, buffers: ProvidedBuffers, idle: Idle) -> Self {
        Self { queues, buffers, idle }
    }

    /// Arms the receives of all connections, which then stay armed.
    pub(super) fn arm(&mut self, connections: &Connections) -> Result<()> {
        for slot in 0..connections.descriptors().len() as u32 {
            self.receive(slot)?;
        }
        Ok(self.queues.enter(0)?)
    }

    /// Keeps one message in flight on each connection of the target for `length`, then waits for the last ones, so
    /// that target and generator are at rest between rounds and their counts must agree.
    pub(super) fn round(
        &mut self,
        connections: &mut Connections,
        target: usize,
        length: Duration,
        gap: Duration,
    ) -> Result<LoadRound> {
        let (start, cpu) = (Instant::now(), cpu_time()?);
        let round_trips_ns = Histogram::new_with_bounds(1, 60_000_000_000, 3)?;
        let slots = connections.of_target(target);
        let mut run = Run {
            deadline: start + length,
            now: start,
            enter_at: start,
            pace: PACE_PER_CONNECTION.saturating_mul(slots.len() as u32 - 1).min(PACE_MAX),
            in_flight: 0,
            gap,
            resting: VecDeque::new(),
            round_trips_ns,
            stretches: Stretches::default(),
        };
        for slot in slots {
            self.send(connections, slot as u32, &mut run)?;
        }
        while run.in_flight > 0 || !run.resting.is_empty() {
            self.wake_rested(connections, &mut run)?;
            self.turn(connections, &mut run)?;
        }
        let (elapsed, cpu) = (start.elapsed(), cpu_time()? - cpu);
        let share =
            |part: Duration| (self.idle == Idle::Spins).then(|| part.as_secs_f64() / elapsed.as_secs_f64());
        Ok(LoadRound {
            round_trips: run.round_trips_ns.len(),
            elapsed_ns: elapsed.as_nanos() as u64,
            p50_ns: run.round_trips_ns.value_at_quantile(0.5),
            p99_ns: run.round_trips_ns.value_at_quantile(0.99),
            waited: share(run.stretches.total),
            disturbed: share(elapsed.saturating_sub(cpu)),
        })
    }

    /// Sends on connections that have rested long enough.
    fn wake_rested(&mut self, connections: &mut Connections, run: &mut Run) -> Result<()> {
        while let Some((until, slot)) = run.resting.front().copied() {
            run.now = Instant::now();
            if run.now < until {
                return Ok(());
            }
            run.resting.pop_front();
            run.stretches.end(run.now);
            self.send(connections, slot, run)?;
        }
        Ok(())
    }

    fn turn(&mut self, connections: &mut Connections, run: &mut Run) -> Result<()> {
        self.queues.look();
        let Some(first) = self.queues.next() else { return self.wait(run) };
        run.now = Instant::now();
        run.stretches.end(run.now);
        let mut next = Some(first);
        while let Some(completion) = next {
            self.complete(connections, completion, run)?;
            next = self.queues.next();
        }
        self.buffers.publish();
        Ok(())
    }

    /// Nothing has come: enters if there is a reason to and the last enter was long enough ago.
    fn wait(&mut self, run: &mut Run) -> Result<()> {
        let now = Instant::now();
        if now >= run.enter_at && self.queues.has_work() {
            run.stretches.end(now);
            run.enter_at = now + run.pace;
            return Ok(self.queues.enter(0)?);
        }
        if run.stretches.begin(now) > SILENCE_MAX {
            return Err(format!("{} echoes are missing", run.in_flight).into());
        }
        match self.idle {
            Idle::Spins => std::hint::spin_loop(),
            Idle::Yields => std::thread::yield_now(),
        }
        Ok(())
    }

    fn complete(
        &mut self,
        connections: &mut Connections,
        mut completion: Completion,
        run: &mut Run,
    ) -> Result<()> {
        let slot = completion.key.slot;
        if let Some(lease) = self.buffers.take(&mut completion) {
            let connection = connections.at(slot as usize)?;
            let echo = connection.echoed(self.buffers.bytes(&lease))?;
            self.buffers.give_back(lease);
            if echo == Echo::Whole {
                let round_trip = run.now - connection.sent_at;
                run.round_trips_ns.record(round_trip.as_nanos() as u64)?;
                run.in_flight -= 1;
                if run.now < run.deadline && run.gap.is_zero() {
                    self.send(connections, slot, run)?;
                } else if run.now < run.deadline {
                    run.resting.push_back((run.now + run.gap, slot));
                }
            }
        } else if completion.key.op == SEND || completion.result != -libc::ENOBUFS {
            // A successful send says nothing, so this one failed; and a receive without a buffer is its end.
            return Err(format!("connection {slot} ended: {}", completion.result).into());
        }
        if completion.more { Ok(()) } else { self.receive(slot) }
    }

    fn send(&mut self, connections: &mut Connections, slot: u32, run: &mut Run) -> Result<()> {
        let connection = connections.at(slot as usize)?;
        connection.next_message(run.now);
        run.in_flight += 1;
        let message = &connection.message;
        let send = opcode::Send::new(types::Fixed(slot), message.as_ptr(), message.len() as u32)
            .flags(libc::MSG_WAITALL)
            .build()
            .flags(squeue::Flags::SKIP_SUCCESS);
        self.push(send, SEND, slot)
    }

    fn receive(&mut self, slot: u32) -> Result<()> {
        self.push(opcode::RecvMulti::new(types::Fixed(slot), GROUP).build(), RECEIVE, slot)
    }

    fn push(&mut self, entry: squeue::Entry, op: u8, slot: u32) -> Result<()> {
        let entry = entry.user_data(Key { op, slot }.user_data());
        // SAFETY: only sends name memory: the message of a connection. It is boxed, so it stays in its place; it is
        // overwritten only after it came back whole, when the kernel has read all of it; and connections are freed
        // only when the process ends.
        Ok(unsafe { self.queues.push(&entry) }?)
    }
}
