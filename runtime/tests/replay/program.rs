//! The program's side: futures that begin, are polled, spawned and dropped, as the bytes say.

mod begin;

use std::future::poll_fn;
use std::pin::Pin;
use std::rc::Rc;
use std::sync::Arc;
use std::task::{Context, Poll, Wake, Waker};
use std::time::Duration;

use uring_runtime::fs::File;
use uring_runtime::io::{Acceptor, Receiver, Sender};
use uring_runtime::task::{JoinHandle, spawn, yield_now};
use uring_runtime::time::{sleep, timeout};

use super::input::Input;
use super::kernel::Kernel;
use super::shared::Shared;

type Future = Pin<Box<dyn std::future::Future<Output = ()>>>;

const FUTURES_MAX: usize = 16;
const TASKS_MAX: usize = 16;
/// So many rounds of answers are enough for everything to end: the longest read takes ten, in a line of all tasks.
const ROUNDS_MAX: usize = 400;

/// After so many polls the ring was entered, however often an enter failed.
const YIELDS_MAX: usize = 1 << 16;

/// A connection's two sides.
struct Connection {
    fd: i32,
    receiver: Rc<Receiver>,
    sender: Rc<Sender>,
}

/// A waker that the runtime does not know.
struct Foreign;

impl Wake for Foreign {
    fn wake(self: Arc<Self>) {}
}

/// Counts a task that runs.
struct Running(Rc<Shared>);

impl Running {
    fn new(shared: &Rc<Shared>) -> Self {
        shared.running.set(shared.running.get() + 1);
        Self(Rc::clone(shared))
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        self.0.running.set(self.0.running.get() - 1);
    }
}

/// How a run ends.
struct Ending {
    is_patient: bool,
    is_last_to_go: bool,
}

/// Everything that the program has.
pub(crate) struct Program {
    input: Rc<Input>,
    shared: Rc<Shared>,
    /// Futures that are polled by hand.
    futures: Vec<Future>,
    tasks: Vec<JoinHandle<()>>,
    connections: Vec<Connection>,
    acceptor: Option<Rc<Acceptor>>,
    file: Option<Rc<File>>,
    ending: Ending,
}

impl Program {
    pub(crate) fn new(input: Rc<Input>, shared: Rc<Shared>) -> Self {
        let kind = input.byte();
        Self {
            input,
            shared,
            futures: Vec::new(),
            tasks: Vec::new(),
            connections: Vec::new(),
            acceptor: None,
            file: None,
            ending: Ending { is_patient: kind & 1 == 0, is_last_to_go: kind & 2 == 0 },
        }
    }

    /// Whether everything is finished before the runtime ends.
    pub(crate) fn is_patient(&self) -> bool {
        self.ending.is_patient
    }

    /// Whether the program's things go after the runtime.
    pub(crate) fn is_last_to_go(&self) -> bool {
        self.ending.is_last_to_go
    }

    /// Runs for a while; none when nothing is left to decide.
    pub(crate) async fn run(&mut self, kernel: &Kernel) -> Option<()> {
        while let Some(byte) = self.input.next() {
            self.shared.ledger.check();
            match byte % 24 {
                0..=9 => self.begin(byte % 24),
                10..=12 => self.poll().await,
                13 => {
                    let place = self.input.below(FUTURES_MAX);
                    (place < self.futures.len()).then(|| drop(self.futures.swap_remove(place)));
                }
                14 | 15 => self.spawn(),
                16 => self.leave_task(),
                17..=19 => sleep(Duration::from_nanos(1)).await,
                20 => self.never_park(kernel).await,
                21 => self.drop_something(),
                22 => self.deadline(),
                _ if self.input.byte().is_multiple_of(4) => return Some(()),
                _ => self.shared.release(self.input.below(8)),
            }
            if byte > 200 {
                kernel.step(&self.shared.script);
            }
        }
        None
    }

    /// Is always ready: what the ring holds back comes all the same.
    async fn never_park(&self, kernel: &Kernel) {
        yield_now().await;
        for _ in 0..YIELDS_MAX {
            if !kernel.is_overflown() {
                return;
            }
            yield_now().await;
        }
        self.shared.ledger.wrong("a task that never parks holds completions up".to_owned());
    }

