//! Echo on the bare ring. One enter a turn submits everything and waits for one completion; accepting and receiving
//! are multishot; a message is sent back from the very buffer that the kernel put it into; sockets live in the
//! ring's own file table, whose index is the connection's slot.
//!
//! It can look for completions for a while before it waits, always and without a rule: then it answers as soon as any
//! server on this ring can, and what a round trip takes beyond that is the generator's. The generator never sleeps, so
//! nobody has to wake it, but its two enters (the one that sends, the one that runs the deferred receive) and the work of
//! TCP in them are a part of every round trip: with one connection, the share in which it is not idle.
#![allow(unsafe_code, reason = "sends memory that the kernel is told of")]

use std::collections::VecDeque;
use std::net::TcpListener;
use std::os::fd::AsRawFd;
use std::time::{Duration, Instant};

use io_uring::{opcode, squeue, types};
use nix::sys::socket::{setsockopt, sockopt::TcpNoDelay};

use crate::Result;
use crate::arms::{Announce, kernel_error};
use crate::ring::{Completion, GROUP, Key, Lease, ProvidedBuffers, Queues, ring};
use crate::serve::Counters;

/// Slots of the ring's file table; the descriptor limit bounds it as well.
const CONNECTIONS_MAX: u32 = 16_384;
/// What fits into the second-level cache: the ring hands its buffers out in turn, so all of them stay in use.
const BUFFERS: u16 = 256;
const BUFFER_BYTES: usize = 2048;

/// As long as a core of the runtime looks unless said.
pub(crate) const SPIN: Duration = Duration::from_micros(50);

const ACCEPT: u8 = 0;
const RECEIVE: u8 = 1;
const SEND: u8 = 2;
const CLOSE: u8 = 3;

#[derive(Default)]
struct Connection {
    /// Buffers to send back, in order; the first of them is in flight, so that sends cannot interleave.
    outgoing: VecDeque<Lease>,
    /// The receive is over for good; the connection closes when nothing is left to send.
    ended: bool,
}

struct Server<'ring> {
    queues: Queues<'ring>,
    buffers: ProvidedBuffers,
    connections: Vec<Connection>,
    /// Connections whose receive ended for want of a buffer.
    starved: Vec<u32>,
    /// Whether this turn has put buffers back that the kernel cannot see yet.
    returned: bool,
    /// How long to look before each wait.
    spin: Duration,
    counters: &'static Counters,
}

pub(crate) fn serve_echo(
    listener: &TcpListener,
    spin: Duration,
    counters: &'static Counters,
    announce: Announce<'_>,
) -> Result<()> {
    // Accepted sockets inherit it.
    setsockopt(listener, TcpNoDelay, &true)?;
    let mut ring = ring()?;
    let queues = Queues::of(&mut ring)?;
    queues.submitter().register_files_sparse(CONNECTIONS_MAX)?;
    let buffers = ProvidedBuffers::register(queues.submitter(), BUFFERS, BUFFER_BYTES)?;
    let connections = std::iter::repeat_with(Connection::default).take(CONNECTIONS_MAX as usize).collect();
    announce(listener.local_addr()?)?;
    Server { queues, buffers, connections, starved: Vec::new(), returned: false, spin, counters }
        .run(listener.as_raw_fd())
}

