//! The ring's side: what becomes of each submission, as the bytes say and as a kernel may.
//!
//! It reports only bytes that it wrote and descriptors that it made, and keeps completions in their order; all else is
//! free: results, errors, ends of multishots, refused pushes, failed enters, completions for nobody.
#![allow(unsafe_code, reason = "plays the kernel: fills buffers in flight and takes bytes out of them")]

use std::cell::{Cell, RefCell};
use std::collections::HashSet;
use std::os::fd::IntoRawFd;
use std::rc::Rc;

use uring_runtime::{Builder, Stats};
use uring_sys_shim::{Cqe, Script, Sqe, opcode};

use super::input::Input;
use super::ledger::{is_open, points_to_buffer};
use super::shared::{Shared, byte_at};

/// Enters that fail for want of memory, each of which makes the core wait for a real millisecond.
const NO_MEMORY_MAX: u32 = 1;
const ERRORS: [i32; 10] = [
    -libc::EINTR,
    -libc::ECANCELED,
    -libc::EIO,
    -libc::ECONNRESET,
    -libc::EPIPE,
    -libc::EMFILE,
    -libc::ECONNABORTED,
    -libc::EAGAIN,
    -512,
    i32::MIN,
];

/// The size of a socket's own buffer, larger than any of the program's.
const OWN_BYTES: u32 = 2048;

/// Begins a runtime over a script that a [`Kernel`] will write.
pub(crate) fn builder(script: &Script) -> Builder {
    // SAFETY: the kernel below keeps to what a ring owes: see there.
    unsafe { Builder::new().ring(script.ring()) }
}

pub(crate) struct Kernel {
    pub(crate) input: Rc<Input>,
    pub(crate) shared: Rc<Shared>,
    /// How many submissions were looked at.
    seen: Cell<usize>,
    keys: RefCell<HashSet<u64>>,
    /// The keys that have had their last completion.
    done: RefCell<Vec<u64>>,
    /// The descriptor of the core's bell.
    bell: Cell<i32>,
    strangers: Cell<u64>,
    no_memory: Cell<u32>,
    /// Whether completions wait for the next enter: what follows must wait behind them.
    is_overflown: Cell<bool>,
    /// Whether it still does what nobody asked for.
    is_wild: Cell<bool>,
}

impl Kernel {
    pub(crate) fn new(input: Rc<Input>, shared: Rc<Shared>) -> Self {
        Self {
            input,
            shared,
            seen: Cell::new(0),
            keys: RefCell::default(),
            done: RefCell::default(),
            bell: Cell::new(-1),
            strangers: Cell::new(0),
            no_memory: Cell::new(0),
            is_overflown: Cell::new(false),
            is_wild: Cell::new(true),
        }
    }

    /// From here on answers when the ring is entered.
    pub(crate) fn serve(self: &Rc<Self>, script: &Script) {
        let kernel = Rc::clone(self);
        script.on_enter(move |script| {
            kernel.is_overflown.set(false);
            kernel.look(script);
            if kernel.is_wild.get() {
                for _ in 0..kernel.input.below(4) {
                    kernel.step(script);
                }
            }
        });
    }

    /// From here on completes whatever the core waits for.
    pub(crate) fn serve_the_end(self: &Rc<Self>, script: &Script) {
        let kernel = Rc::clone(self);
        script.on_wait(move |script| {
            for sqe in script.in_flight() {
                kernel.answer(script, &sqe);
                if script.in_flight().contains(&sqe) {
                    kernel.fail_one(script, &sqe, -libc::ECANCELED);
                }
            }
        });
    }

    /// Nothing is decided any more: what is in flight is answered well.
    pub(crate) fn calm_down(&self) {
        self.is_wild.set(false);
    }

    /// Answers everything in flight as it was meant.
    pub(crate) fn do_all_well(&self, script: &Script) {
        for sqe in script.in_flight() {
            self.do_well(script, &sqe, 64);
        }
    }

    /// Cancels everything in flight but the bell; what is finished once it has begun is done.
    pub(crate) fn cancel_all(&self, script: &Script) {
        use opcode::{FSYNC, SEND, SHUTDOWN, WRITE};
        for sqe in script.in_flight().iter().filter(|sqe| sqe.fd != self.bell.get()) {
            match sqe.opcode {
                SEND | WRITE | FSYNC | SHUTDOWN => self.do_well(script, sqe, usize::MAX),
                _ => self.fail_one(script, sqe, -libc::ECANCELED),
            }
        }
    }

