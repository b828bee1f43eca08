//! What the program and the ring both know: the streams of bytes, and what the program holds of them.

use std::cell::{Cell, RefCell};
use std::collections::BTreeMap;
use std::rc::Rc;

use uring_runtime::buf::RecvBuf;
use uring_sys_shim::Script;

use super::ledger::Ledger;

/// Received buffers that the program keeps at once.
const HELD_MAX: usize = 6;

/// What came and went over one socket.
#[derive(Default)]
pub(crate) struct Stream {
    /// Bytes that the peer has sent.
    pub(crate) sent: usize,
    /// Bytes that readers have got.
    pub(crate) read: usize,
    /// Whether the peer has ended the stream.
    pub(crate) is_ended: bool,
    /// The buffer that was sent in part only, and is to be sent on.
    pub(crate) sending: Option<usize>,
}

/// The byte at this place of a stream: no two neighbours are the same, and pages differ.
pub(crate) fn byte_at(place: usize) -> u8 {
    (place ^ place >> 8) as u8
}

pub(crate) struct Shared {
    pub(crate) script: Script,
    pub(crate) ledger: Rc<Ledger>,
    streams: RefCell<BTreeMap<i32, Stream>>,
    /// Buffers of the pool that a user has, with a copy of what was in them.
    held: RefCell<Vec<(RecvBuf, Vec<u8>)>>,
    /// Spawned tasks that have not ended.
    pub(crate) running: Cell<usize>,
}

impl Shared {
    pub(crate) fn new(script: Script) -> Self {
        Self {
            ledger: Rc::new(Ledger::new(script.clone())),
            script,
            streams: RefCell::default(),
            held: RefCell::default(),
            running: Cell::new(0),
        }
    }

    /// Looks at the stream over a socket, or changes it.
    pub(crate) fn stream<T>(&self, fd: i32, act: impl FnOnce(&mut Stream) -> T) -> T {
        act(self.streams.borrow_mut().entry(fd).or_default())
    }

    /// A reader has got these bytes, which must be the next ones.
    pub(crate) fn read(&self, fd: i32, bytes: &[u8]) {
        self.stream(fd, |stream| {
            for byte in bytes {
                if *byte != byte_at(stream.read) {
                    let place = stream.read;
                    self.ledger.wrong(format!("socket {fd} gives {byte} at {place}: lost or out of order"));
                }
                stream.read += 1;
            }
            if stream.read > stream.sent {
                self.ledger.wrong(format!("socket {fd} gives more than was sent"));
            }
        });
    }

    /// The kernel has taken these bytes out of a buffer, from this place on.
    pub(crate) fn took(&self, id: usize, offset: usize, bytes: &[u8]) {
        if !self.ledger.holds(id, offset, bytes) {
            self.ledger.wrong(format!("buffer {id} changed in flight"));
        }
        self.ledger.take(id, bytes.len());
    }

    /// As `read`, and keeps the buffer for a while.
    pub(crate) fn receive(&self, fd: i32, buf: RecvBuf) {
        self.read(fd, &buf);
        let copy = buf.to_vec();
        self.held.borrow_mut().push((buf, copy));
        if self.held.borrow().len() > HELD_MAX {
            self.release(0);
        }
    }

    /// Lets go of a buffer, which nobody has written to meanwhile.
    pub(crate) fn release(&self, which: usize) {
        drop(self.take(which));
    }

    /// Takes a buffer that is held, which nobody has written to meanwhile.
    pub(crate) fn take(&self, which: usize) -> Option<RecvBuf> {
        let mut held = self.held.borrow_mut();
        let place = which.checked_rem(held.len())?;
        let (buf, copy) = held.remove(place);
        if buf[..] != copy {
            self.ledger.wrong("somebody wrote to a buffer that a user holds".to_owned());
        }
        Some(buf)
    }

    pub(crate) fn release_all(&self) {
        while let Some(buf) = self.take(0) {
            drop(buf);
        }
    }
}
