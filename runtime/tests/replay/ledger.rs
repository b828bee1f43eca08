//! What was handed out and must come back: buffers and descriptors, each once.
//!
//! It notes what is wrong instead of panicking, because a panic in a buffer's drop is the user's and goes no further.
#![allow(unsafe_code, reason = "implements the unsafe buffer traits and makes descriptors")]

use std::cell::{Cell, RefCell};
use std::fs::File;
use std::os::fd::{AsRawFd, FromRawFd, OwnedFd};
use std::rc::Rc;

use uring_runtime::buf::{IoBuf, IoBufMut, RecvBuf};
use uring_sys_shim::{Script, Sqe, opcode};

/// The numbers of a run's descriptors begin here and are used once, so that a late close cannot hit another's.
const NUMBERS_FROM: i32 = 300;
const NUMBERS_TO: i32 = 900;

/// A buffer that was handed in.
struct Lent {
    start: u64,
    bytes: u64,
    is_alive: bool,
    /// How many bytes the kernel has taken out of it.
    taken: usize,
    /// What is to be sent from it.
    content: Vec<u8>,
}

/// Everything that was handed out.
pub(crate) struct Ledger {
    script: Script,
    buffers: RefCell<Vec<Lent>>,
    descriptors: RefCell<Vec<i32>>,
    next: Cell<i32>,
    origin: File,
    wrong: RefCell<Vec<String>>,
}

impl Ledger {
    pub(crate) fn new(script: Script) -> Self {
        Self {
            script,
            buffers: RefCell::default(),
            descriptors: RefCell::default(),
            next: Cell::new(NUMBERS_FROM),
            origin: File::open("/dev/null").expect("every Linux has it"),
            wrong: RefCell::default(),
        }
    }

    pub(crate) fn wrong(&self, what: String) {
        self.wrong.borrow_mut().push(what);
    }

    /// Panics when anything was noted.
    #[track_caller]
    pub(crate) fn check(&self) {
        let wrong = self.wrong.borrow();
        assert!(wrong.is_empty(), "{wrong:#?}");
    }

    /// Panics when anything was noted, or has not come back.
    #[track_caller]
    pub(crate) fn settle(&self) {
        self.check();
        for (id, lent) in self.buffers.borrow().iter().enumerate() {
            assert!(!lent.is_alive, "buffer {id} has not come back");
        }
        for &fd in &*self.descriptors.borrow() {
            assert!(!is_open(fd), "descriptor {fd} was not closed");
        }
    }

    /// A new descriptor with a number of its own; none when there were many.
    pub(crate) fn descriptor(&self) -> Option<OwnedFd> {
        if self.next.get() >= NUMBERS_TO {
            return None;
        }
        // SAFETY: duplicates a descriptor that is open; no memory is involved.
        let fd = unsafe { libc::fcntl(self.origin.as_raw_fd(), libc::F_DUPFD_CLOEXEC, self.next.get()) };
        assert!(fd >= NUMBERS_FROM, "descriptors are free");
        self.next.set(fd + 1);
        self.descriptors.borrow_mut().push(fd);
        // SAFETY: the call above made it, and nobody else knows of it.
        Some(unsafe { OwnedFd::from_raw_fd(fd) })
    }

    /// Closes a descriptor, as an entry asks.
    pub(crate) fn close(&self, fd: i32) {
        if is_open(fd) {
            // SAFETY: the runtime gave this descriptor up with the submission.
            drop(unsafe { OwnedFd::from_raw_fd(fd) });
        } else {
            self.wrong(format!("descriptor {fd} is closed again"));
        }
    }

    /// The number of the buffer that holds the memory of an entry, and how far in it begins.
    pub(crate) fn buffer_of(&self, sqe: &Sqe) -> Option<(usize, usize)> {
        let end = sqe.addr + u64::from(sqe.len);
        let buffers = self.buffers.borrow();
        let id = buffers
            .iter()
            .position(|lent| lent.is_alive && lent.start <= sqe.addr && end <= lent.start + lent.bytes)?;
        Some((id, (sqe.addr - buffers[id].start) as usize))
    }

    /// How many bytes the kernel has taken out of a buffer.
    pub(crate) fn taken(&self, id: usize) -> usize {
        self.buffers.borrow()[id].taken
    }

    pub(crate) fn take(&self, id: usize, bytes: usize) {
        self.buffers.borrow_mut()[id].taken += bytes;
    }

    /// Whether these are the bytes that the buffer was handed in with.
    pub(crate) fn holds(&self, id: usize, offset: usize, bytes: &[u8]) -> bool {
        self.buffers.borrow()[id].content.get(offset..offset + bytes.len()) == Some(bytes)
    }