    /// Whether completions wait for an enter.
    pub(crate) fn is_overflown(&self) -> bool {
        self.is_overflown.get()
    }

    /// Looks whether what is in flight was cancelled, there being nobody who wants it.
    pub(crate) fn look_at_cancels(&self, script: &Script) {
        let cancelled = script.cancelled();
        for sqe in script.in_flight().iter().filter(|sqe| sqe.fd != self.bell.get()) {
            let is_wanted =
                !matches!(sqe.opcode, opcode::RECV | opcode::ACCEPT | opcode::READ | opcode::OPENAT);
            if !is_wanted && !cancelled.contains(&sqe.user_data) {
                self.shared.ledger.wrong(format!("nobody wants this, and it was not cancelled: {sqe:?}"));
            }
        }
    }

    /// Compares what the runtime has counted with what was done to it.
    #[track_caller]
    pub(crate) fn settle(&self, stats: &Stats) {
        assert_eq!(stats.unknown, self.strangers.get(), "completions for nobody are counted, and no others");
        assert_eq!(stats.in_flight, 1, "only the bell");
        assert_eq!(stats.buffers_free, stats.buffers, "every buffer of the pool is back");
        assert_eq!(stats.tasks, 0);
    }

    /// Looks at what was submitted: keys are new, memory is alive, descriptors are open, closes come last.
    pub(crate) fn look(&self, script: &Script) {
        let submitted = script.submitted();
        for sqe in &submitted[self.seen.replace(submitted.len())..] {
            let has_record = sqe.opcode != opcode::ASYNC_CANCEL && sqe.flags & Sqe::SKIP_SUCCESS == 0;
            if has_record && !self.keys.borrow_mut().insert(sqe.user_data) {
                self.shared.ledger.wrong(format!("a key comes again: {sqe:?}"));
            }
            let names_nobody = || sqe.op_flags == 0 && !self.keys.borrow().contains(&sqe.addr);
            if sqe.opcode == opcode::ASYNC_CANCEL && names_nobody() {
                self.shared.ledger.wrong(format!("a cancel overtakes the operation that it names: {sqe:?}"));
            }
            if self.bell.get() < 0 {
                self.bell.set(sqe.fd);
            }
            if sqe.fd >= 0 && !is_open(sqe.fd) {
                self.shared.ledger.wrong(format!("an entry names a descriptor that is closed: {sqe:?}"));
            }
            if points_to_buffer(sqe) && sqe.fd != self.bell.get() {
                self.look_at_memory(script, sqe);
            }
            if sqe.opcode == opcode::CLOSE {
                let uses = |other: &Sqe| other.fd == sqe.fd && other.opcode != opcode::CLOSE;
                if let Some(user) = script.in_flight().iter().find(|other| uses(other)) {
                    self.shared.ledger.wrong(format!("a descriptor is closed in use: {user:?}"));
                }
                self.shared.ledger.close(sqe.fd);
            }
        }
    }

    fn look_at_memory(&self, script: &Script, sqe: &Sqe) {
        // Without a pool, a socket has a buffer of its own, which no ledger knows of.
        if sqe.opcode == opcode::RECV && sqe.len == OWN_BYTES {
            return;
        }
        let Some((id, offset)) = self.shared.ledger.buffer_of(sqe) else {
            self.shared.ledger.wrong(format!("an entry points to memory that is gone: {sqe:?}"));
            return;
        };
        if sqe.opcode != opcode::SEND {
            return;
        }
        let sends = script.in_flight().into_iter().filter(|o| o.opcode == opcode::SEND && o.fd == sqe.fd);
        if sends.count() > 1 {
            self.shared.ledger.wrong(format!("two sends are in flight: {sqe:?}"));
        }
        let sending = self.shared.stream(sqe.fd, |stream| stream.sending);
        if offset != self.shared.ledger.taken(id) || sending.is_some_and(|sending| sending != id) {
            self.shared.ledger.wrong(format!("a send does not go on where the last one ended: {sqe:?}"));
        }
    }

