//! The other ends: blocking sockets on threads of their own, with timeouts, so that they end whatever the arm does.

use std::io::{Read, Write};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::thread::{self, JoinHandle};
use std::time::Duration;

use crate::pattern::Random;

/// A client that hears nothing for so long was forgotten.
const SILENCE: Duration = Duration::from_millis(500);
/// After so many of them the storm ends early: each costs half a second.
const SILENT_MAX: u64 = 100;
/// Gaps between messages, in microseconds at most.
pub(super) const GAP_MICROS_MAX: u64 = 300;
/// Every so many messages come without gaps.
const BURST: u64 = 8;

fn pause(random: &mut Random) {
    thread::sleep(Duration::from_micros(random.below(GAP_MICROS_MAX)));
}

/// Sends numbered messages of four bytes, with a gap after each burst, and ends the stream.
pub(super) fn send_messages(to: SocketAddr, count: u64, seed: u64) -> JoinHandle<std::io::Result<()>> {
    thread::spawn(move || {
        let mut random = Random::new(seed);
        let mut stream = TcpStream::connect(to)?;
        stream.set_nodelay(true)?;
        for number in 0..count {
            stream.write_all(&(number as u32).to_le_bytes())?;
            if number % BURST == 0 {
                pause(&mut random);
            }
        }
        Ok(())
    })
}

/// What clients that demand an answer have got.
#[derive(Default)]
pub(super) struct Answers {
    pub(super) silent: AtomicU64,
    pub(super) asked: AtomicU64,
    pub(super) over: AtomicBool,
}

/// Connects again and again, each time for one byte that must come back.
pub(super) fn demand_answers(to: SocketAddr, count: u64, seed: u64) -> Arc<Answers> {
    let answers = Arc::new(Answers::default());
    let told = Arc::clone(&answers);
    thread::spawn(move || {
        let mut random = Random::new(seed);
        for number in 0..count {
            told.asked.fetch_add(1, Ordering::SeqCst);
            if ask(to, number as u8).is_err() && told.silent.fetch_add(1, Ordering::SeqCst) + 1 >= SILENT_MAX
            {
                break;
            }
            pause(&mut random);
        }
        told.over.store(true, Ordering::SeqCst);
    });
    answers
}

fn ask(to: SocketAddr, byte: u8) -> std::io::Result<()> {
    let mut stream = TcpStream::connect(to)?;
    stream.set_read_timeout(Some(SILENCE))?;
    stream.write_all(&[byte])?;
    let mut answer = [0];
    stream.read_exact(&mut answer)?;
    if answer == [byte] { Ok(()) } else { Err(std::io::ErrorKind::InvalidData.into()) }
}

/// A listener whose connections are taken and closed at once, by a thread that lives as long as the process.
pub(super) fn take_connections() -> std::io::Result<SocketAddr> {
    let listener = TcpListener::bind("127.0.0.1:0")?;
    let address = listener.local_addr()?;
    thread::spawn(move || listener.incoming().for_each(drop));
    Ok(address)
}
