//! Echo behind `epoll_wait(2)`: edge-triggered, one receive and one send a message.
//!
//! Level-triggered costs more here: a reported socket goes back to the ready list, and the next wait polls it again
//! only to drop it. Edge-triggered needs no read until EAGAIN either: a read that did not fill the buffer has
//! emptied the socket (epoll(7)), and whatever comes later is a new edge.

use std::collections::VecDeque;
use std::io::{ErrorKind, Read, Write};
use std::net::{TcpListener, TcpStream};

use nix::sys::epoll::{Epoll, EpollCreateFlags, EpollEvent, EpollFlags, EpollTimeout};

use crate::Result;
use crate::arms::Announce;
use crate::serve::Counters;

const EVENTS_PER_WAIT: usize = 256;
/// One buffer for all connections: it is free again before the next is read.
const BUFFER_BYTES: usize = 64 << 10;
const LISTENER: u64 = u64::MAX;

struct Connection {
    stream: TcpStream,
    /// What the socket did not take; empty but for clients that do not read.
    unsent: VecDeque<u8>,
    /// An edge came while bytes were unsent, so nobody has read what it announced.
    unread: bool,
}

struct Server {
    epoll: Epoll,
    listener: TcpListener,
    connections: Vec<Option<Connection>>,
    vacant: Vec<usize>,
    buffer: Box<[u8]>,
    counters: &'static Counters,
    syscalls: u64,
}

/// What a connection wants after it was served.
#[derive(PartialEq, Eq)]
enum Next {
    Wait,
    Close,
}

pub(crate) fn serve_echo(
    listener: TcpListener,
    counters: &'static Counters,
    announce: Announce<'_>,
) -> Result<()> {
    listener.set_nonblocking(true)?;
    let epoll = Epoll::new(EpollCreateFlags::EPOLL_CLOEXEC)?;
    epoll.add(&listener, EpollEvent::new(EpollFlags::EPOLLIN, LISTENER))?;
    announce(listener.local_addr()?)?;
    let buffer = vec![0; BUFFER_BYTES].into();
    let (connections, vacant) = (Vec::new(), Vec::new());
    Server { epoll, listener, connections, vacant, buffer, counters, syscalls: 0 }.run()
}

impl Server {
    fn run(mut self) -> Result<()> {
        let mut events = vec![EpollEvent::empty(); EVENTS_PER_WAIT];
        loop {
            self.syscalls += 1;
            let ready = match self.epoll.wait(&mut events, EpollTimeout::NONE) {
                Err(nix::Error::EINTR) => 0,
                other => other?,
            };
            for event in &events[..ready] {
                match event.data() {
                    LISTENER => self.accept()?,
                    slot => self.turn(slot as usize, event.events()),
                }
            }
            self.counters.set_syscalls(self.syscalls);
        }
    }

    fn accept(&mut self) -> Result<()> {
        loop {
            let stream = match self.listener.accept() {
                Ok((stream, _)) => stream,
                Err(error) if error.kind() == ErrorKind::WouldBlock => return Ok(()),
                Err(error) => return Err(error.into()),
            };
            stream.set_nonblocking(true)?;
            stream.set_nodelay(true)?;
            let slot = self.vacant.pop().unwrap_or_else(|| {
                self.connections.push(None);
                self.connections.len() - 1
            });
            // Output is announced too, once and for all: an edge of it comes only after a send that found no room.
            let interest =
                EpollFlags::EPOLLIN | EpollFlags::EPOLLOUT | EpollFlags::EPOLLRDHUP | EpollFlags::EPOLLET;
            self.epoll.add(&stream, EpollEvent::new(interest, slot as u64))?;
            self.connections[slot] = Some(Connection { stream, unsent: VecDeque::new(), unread: false });
        }
    }

    fn turn(&mut self, slot: usize, events: EpollFlags) {
        let Some(connection) = self.connections[slot].as_mut() else { return };
        let readable = events.intersects(!EpollFlags::EPOLLOUT);
        let (buffer, syscalls) = (&mut self.buffer, &mut self.syscalls);
        if connection.turn(readable, buffer, self.counters, syscalls) == Next::Close {
            // Closing the only descriptor takes the socket out of the interest list.
            self.connections[slot] = None;
            self.vacant.push(slot);
        }
    }
}

impl Connection {
    fn turn(&mut self, readable: bool, buffer: &mut [u8], counters: &Counters, syscalls: &mut u64) -> Next {
        self.unread |= readable;
        if !self.unsent.is_empty() && self.flush(syscalls) == Next::Close {
            return Next::Close;
        }
        while self.unread && self.unsent.is_empty() {
            *syscalls += 1;
            let received = match self.stream.read(buffer) {
                Ok(0) => return Next::Close,
                Ok(received) => received,
                Err(error) if error.kind() == ErrorKind::WouldBlock => {
                    self.unread = false;
                    break;
                }
                Err(_) => return Next::Close,
            };
            self.unread = received == buffer.len();
            counters.echoing(received);
            *syscalls += 1;
            match self.stream.write(&buffer[..received]) {
                Ok(sent) => self.unsent.extend(&buffer[sent..received]),
                Err(error) if error.kind() == ErrorKind::WouldBlock => {
                    self.unsent.extend(&buffer[..received])
                }
                Err(_) => return Next::Close,
            }
        }
        Next::Wait
    }

    fn flush(&mut self, syscalls: &mut u64) -> Next {
        while !self.unsent.is_empty() {
            *syscalls += 1;
            match self.stream.write(self.unsent.as_slices().0) {
                Ok(sent) => drop(self.unsent.drain(..sent)),
                Err(error) if error.kind() == ErrorKind::WouldBlock => break,
                Err(_) => return Next::Close,
            }
        }
        Next::Wait
    }
}
