//! What the tests share: a watchdog, a seed, a ring, and peers that are plain blocking sockets on threads.
//!
//! It knows the facade and the standard library. Whatever a test starts here ends by itself: peers have timeouts, and
//! the watchdog aborts a process that hangs.

use std::any::type_name;
use std::fs;
use std::io::{Read, Write};
use std::net::{SocketAddr, TcpStream as StdStream};
use std::process::Command;
use std::sync::mpsc;
use std::thread;
use std::time::{Duration, SystemTime};

use nix::sys::socket::{setsockopt, sockopt};
use nix::time::{ClockId, clock_gettime};
use uring::net::{TcpListener, TcpStream};
use uring::{Audit, Builder, Runtime, macro_support, time};

pub(crate) mod counted;
pub(crate) mod random;

pub(crate) use random::Random;

/// How long a test may take before it counts as hanging.
const HANG: Duration = Duration::from_secs(60);
/// How long a peer waits for bytes.
const PEER_TIMEOUT: Duration = Duration::from_secs(20);
/// Fixes the seed, to repeat what failed.
const SEED: &str = "URING_TEST_SEED";
/// Names the test that a child process runs alone.
const ALONE: &str = "URING_TEST_ALONE";

/// The test that a closure is the body of, as the harness names it.
fn name_of<F>(_body: &F) -> &'static str {
    let path = type_name::<F>();
    let path = path.split_once("::").map_or(path, |(_crate, rest)| rest);
    path.trim_end_matches("::{{closure}}")
}

fn seed() -> u64 {
    let fixed = std::env::var(SEED).ok().map(|text| text.parse().expect("a seed is a number"));
    fixed.unwrap_or_else(|| SystemTime::UNIX_EPOCH.elapsed().map_or(1, |age| age.as_nanos() as u64))
}

/// Runs the body of a test with random numbers, and aborts the process with the test's name and seed when it hangs.
pub(crate) fn watched<F: FnOnce(Random)>(body: F) {
    watch(name_of(&body), body);
}

fn watch(name: &'static str, body: impl FnOnce(Random)) {
    let seed = seed();
    println!("{name}: {SEED}={seed}");
    let (done, wait) = mpsc::channel::<()>();
    thread::spawn(move || {
        if wait.recv_timeout(HANG) == Err(mpsc::RecvTimeoutError::Timeout) {
            // Not `eprintln`, which the harness captures and an abort loses.
            let _ = writeln!(std::io::stderr(), "\n{name} hangs: {SEED}={seed}");
            std::process::abort();
        }
    });
    body(Random::new(seed));
    drop(done);
}

/// Runs the body of a test as [`watched`] does, in a process of its own: for those that count what belongs to the
/// whole process, such as descriptors.
pub(crate) fn alone<F: FnOnce(Random)>(body: F) {
    let name = name_of(&body);
    if std::env::var(ALONE).is_ok_and(|running| running == name) {
        return watched(body);
    }
    let program = std::env::current_exe().unwrap();
    let child =
        Command::new(program).args(["--exact", name, "--nocapture"]).env(ALONE, name).output().unwrap();
    let text = String::from_utf8_lossy(&child.stdout);
    println!("{text}{}", String::from_utf8_lossy(&child.stderr));
    assert!(child.status.success(), "{name} failed in a process of its own: {}", child.status);
    assert!(text.contains("1 passed"), "{name} was not found in a process of its own");
}

/// Runs the body of a test as [`watched`] does, on a ring with the defaults.
pub(crate) fn on_ring<F: AsyncFnOnce(Random)>(body: F) {
    watch(name_of(&body), |random| run(builder(), body(random)));
}

/// Runs a future on a ring of its own, and demands that the end leaks nothing and that no completion was a stranger.
pub(crate) fn run<F: Future>(builder: Builder, body: F) -> F::Output {
    let runtime = builder.build().unwrap();
    let output = runtime.block_on(body);
    nothing_is_left(runtime);
    output
}

/// Demands that nothing is outstanding once what was dropped is over, and that no completion was a stranger, and ends the
/// runtime.
#[track_caller]
pub(crate) fn nothing_is_left(runtime: Runtime) {
    // A thread of the kernel that sleeps may hold the last reference to a socket for five seconds.
    for _ in 0..12_000 {
        if runtime.audit().is_clear() {
            break;
        }
        runtime.block_on(async { time::sleep(Duration::from_millis(1)).await });
    }
    if !runtime.audit().is_clear() {
        // A test may have silenced the messages of panics.
        let _ = writeln!(std::io::stderr(), "this is left: {:?} {:?}", runtime.audit(), runtime.stats());
    }
    assert_eq!(runtime.audit(), Audit::default(), "this is left");
    let stats = runtime.stats();
    assert_eq!(stats.unknown, 0, "a completion came for no operation: {stats:?}");
    assert_eq!(runtime.shutdown(), 0, "operations were leaked");
}