impl Server<'_> {
    fn run(&mut self, listener: i32) -> Result<()> {
        self.accept(listener)?;
        loop {
            self.wait()?;
            while let Some(mut completion) = self.queues.next() {
                match completion.key.op {
                    ACCEPT => self.accepted(listener, &completion)?,
                    RECEIVE => self.received(&mut completion)?,
                    SEND => self.sent(&completion)?,
                    _ => {}
                }
            }
            self.return_buffers()?;
            self.counters.set_syscalls(self.queues.enters());
        }
    }

    /// Submits what is queued and waits for a completion, which is looked for first if there is time for that.
    fn wait(&mut self) -> Result<()> {
        if self.spin.is_zero() {
            return Ok(self.queues.enter(1)?);
        }
        let until = Instant::now() + self.spin;
        while !self.queues.is_ready() {
            if self.queues.has_work() {
                self.queues.enter(0)?;
            } else if Instant::now() >= until {
                return Ok(self.queues.enter(1)?);
            }
            std::hint::spin_loop();
        }
        Ok(())
    }

    fn accepted(&mut self, listener: i32, completion: &Completion) -> Result<()> {
        if completion.result < 0 {
            return Err(kernel_error(completion.result).into());
        }
        let slot = completion.result as u32;
        self.connections[slot as usize].ended = false;
        self.receive(slot)?;
        if completion.more { Ok(()) } else { self.accept(listener) }
    }

    fn received(&mut self, completion: &mut Completion) -> Result<()> {
        let slot = completion.key.slot;
        if let Some(lease) = self.buffers.take(completion) {
            self.counters.echoing(lease.len() as usize);
            let outgoing = &mut self.connections[slot as usize].outgoing;
            outgoing.push_back(lease);
            if outgoing.len() == 1 {
                self.send(slot)?;
            }
        }
        match completion.result {
            _ if completion.more => Ok(()),
            // A multishot receive may end after any result; what it brought stands.
            1.. => self.receive(slot),
            result if result == -libc::ENOBUFS => {
                self.starved.push(slot);
                Ok(())
            }
            _ => {
                self.connections[slot as usize].ended = true;
                self.close_if_done(slot)
            }
        }
    }

    fn sent(&mut self, completion: &Completion) -> Result<()> {
        let slot = completion.key.slot;
        let connection = &mut self.connections[slot as usize];
        if let Some(lease) = connection.outgoing.pop_front() {
            self.buffers.give_back(lease);
            self.returned = true;
        }
        if completion.result < 0 {
            // The peer is gone: nothing else can be sent, and the receive will end by itself.
            for lease in connection.outgoing.drain(..) {
                self.buffers.give_back(lease);
            }
        }
        if connection.outgoing.is_empty() { self.close_if_done(slot) } else { self.send(slot) }
    }

    /// Re-arming a starved receive before there is a buffer again would only starve it again.
    fn return_buffers(&mut self) -> Result<()> {
        if !std::mem::take(&mut self.returned) {
            return Ok(());
        }
        self.buffers.publish();
        while let Some(slot) = self.starved.pop() {
            self.receive(slot)?;
        }
        Ok(())
    }

    fn close_if_done(&mut self, slot: u32) -> Result<()> {
        let connection = &self.connections[slot as usize];
        if !connection.ended || !connection.outgoing.is_empty() {
            return Ok(());
        }
        self.push(opcode::Close::new(types::Fixed(slot)).build(), CLOSE, slot)
    }

    fn accept(&mut self, listener: i32) -> Result<()> {
        let accept = opcode::AcceptMulti::new(types::Fd(listener)).allocate_file_index(true).build();
        self.push(accept, ACCEPT, 0)
    }

    fn receive(&mut self, slot: u32) -> Result<()> {
        self.push(opcode::RecvMulti::new(types::Fixed(slot), GROUP).build(), RECEIVE, slot)
    }

    fn send(&mut self, slot: u32) -> Result<()> {
        let Some(lease) = self.connections[slot as usize].outgoing.front() else { return Ok(()) };
        let send = opcode::Send::new(types::Fixed(slot), self.buffers.pointer(lease), lease.len())
            .flags(libc::MSG_WAITALL)
            .build();
        self.push(send, SEND, slot)
    }

    fn push(&mut self, entry: squeue::Entry, op: u8, slot: u32) -> Result<()> {
        let entry = entry.user_data(Key { op, slot }.user_data());
        // SAFETY: only sends name memory: a provided buffer, never freed, whose lease stays in `outgoing`, so that
        // the kernel does not get it back for another message, until that send has completed.
        Ok(unsafe { self.queues.push(&entry) }?)
    }
}
