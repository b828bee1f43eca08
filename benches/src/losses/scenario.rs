//! The scenarios, written once over what all runtimes have.

use std::io;
use std::net::SocketAddr;
use std::path::Path;
use std::sync::atomic::Ordering;
use std::time::Duration;

use super::peer::{self, GAP_MICROS_MAX};
use super::{Found, Scenario};
use crate::Result;
use crate::pattern::Random;

/// A read: how many bytes, and the buffer that has them.
pub(super) type Received = (io::Result<usize>, Vec<u8>);

/// What a runtime must be able to do, each future of which may be dropped in the middle.
pub(super) trait Runtime: 'static {
    type Listener;
    type Stream: 'static;
    async fn bind() -> io::Result<(Self::Listener, SocketAddr)>;
    async fn accept(listener: &Self::Listener) -> io::Result<Self::Stream>;
    async fn connect(to: SocketAddr) -> io::Result<Self::Stream>;
    async fn read(stream: &mut Self::Stream, into: Vec<u8>) -> Received;
    async fn write_all(stream: &mut Self::Stream, bytes: Vec<u8>) -> io::Result<()>;
    async fn open(path: &Path) -> io::Result<()>;
    async fn timeout<F: Future>(limit: Duration, future: F) -> Option<F::Output>;
    async fn sleep(time: Duration);
    fn spawn(future: impl Future<Output = ()> + 'static);
}

/// Room of a read: some messages.
const ROOM: usize = 64;
/// What was dropped may take so long to be over.
const SETTLE: Duration = Duration::from_millis(300);
/// Bytes that a client sends and wants back.
const ANSWER: usize = 1;

fn deadline(random: &mut Random) -> Duration {
    Duration::from_micros(random.below(GAP_MICROS_MAX + 1))
}

fn descriptors() -> Result<i64> {
    Ok(i64::try_from(std::fs::read_dir("/proc/self/fd")?.count())?)
}

pub(super) async fn run<R: Runtime>(scenario: Scenario, count: u64, seed: u64) -> Result<Found> {
    let random = Random::new(seed ^ 0x5eed);
    match scenario {
        Scenario::Bytes => bytes::<R>(count, seed, random).await,
        Scenario::Connections => connections::<R>(count, seed, random).await,
        Scenario::Opens => opens::<R>(count, random).await,
        Scenario::Connects => connects::<R>(count, random).await,
    }
}

async fn bytes<R: Runtime>(count: u64, seed: u64, mut random: Random) -> Result<Found> {
    let (listener, address) = R::bind().await?;
    let before = descriptors()?;
    let sender = peer::send_messages(address, count, seed);
    let mut stream = R::accept(&listener).await?;
    let mut found = Found { of: count * 4, ..Found::default() };
    let mut check = Check::default();
    loop {
        match R::timeout(deadline(&mut random), R::read(&mut stream, Vec::with_capacity(ROOM))).await {
            None => found.dropped += 1,
            Some((received, buffer)) => match received? {
                0 => break,
                length => check.take(&buffer[..length]),
            },
        }
    }
    sender.join().map_err(|_| "the sender panicked")??;
    drop(stream);
    R::sleep(SETTLE).await;
    found.lost = found.of - check.bytes.min(found.of);
    found.disordered = if found.lost == 0 { check.disordered } else { 0 };
    found.descriptors = descriptors()? - before;
    Ok(found)
}

/// Looks at a stream of numbers as it comes.
#[derive(Default)]
struct Check {
    bytes: u64,
    next: u32,
    part: Vec<u8>,
    disordered: u64,
}

impl Check {
    fn take(&mut self, bytes: &[u8]) {
        self.bytes += bytes.len() as u64;
        self.part.extend_from_slice(bytes);
        let whole = self.part.len() / 4 * 4;
        for word in self.part[..whole].chunks_exact(4) {
            let expected = self.next.to_le_bytes();
            self.disordered += u64::from(word != expected.as_slice());
            self.next += 1;
        }
        self.part.drain(..whole);
    }
}

async fn connections<R: Runtime>(count: u64, seed: u64, mut random: Random) -> Result<Found> {
    let (listener, address) = R::bind().await?;
    let before = descriptors()?;
    let answers = peer::demand_answers(address, count, seed);
    let mut found = Found::default();
    while !answers.over.load(Ordering::SeqCst) {
        match R::timeout(deadline(&mut random), R::accept(&listener)).await {
            None => found.dropped += 1,
            Some(stream) => R::spawn(answer::<R>(stream?)),
        }
    }
    R::sleep(SETTLE).await;
    found.of = answers.asked.load(Ordering::SeqCst);
    found.lost = answers.silent.load(Ordering::SeqCst);
    found.descriptors = descriptors()? - before;
    Ok(found)
}

async fn answer<R: Runtime>(mut stream: R::Stream) {
    if let (Ok(ANSWER), byte) = R::read(&mut stream, Vec::with_capacity(ANSWER)).await {
        // A client that is gone by now counts itself.
        let _ = R::write_all(&mut stream, byte).await;
    }
}

async fn opens<R: Runtime>(count: u64, mut random: Random) -> Result<Found> {
    let path = std::env::current_exe()?;
    R::open(&path).await?;
    let before = descriptors()?;
    let mut found = Found { of: count, ..Found::default() };
    for _ in 0..count {
        // An open of a cached path takes microseconds: most deadlines are as short.
        let limit = deadline(&mut random) / (1 << random.below(7));
        match R::timeout(limit, R::open(&path)).await {
            None => found.dropped += 1,
            Some(opened) => opened?,
        }
    }
    R::sleep(SETTLE).await;
    found.descriptors = descriptors()? - before;
    Ok(found)
}

async fn connects<R: Runtime>(count: u64, mut random: Random) -> Result<Found> {
    let address = peer::take_connections()?;
    drop(R::connect(address).await?);
    R::sleep(SETTLE).await;
    let before = descriptors()?;
    let mut found = Found { of: count, ..Found::default() };
    for _ in 0..count {
        let limit = deadline(&mut random) / (1 << random.below(7));
        match R::timeout(limit, R::connect(address)).await {
            None => found.dropped += 1,
            Some(stream) => drop(stream?),
        }
    }
    R::sleep(SETTLE).await;
    found.descriptors = descriptors()? - before;
    Ok(found)
}

#[cfg(test)]
mod tests {
    use super::Check;

    #[test]
    fn numbers_are_followed_through_any_pieces() {
        let mut check = Check::default();
        let stream: Vec<u8> = (0..100_u32).flat_map(u32::to_le_bytes).collect();
        stream.chunks(7).for_each(|piece| check.take(piece));
        assert_eq!((check.bytes, check.disordered, check.next), (400, 0, 100));
    }

    #[test]
    fn a_number_that_comes_twice_is_seen() {
        let mut check = Check::default();
        [0, 1, 1, 2_u32].iter().for_each(|number| check.take(&number.to_le_bytes()));
        assert_eq!(check.disordered, 2);
    }
}