/// A builder for the ring that tests use: without the features that the environment masks.
pub(crate) fn builder() -> Builder {
    macro_support::test_builder()
}

/// A blocking connection to `address`, which gives up on a peer that is silent.
pub(crate) fn dial(address: SocketAddr) -> StdStream {
    prepared(StdStream::connect(address).unwrap())
}

fn prepared(stream: StdStream) -> StdStream {
    stream.set_read_timeout(Some(PEER_TIMEOUT)).unwrap();
    stream.set_write_timeout(Some(PEER_TIMEOUT)).unwrap();
    stream.set_nodelay(true).unwrap();
    stream
}

/// A listener on a free port of the loopback, and where it is.
pub(crate) async fn listener() -> (TcpListener, SocketAddr) {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    (listener, address)
}

/// A connection: the ring's side and the peer's.
pub(crate) async fn pair() -> (TcpStream, StdStream) {
    let (listener, address) = listener().await;
    let peer = dial(address);
    let (stream, _) = listener.accept().await.unwrap();
    (stream, peer)
}

/// A connection whose peer, and the socket itself, take little at a time.
///
/// The segments are small: with those of the loopback a small window stalls until the kernel's timer probes it.
pub(crate) async fn narrow_pair() -> (TcpStream, StdStream) {
    let (listener, address) = listener().await;
    setsockopt(&listener, sockopt::TcpMaxSeg, &1400).unwrap();
    let peer = dial(address);
    setsockopt(&peer, sockopt::RcvBuf, &8192).unwrap();
    let (stream, _) = listener.accept().await.unwrap();
    setsockopt(&stream, sockopt::SndBuf, &8192).unwrap();
    (stream, peer)
}

/// Runs a peer on a thread.
pub(crate) fn peer<T: Send + 'static>(body: impl FnOnce() -> T + Send + 'static) -> thread::JoinHandle<T> {
    thread::spawn(body)
}

/// Waits for a peer without blocking the core.
pub(crate) async fn joined<T>(peer: thread::JoinHandle<T>) -> T {
    while !peer.is_finished() {
        time::sleep(Duration::from_micros(500)).await;
    }
    peer.join().unwrap()
}

/// Everything that the peer sends, up to its end.
pub(crate) fn read_to_end(mut peer: &StdStream) -> Vec<u8> {
    let mut bytes = Vec::new();
    peer.read_to_end(&mut bytes).unwrap();
    bytes
}

/// Waits until `found` gives what is expected, and fails with the last it gave after two seconds.
pub(crate) async fn settles<T: PartialEq + std::fmt::Debug>(mut found: impl FnMut() -> T, expected: T) {
    for _ in 0..2000 {
        if found() == expected {
            return;
        }
        time::sleep(Duration::from_millis(1)).await;
    }
    assert_eq!(found(), expected, "it did not settle within two seconds");
}

/// How many descriptors the process has open.
pub(crate) fn descriptors() -> usize {
    // One of them is that of the directory itself, each time.
    fs::read_dir("/proc/self/fd").unwrap().count()
}

/// How long the current thread has run on a CPU.
pub(crate) fn thread_cpu() -> Duration {
    Duration::from(clock_gettime(ClockId::CLOCK_THREAD_CPUTIME_ID).unwrap())
}

/// Bytes that tell their position, and the stream that they belong to.
pub(crate) fn pattern(stream: u64, from: usize, bytes: usize) -> Vec<u8> {
    (from..from + bytes).map(|position| pattern_at(stream, position)).collect()
}

/// The byte of a stream at a position. Each group of four bytes is the group's number, scrambled by the stream's.
pub(crate) fn pattern_at(stream: u64, position: usize) -> u8 {
    let word = (position as u64 / 4).wrapping_add(stream.wrapping_mul(0x9e37_79b9)) as u32;
    word.to_le_bytes()[position % 4]
}

/// Fails at the first byte that is not the stream's.
#[track_caller]
pub(crate) fn check_pattern(stream: u64, from: usize, bytes: &[u8]) {
    for (offset, byte) in bytes.iter().enumerate() {
        let position = from + offset;
        assert_eq!(*byte, pattern_at(stream, position), "stream {stream}: a wrong byte at {position}");
    }
}