    /// Polls a future once, with one of several wakers.
    async fn poll(&mut self) {
        let (place, kind) = (self.input.below(FUTURES_MAX), self.input.byte());
        let Some(future) = self.futures.get_mut(place) else { return };
        let polled = poll_fn(|cx| {
            let foreign = Waker::from(Arc::new(Foreign));
            let waker = match kind % 3 {
                0 => Waker::noop(),
                1 => cx.waker(),
                _ => &foreign,
            };
            Poll::Ready(future.as_mut().poll(&mut Context::from_waker(waker)))
        });
        if polled.await.is_ready() {
            drop(self.futures.swap_remove(place));
        }
    }

    /// Hands a future to a task, also one that was polled already.
    fn spawn(&mut self) {
        let place = self.input.below(FUTURES_MAX);
        if place < self.futures.len() && self.tasks.len() < TASKS_MAX {
            let (future, running) = (self.futures.swap_remove(place), Running::new(&self.shared));
            self.tasks.push(spawn(async move {
                let _running = running;
                future.await;
            }));
        }
    }

    /// Aborts or detaches a task.
    fn leave_task(&mut self) {
        let (place, kind) = (self.input.below(TASKS_MAX), self.input.byte());
        if place < self.tasks.len() {
            let task = self.tasks.swap_remove(place);
            if kind & 1 == 0 {
                task.abort();
            }
        }
    }

    fn drop_something(&mut self) {
        match self.input.below(4) {
            0 => self.acceptor = None,
            1 => self.file = None,
            _ if self.connections.is_empty() => {}
            _ => {
                let place = self.input.below(self.connections.len());
                drop(self.connections.swap_remove(place));
            }
        }
    }

    /// Gives a future a deadline.
    fn deadline(&mut self) {
        let (place, nanos) = (self.input.below(FUTURES_MAX), self.input.byte());
        if place < self.futures.len() {
            let future = self.futures.swap_remove(place);
            self.futures.push(Box::pin(async move {
                let _ = timeout(Duration::from_nanos(nanos.into()), future).await;
            }));
        }
    }

    /// Lets everything end by itself, and sees that it does.
    pub(crate) async fn finish(&mut self, kernel: &Kernel) {
        kernel.calm_down();
        self.futures.clear();
        self.shared.release_all();
        let mut rounds = 0;
        while self.shared.running.get() > 0 {
            assert!(rounds < ROUNDS_MAX, "a task waits for ever");
            rounds += 1;
            kernel.do_all_well(&self.shared.script);
            // So long that a listener's pause for want of descriptors is over after a few.
            sleep(Duration::from_millis(1)).await;
            self.drain();
            self.shared.release_all();
        }
        // Nothing more comes; what came is read.
        for _ in 0..4 {
            kernel.cancel_all(&self.shared.script);
            sleep(Duration::from_nanos(1000)).await;
            self.drain();
            self.shared.release_all();
        }
        for connection in &self.connections {
            let (sent, read) = self.shared.stream(connection.fd, |stream| (stream.sent, stream.read));
            assert_eq!(sent, read, "socket {}: bytes are lost", connection.fd);
        }
        self.connections.clear();
        (self.acceptor, self.file) = (None, None);
        self.tasks.clear();
        for round in 0..4 {
            sleep(Duration::from_nanos(1000)).await;
            if round == 0 {
                kernel.look_at_cancels(&self.shared.script);
            }
            kernel.cancel_all(&self.shared.script);
        }
        sleep(Duration::from_nanos(1000)).await;
        self.shared.ledger.check();
    }

    /// Takes what the sockets have in stock.
    fn drain(&self) {
        for connection in &self.connections {
            loop {
                let mut bytes = connection.receiver.recv();
                match Pin::new(&mut bytes).poll(&mut Context::from_waker(Waker::noop())) {
                    Poll::Ready(Ok(bytes)) if bytes.is_empty() => break,
                    Poll::Ready(Ok(bytes)) => self.shared.receive(connection.fd, bytes),
                    Poll::Ready(Err(_)) => {}
                    Poll::Pending => break,
                }
            }
        }
    }
}
