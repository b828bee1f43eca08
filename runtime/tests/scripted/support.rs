//! What the tests stand on: a runtime with its script, and the steps that every test takes.
#![allow(unsafe_code, reason = "plays the kernel: fills buffers in flight and closes descriptors")]

use std::cell::{Cell, RefCell};
use std::collections::HashSet;
use std::io::{ErrorKind, Read};
use std::os::fd::{FromRawFd, IntoRawFd, OwnedFd};
use std::os::unix::net::UnixStream;
use std::pin::Pin;
use std::rc::Rc;
use std::task::{Context, Poll, Waker};
use std::time::Duration;

use uring_runtime::io::{Receiver, Sender, Socket};
use uring_runtime::{Audit, Builder, Features, Runtime, Stats};
use uring_sys_shim::{Cqe, Script, Sqe, opcode};

/// A runtime whose ring does what the script says. At its end every cancel wins.
pub(crate) struct Rig {
    pub(crate) script: Script,
    runtime: Option<Runtime>,
    /// The closes without a completion that were carried out: see [`close_descriptors`].
    closed: Rc<Cell<usize>>,
}

impl Rig {
    /// Room for 64 submissions, all features, and 64 buffers of 64 bytes.
    pub(crate) fn new() -> Self {
        Self::with(64, Features::all(), |builder| builder)
    }

    pub(crate) fn with(capacity: usize, features: Features, change: impl FnOnce(Builder) -> Builder) -> Self {
        let script = Script::new(capacity, features);
        // SAFETY: the tests' scripts keep to what a ring owes: see each test for what it completes.
        let builder = unsafe { Builder::new().ring(script.ring()) }.drain_timeout(Duration::from_secs(1));
        let builder = builder.recv_buffers(64).recv_buffers_max(64).recv_buffer_bytes(64);
        let runtime = change(builder).build().expect("a scripted ring can always be made");
        Self { script, runtime: Some(runtime), closed: Rc::default() }
    }

    /// Runs a test's body on the runtime.
    pub(crate) fn run<T>(&self, body: impl AsyncFnOnce(&Script) -> T) -> T {
        self.runtime().block_on(body(&self.script))
    }

    pub(crate) fn runtime(&self) -> &Runtime {
        self.runtime.as_ref().expect("gone only at the end")
    }

    pub(crate) fn stats(&self) -> Stats {
        self.runtime().stats()
    }

    /// Ends the runtime, every cancel winning, and asserts that nothing was leaked and that nobody holds anything.
    pub(crate) fn end(self) {
        // What the test has dropped is over after some turns. Not the bell: it would be armed again and again.
        for _ in 0..8 {
            for sqe in self.script.in_flight().into_iter().filter(|sqe| sqe.user_data != BELL) {
                self.script.complete(&sqe, -libc::ECANCELED);
            }
            self.runtime().block_on(quiet());
        }
        assert_eq!(self.runtime().audit(), Audit::default(), "this is left");
        self.end_with_things_held();
    }

    /// Ends the runtime, every cancel winning at the first wait, and asserts that nothing was leaked. Tasks may be alive,
    /// and what users hold may outlive it.
    pub(crate) fn end_with_things_held(mut self) {
        let closed = Rc::clone(&self.closed);
        self.script.on_wait(move |script| {
            cancels_win(script);
            close_descriptors(script, &closed);
        });
        let leaked = self.runtime.take().expect("ended once").shutdown();
        assert_eq!(leaked, 0, "operations were leaked");
        close_descriptors(&self.script, &self.closed);
    }

    /// Ends the runtime without a script for it, and gives how many operations were leaked.
    pub(crate) fn shutdown(mut self) -> usize {
        self.runtime.take().expect("ended once").shutdown()
    }

    /// Carries out the closes that the runtime has submitted so far.
    pub(crate) fn close_descriptors(&self) {
        close_descriptors(&self.script, &self.closed);
    }
}

/// The key of the core's first operation, the read of its bell: place 0, generation 1.
const BELL: u64 = 1 << 32;