    /// Does one thing that a ring may do at any time.
    pub(crate) fn step(&self, script: &Script) {
        let in_flight = script.in_flight();
        match self.input.below(16) {
            0..=7 if !in_flight.is_empty() => {
                let sqe = in_flight[self.input.below(in_flight.len())];
                self.answer(script, &sqe);
            }
            8 => self.stranger(script),
            9 => {
                let tag = u64::from(u32::MAX) - u64::from(self.input.byte() & 1);
                self.post(script, Cqe { user_data: tag, res: -libc::ENOENT, flags: 0 });
            }
            10 => script.refuse_pushes(self.input.below(6) as u32),
            11 => self.fail_an_enter(script),
            12 => script.take_at_most(&[self.input.below(4)]),
            13 => {
                let cancelled = script.cancelled();
                let is_it = |sqe: &&Sqe| cancelled.contains(&sqe.user_data);
                if let Some(sqe) = in_flight.iter().find(is_it) {
                    self.fail_one(script, sqe, -libc::ECANCELED);
                }
            }
            14 => script.advance(u64::from(self.input.byte())),
            _ => {}
        }
    }

    fn fail_an_enter(&self, script: &Script) {
        let errno = match self.input.below(8) {
            0..=3 => libc::EINTR,
            4..=6 => libc::EBUSY,
            _ if self.no_memory.get() == NO_MEMORY_MAX => libc::EBUSY,
            _ => {
                self.no_memory.set(self.no_memory.get() + 1);
                libc::EAGAIN
            }
        };
        script.fail_enters(&[errno]);
    }

    /// A completion for an operation that has had its last one, or that never was.
    fn stranger(&self, script: &Script) {
        let (kind, which) = (self.input.byte(), self.input.word());
        let done = self.done.borrow();
        // A second one may not come before the first.
        let user_data = if kind & 1 == 0 && !done.is_empty() && !self.is_overflown.get() {
            done[usize::from(which) % done.len()]
        } else {
            1 << 63 | u64::from(which % 32)
        };
        drop(done);
        let cqe = Cqe { user_data, res: i32::from(which) - 64, flags: 0 };
        self.strangers.set(self.strangers.get() + 1);
        self.deliver(script, if user_data >> 63 != 0 && kind & 2 != 0 { cqe.with_more() } else { cqe });
    }

    /// Posts a completion of an operation.
    fn post(&self, script: &Script, cqe: Cqe) {
        if !cqe.more() && self.keys.borrow().contains(&cqe.user_data) {
            self.done.borrow_mut().push(cqe.user_data);
        }
        self.deliver(script, cqe);
    }

    fn deliver(&self, script: &Script, cqe: Cqe) {
        if self.is_overflown.get() || (self.is_wild.get() && self.input.byte() % 16 == 15) {
            self.is_overflown.set(true);
            script.post_overflowed(cqe);
        } else {
            script.post(cqe);
        }
    }

    /// Completes a submission in any way that a kernel may.
    fn answer(&self, script: &Script, sqe: &Sqe) {
        match (self.input.below(8), sqe.opcode) {
            // A bell has eight bytes or none.
            (kind, _) if sqe.fd == self.bell.get() => {
                self.post(script, last(sqe, [8, -libc::EINTR, -libc::ECANCELED][kind % 3]));
            }
            (6, opcode::RECV) => self.end_stream(script, sqe),
            (7, opcode::RECV) if sqe.flags & Sqe::BUFFER_SELECT != 0 => {
                self.post(script, last(sqe, -libc::ENOBUFS));
            }
            (5, opcode::READ | opcode::WRITE | opcode::SEND) => self.fail_one(script, sqe, 0),
            // More is to come of something that comes once: nothing has happened.
            (7, opcode::READ | opcode::WRITE | opcode::OPENAT | opcode::SEND) => {
                self.post(script, last(sqe, 1).with_more());
            }
            (4, _) => self.fail_one(script, sqe, ERRORS[self.input.below(ERRORS.len())]),
            _ => self.do_well(script, sqe, 1 + self.input.below(100)),
        }
    }

    /// Ends a submission with an error, or with nothing done.
    fn fail_one(&self, script: &Script, sqe: &Sqe, res: i32) {
        if sqe.opcode == opcode::SEND && res != -libc::EINTR {
            self.shared.stream(sqe.fd, |stream| stream.sending = None);
        }
        self.post(script, last(sqe, res));
    }