    fn lend(&self, start: *const u8, bytes: usize, content: &[u8]) -> usize {
        let (start, bytes, content) = (start.addr() as u64, bytes as u64, content.to_vec());
        let lent = Lent { start, bytes, is_alive: true, taken: 0, content };
        self.buffers.borrow_mut().push(lent);
        self.buffers.borrow().len() - 1
    }

    fn dropped(&self, id: usize) {
        let lent = &mut self.buffers.borrow_mut()[id];
        if !std::mem::replace(&mut lent.is_alive, false) {
            self.wrong(format!("buffer {id} is dropped again"));
        }
        let range = lent.start..lent.start + lent.bytes.max(1);
        let is_in_use = |sqe: &Sqe| points_to_buffer(sqe) && range.contains(&sqe.addr);
        if let Some(sqe) = self.script.in_flight().iter().find(|sqe| is_in_use(sqe)) {
            self.wrong(format!("buffer {id} is dropped in flight: {sqe:?}"));
        }
    }
}

/// Whether the entry's address is that of a buffer of the user's.
pub(crate) fn points_to_buffer(sqe: &Sqe) -> bool {
    match sqe.opcode {
        opcode::READ | opcode::WRITE | opcode::SEND => true,
        opcode::RECV => sqe.flags & Sqe::BUFFER_SELECT == 0,
        _ => false,
    }
}

/// Whether the number is that of an open descriptor.
pub(crate) fn is_open(fd: i32) -> bool {
    // SAFETY: asks for a flag; no memory is involved.
    unsafe { libc::fcntl(fd, libc::F_GETFD) >= 0 }
}

enum Body {
    Heap(Vec<u8>),
    Pooled(RecvBuf),
}

/// A buffer that the ledger knows of.
pub(crate) struct Tracked {
    body: Body,
    pub(crate) id: usize,
    ledger: Rc<Ledger>,
}

impl Tracked {
    /// Room for so many bytes.
    pub(crate) fn room(ledger: &Rc<Ledger>, bytes: usize) -> Self {
        Self::heap(ledger, Vec::with_capacity(bytes))
    }

    /// So many bytes that say where they stand.
    pub(crate) fn numbered(ledger: &Rc<Ledger>, bytes: usize) -> Self {
        Self::heap(ledger, (0..bytes).map(|at| at as u8 ^ 0x33).collect())
    }

    fn heap(ledger: &Rc<Ledger>, bytes: Vec<u8>) -> Self {
        let id = ledger.lend(bytes.as_ptr(), bytes.capacity(), &bytes);
        Self { body: Body::Heap(bytes), id, ledger: Rc::clone(ledger) }
    }

    /// Received bytes, to be sent as they are.
    pub(crate) fn pooled(ledger: &Rc<Ledger>, bytes: RecvBuf) -> Self {
        let id = ledger.lend(bytes.as_ptr(), bytes.len(), &bytes);
        Self { body: Body::Pooled(bytes), id, ledger: Rc::clone(ledger) }
    }
}

impl Drop for Tracked {
    fn drop(&mut self) {
        self.ledger.dropped(self.id);
    }
}

// SAFETY: the bytes are on the heap or in the pool and do not move with this value.
unsafe impl IoBuf for Tracked {
    fn stable_ptr(&self) -> *const u8 {
        match &self.body {
            Body::Heap(bytes) => bytes.as_ptr(),
            Body::Pooled(bytes) => bytes.stable_ptr(),
        }
    }

    fn bytes_init(&self) -> usize {
        match &self.body {
            Body::Heap(bytes) => bytes.len(),
            Body::Pooled(bytes) => bytes.len(),
        }
    }
}

// SAFETY: as above; only vectors are read into, and the block has `capacity` bytes.
unsafe impl IoBufMut for Tracked {
    fn stable_mut_ptr(&mut self) -> *mut u8 {
        match &mut self.body {
            Body::Heap(bytes) => bytes.as_mut_ptr(),
            Body::Pooled(_) => unreachable!("nobody reads into received bytes"),
        }
    }

    fn bytes_total(&self) -> usize {
        match &self.body {
            Body::Heap(bytes) => bytes.capacity(),
            Body::Pooled(_) => 0,
        }
    }

    unsafe fn set_init(&mut self, count: usize) {
        let Body::Heap(bytes) = &mut self.body else { return };
        // SAFETY: the caller says that so many bytes are initialised.
        unsafe { bytes.set_len(count) };
    }
}