/// Everything in flight is cancelled.
pub(crate) fn cancels_win(script: &Script) {
    for sqe in script.in_flight() {
        script.complete(&sqe, -libc::ECANCELED);
    }
}

/// Closes what the runtime has told the ring to close without wanting to know, from the place `done` on.
fn close_descriptors(script: &Script, done: &Cell<usize>) {
    let closes = script.submitted_with(opcode::CLOSE);
    for sqe in closes.iter().skip(done.replace(closes.len())) {
        // SAFETY: the runtime gave this descriptor up with the submission, and it is closed once.
        drop(unsafe { OwnedFd::from_raw_fd(sqe.fd) });
    }
}

/// Lets the core run until it would sleep: everything that can happen by itself has happened then.
pub(crate) async fn quiet() {
    uring_runtime::time::sleep(Duration::from_nanos(1)).await;
}

/// The one submission of this kind that is in flight.
#[track_caller]
pub(crate) fn only(script: &Script, code: u8) -> Sqe {
    let found = all(script, code);
    assert_eq!(found.len(), 1, "one submission is in flight, not {found:?}");
    found[0]
}

/// The submissions of this kind that are in flight, without the bell.
pub(crate) fn all(script: &Script, code: u8) -> Vec<Sqe> {
    let wanted = |sqe: &Sqe| sqe.opcode == code && sqe.user_data != BELL;
    script.in_flight().into_iter().filter(wanted).collect()
}

/// Completes a read or receive with these bytes, as the kernel does.
#[track_caller]
pub(crate) fn answer(script: &Script, sqe: &Sqe, bytes: &[u8]) {
    assert!(script.in_flight().contains(sqe), "only what is in flight can be answered");
    assert!(bytes.len() <= sqe.len as usize, "no more bytes than there is room for");
    // SAFETY: the operation is in flight, so its buffer is alive if the driver does its duty, and the room is checked.
    unsafe { script.fill(sqe, bytes) };
    script.complete(sqe, bytes.len() as i32);
}

/// Takes the first `count` bytes of a write or send and completes it with so many, as the kernel does.
#[track_caller]
pub(crate) fn take(script: &Script, sqe: &Sqe, count: usize) -> Vec<u8> {
    let bytes = look(script, sqe, count);
    script.complete(sqe, count as i32);
    bytes
}

/// Queues the first `count` bytes of a zero-copy send, as the kernel does, which still has the buffer.
#[track_caller]
pub(crate) fn queue(script: &Script, sqe: &Sqe, count: usize) -> Vec<u8> {
    assert_eq!(sqe.opcode, opcode::SEND_ZC, "only a zero-copy send has a notification");
    let bytes = look(script, sqe, count);
    script.complete_more(sqe, count as i32);
    bytes
}

/// Notifies of a zero-copy send: the kernel has let go of the buffer.
#[track_caller]
pub(crate) fn notify(script: &Script, sqe: &Sqe, res: i32) {
    assert!(script.in_flight().contains(sqe), "a buffer is released once");
    script.post(Cqe { user_data: sqe.user_data, res, flags: 0 }.with_notif());
}

/// The first `count` bytes of a write or send.
#[track_caller]
fn look(script: &Script, sqe: &Sqe, count: usize) -> Vec<u8> {
    assert!(script.in_flight().contains(sqe), "only what is in flight can be answered");
    assert!(count <= sqe.len as usize, "no more bytes than there are");
    // SAFETY: the operation is in flight, so its buffer is alive if the driver does its duty, and `count` is checked.
    unsafe { script.peek(sqe, count) }
}

/// Whether a receive that selects a buffer has further completions.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) enum Then {
    More,
    Last,
}

/// Completes a receive with these bytes in the pool's next buffer. Gives `false` when the pool has none.
#[track_caller]
pub(crate) fn deliver(script: &Script, sqe: &Sqe, bytes: &[u8], then: Then) -> bool {
    assert!(script.in_flight().contains(sqe), "only what is in flight can be answered");
    assert!(sqe.flags & Sqe::BUFFER_SELECT != 0, "the receive takes a buffer of the pool");
    // SAFETY: the runtime registered its pool, which lives as long as the runtime, and the tests' buffers have 64
    // bytes at least, which no test exceeds.
    unsafe { script.complete_into_group(sqe, bytes, then == Then::More) }
}

