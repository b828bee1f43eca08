//! The generator's connections, and where each of them is in its endless conversation.

use std::ffi::OsString;
use std::io::{Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::ops::Range;
use std::os::fd::{AsRawFd, RawFd};
use std::time::Instant;

use nix::sys::socket::{setsockopt, sockopt::TcpCongestion};

use crate::Result;
use crate::pattern::Message;

/// One connection with at most one message in flight.
pub(super) struct Connection {
    stream: TcpStream,
    slot: u32,
    sequence: u32,
    /// The message in flight. The kernel reads it until it has been echoed whole.
    pub(super) message: Box<[u8]>,
    echoed: usize,
    pub(super) sent_at: Instant,
}

/// What a chunk of an echo was.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Echo {
    Part,
    Whole,
}

/// All connections to all targets. Their places are the slots of the ring's file table.
pub(super) struct Connections {
    all: Vec<Connection>,
    per_target: usize,
}

impl Connections {
    /// Opens `per_target` connections to each target.
    pub(super) fn open(targets: &[SocketAddr], per_target: u32, size: usize) -> Result<Self> {
        let mut all = Vec::new();
        for &target in targets {
            for _ in 0..per_target {
                all.push(Connection::open(target, all.len() as u32, size)?);
            }
        }
        Ok(Self { all, per_target: per_target as usize })
    }

    pub(super) fn descriptors(&self) -> Vec<RawFd> {
        self.all.iter().map(|connection| connection.stream.as_raw_fd()).collect()
    }

    /// The slots of the connections to one target.
    pub(super) fn of_target(&self, target: usize) -> Range<usize> {
        target * self.per_target..(target + 1) * self.per_target
    }

    pub(super) fn at(&mut self, slot: usize) -> Result<&mut Connection> {
        self.all.get_mut(slot).ok_or_else(|| "no such connection or target".into())
    }
}

impl Connection {
    /// Connects and has one message echoed before the next connection is opened, so that no backlog overflows and
    /// every connection is known to work.
    fn open(target: SocketAddr, slot: u32, size: usize) -> Result<Self> {
        let stream = TcpStream::connect(target)?;
        stream.set_nodelay(true)?;
        // The simplest congestion control, whatever the system's default: the generator is to be light, and must not
        // be paced by the kernel.
        setsockopt(&stream, TcpCongestion, &OsString::from("reno"))?;
        let message = vec![0; size].into_boxed_slice();
        let mut connection = Self { stream, slot, sequence: 0, message, echoed: 0, sent_at: Instant::now() };
        connection.say_hello()?;
        Ok(connection)
    }

    fn say_hello(&mut self) -> Result<()> {
        let mut echo = vec![0; self.message.len()];
        self.next_message(Instant::now());
        // A message may be larger than the socket's buffers, and a blocking client cannot do both at once.
        for chunk in 0..self.message.len().div_ceil(HELLO_CHUNK_BYTES) {
            let range = chunk * HELLO_CHUNK_BYTES..self.message.len().min((chunk + 1) * HELLO_CHUNK_BYTES);
            self.stream.write_all(&self.message[range.clone()])?;
            self.stream.read_exact(&mut echo[range])?;
        }
        self.echoed(&echo).map(|_| ())
    }

    /// Writes the next message into its place; the former one has been echoed whole.
    pub(super) fn next_message(&mut self, now: Instant) {
        self.sequence = self.sequence.wrapping_add(1);
        self.echoed = 0;
        self.sent_at = now;
        Message::new(self.slot, self.sequence).fill(&mut self.message);
    }

    /// Checks a chunk of the echo against the message.
    ///
    /// # Errors
    /// If a single byte of it is not what was sent, or if there is more of it than was sent.
    pub(super) fn echoed(&mut self, chunk: &[u8]) -> Result<Echo> {
        let message = Message::new(self.slot, self.sequence);
        let end = self.echoed + chunk.len();
        if end > self.message.len() || !message.matches(chunk, self.echoed) {
            return Err(format!("connection {}: wrong bytes in echo {}", self.slot, self.sequence).into());
        }
        self.echoed = end;
        Ok(if end == self.message.len() { Echo::Whole } else { Echo::Part })
    }
}

const HELLO_CHUNK_BYTES: usize = 16 << 10;

#[cfg(test)]
mod tests {
    use std::io::{Read, Write};
    use std::net::TcpListener;
    use std::time::Instant;

    use super::{Connections, Echo};

    /// A connection to an honest echo of one message.
    fn connection() -> Connections {
        let listener = TcpListener::bind("127.0.0.1:0").expect("a free port");
        let addr = listener.local_addr().expect("an address");
        let server = std::thread::spawn(move || {
            let (mut stream, _) = listener.accept().expect("a client");
            let mut message = [0; 64];
            stream.read_exact(&mut message).expect("a message");
            stream.write_all(&message).expect("room");
        });
        let connections = Connections::open(&[addr], 1, 64).expect("an echo");
        server.join().expect("an honest server");
        connections
    }

    #[test]
    fn an_echo_in_two_chunks_is_whole_with_the_second() {
        let mut connections = connection();
        let connection = connections.at(0).expect("the only one");
        connection.next_message(Instant::now());
        let message = connection.message.clone();
        assert_eq!(connection.echoed(&message[..24]).expect("right bytes"), Echo::Part);
        assert_eq!(connection.echoed(&message[24..]).expect("right bytes"), Echo::Whole);
    }

    #[test]
    fn a_wrong_byte_and_a_stale_message_and_a_byte_too_many_are_errors() {
        let mut connections = connection();
        let connection = connections.at(0).expect("the only one");
        let stale = connection.message.clone();
        connection.next_message(Instant::now());
        assert!(connection.echoed(&stale).is_err());
        let mut wrong = connection.message.clone();
        wrong[63] ^= 0x80;
        assert!(connection.echoed(&wrong).is_err());
        let long = [&connection.message[..], &connection.message[..8]].concat();
        assert!(connection.echoed(&long).is_err());
    }
}