    /// The peer ends its stream, perhaps with an empty buffer.
    fn end_stream(&self, script: &Script, sqe: &Sqe) {
        self.shared.stream(sqe.fd, |stream| stream.is_ended = true);
        self.post(script, last(sqe, 0));
    }

    /// Completes a submission as it was meant, with so many bytes if there is room.
    pub(crate) fn do_well(&self, script: &Script, sqe: &Sqe, bytes: usize) {
        let is_pooled = sqe.flags & Sqe::BUFFER_SELECT != 0;
        match sqe.opcode {
            _ if sqe.fd == self.bell.get() => {}
            opcode::RECV if self.shared.stream(sqe.fd, |stream| stream.is_ended) => {
                self.end_stream(script, sqe)
            }
            opcode::RECV if is_pooled => self.fill_pooled(script, sqe, bytes.min(64)),
            opcode::RECV => {
                let bytes = self.next_bytes(sqe.fd, bytes.min(sqe.len as usize));
                self.fill(script, sqe, &bytes);
            }
            opcode::READ => {
                let bytes: Vec<u8> =
                    (0..bytes.min(sqe.len as usize)).map(|at| byte_at(sqe.off as usize + at)).collect();
                self.fill(script, sqe, &bytes);
            }
            opcode::SEND | opcode::WRITE => self.take(script, sqe, bytes.min(sqe.len as usize)),
            opcode::OPENAT => self.open(script, last(sqe, 0)),
            opcode::ACCEPT if sqe.ioprio & Sqe::ACCEPT_MULTISHOT != 0 && !bytes.is_multiple_of(4) => {
                self.open(script, last(sqe, 0).with_more());
            }
            opcode::ACCEPT => self.open(script, last(sqe, 0)),
            _ => self.post(script, last(sqe, 0)),
        }
    }

    /// The peer's next bytes.
    fn next_bytes(&self, fd: i32, count: usize) -> Vec<u8> {
        self.shared.stream(fd, |stream| {
            let from = stream.sent;
            stream.sent += count;
            (from..stream.sent).map(byte_at).collect()
        })
    }

    fn fill_pooled(&self, script: &Script, sqe: &Sqe, count: usize) {
        if self.is_overflown.get() {
            return;
        }
        let more = sqe.ioprio & Sqe::RECV_MULTISHOT != 0 && !count.is_multiple_of(8);
        let bytes = self.next_bytes(sqe.fd, count);
        // SAFETY: the runtime registered its pool, which lives as long as the runtime, and its buffers have 64 bytes.
        if unsafe { script.complete_into_group(sqe, &bytes, more) } {
            if !more {
                self.done.borrow_mut().push(sqe.user_data);
            }
            return;
        }
        self.shared.stream(sqe.fd, |stream| stream.sent -= count);
        self.post(script, last(sqe, -libc::ENOBUFS));
    }

    fn fill(&self, script: &Script, sqe: &Sqe, bytes: &[u8]) {
        // SAFETY: the operation is in flight, so its buffer is alive if the driver does its duty, and it has the room.
        unsafe { script.fill(sqe, bytes) };
        self.post(script, last(sqe, bytes.len() as i32));
    }

    fn take(&self, script: &Script, sqe: &Sqe, count: usize) {
        // SAFETY: the operation is in flight, so its buffer is alive if the driver does its duty, and it has so many
        // bytes.
        let bytes = unsafe { script.peek(sqe, count) };
        if let Some((id, offset)) = self.shared.ledger.buffer_of(sqe) {
            self.shared.took(id, offset, &bytes);
            // A send of a whole buffer, which waits for all of it, goes on.
            let goes_on = sqe.op_flags & libc::MSG_WAITALL as u32 != 0 && count < sqe.len as usize;
            self.shared.stream(sqe.fd, |stream| stream.sending = goes_on.then_some(id));
        }
        self.post(script, last(sqe, count as i32));
    }

    /// Hands out a descriptor, if there is one.
    fn open(&self, script: &Script, cqe: Cqe) {
        match self.shared.ledger.descriptor() {
            Some(made) => self.post(script, Cqe { res: made.into_raw_fd(), ..cqe }),
            None => self.post(script, Cqe { res: -libc::EMFILE, flags: 0, ..cqe }),
        }
    }
}

/// The last completion of a submission.
fn last(sqe: &Sqe, res: i32) -> Cqe {
    Cqe { user_data: sqe.user_data, res, flags: 0 }
}