/// A socket's two sides, and the peer's end of it.
pub(crate) fn socket() -> (Receiver, Sender, UnixStream) {
    let (ours, peer) = UnixStream::pair().expect("descriptors are free");
    let socket = Socket::from_owned(ours.into());
    (Receiver::new(socket.fd().clone()), Sender::new(socket.fd().clone()), peer)
}

/// Only the receiving side of a socket.
pub(crate) fn receiver() -> Receiver {
    socket().0
}

/// A file. Nothing is read from it: the ring is scripted.
pub(crate) fn file() -> uring_runtime::fs::File {
    let file = std::fs::File::open("/dev/null").expect("every Linux has it");
    uring_runtime::fs::File::from_std(file)
}

/// A descriptor as an operation's result, and the end that sees whether it is closed.
pub(crate) fn descriptor() -> (i32, UnixStream) {
    let (made, seen) = UnixStream::pair().expect("descriptors are free");
    seen.set_nonblocking(true).expect("sockets can be non-blocking");
    (OwnedFd::from(made).into_raw_fd(), seen)
}

/// Whether the other end of this pair is open.
pub(crate) fn is_open(seen: &UnixStream) -> bool {
    let mut seen = seen;
    match seen.read(&mut [0]) {
        Ok(0) => false,
        Err(error) if error.kind() == ErrorKind::WouldBlock => true,
        other => panic!("nobody writes here: {other:?}"),
    }
}

/// Whether the other end of this pair is closed, soon: a test that starts a child has copies of all descriptors for the
/// moment between `fork` and `exec`, also of those of the tests that run beside it.
pub(crate) fn is_closed(seen: &UnixStream) -> bool {
    let look = || {
        std::thread::sleep(Duration::from_millis(1));
        !is_open(seen)
    };
    !is_open(seen) || (0..1000).any(|_| look())
}

/// Polls a future once, with a waker that does nothing.
pub(crate) fn poll<F: Future + Unpin>(future: &mut F) -> Poll<F::Output> {
    poll_with(future, Waker::noop())
}

/// Polls a future once.
pub(crate) fn poll_with<F: Future + Unpin>(future: &mut F, waker: &Waker) -> Poll<F::Output> {
    Pin::new(future).poll(&mut Context::from_waker(waker))
}

/// Posts the last completion of a key, which may be stale.
pub(crate) fn post(script: &Script, user_data: u64, res: i32) {
    script.post(Cqe { user_data, res, flags: 0 });
}

/// Asserts that no two operations ever had the same key.
pub(crate) fn assert_keys_are_unique(script: &Script) {
    let mut keys = HashSet::new();
    let tagless = |sqe: &Sqe| sqe.opcode != opcode::ASYNC_CANCEL && sqe.flags & Sqe::SKIP_SUCCESS == 0;
    for sqe in script.submitted().into_iter().filter(tagless) {
        assert!(keys.insert(sqe.user_data), "a key came twice: {sqe:?}");
    }
}

/// What several tasks of a test note down.
pub(crate) type Log<T> = Rc<RefCell<Vec<T>>>;

/// A small generator with a seed, so that a failure can be run again.
pub(crate) struct Random(u64);

impl Random {
    pub(crate) fn new(seed: u64) -> Self {
        Self(seed.wrapping_mul(0x9e37_79b9_7f4a_7c15) | 1)
    }

    pub(crate) fn below(&mut self, limit: u64) -> u64 {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        (self.0 >> 16) % limit
    }

    pub(crate) fn pick<T: Copy>(&mut self, from: &[T]) -> T {
        from[self.below(from.len() as u64) as usize]
    }
}

/// Asked by a leak checker, if one is linked in: some tests leak on purpose what a script never completes.
// SAFETY: no other function of the program has this name, which is the checker's for this purpose.
#[unsafe(no_mangle)]
extern "C" fn __lsan_is_turned_off() -> i32 {
    1
}
