//! The bare arm: two threads that wake each other with an eventfd, and nothing else. The limit for a message to a thread
//! that sleeps.

use std::os::fd::AsFd;
use std::time::Duration;

use nix::sys::eventfd::{EfdFlags, EventFd};

use crate::Result;
use crate::local::Bench;
use crate::meter::Round;
use crate::workload::{Setting, ping_pong};

/// Each of the two threads writes once and reads once.
const CALLS_PER_TRIP: u64 = 4;

/// What is written when nothing follows.
const OVER: u64 = 2;

pub(crate) fn bench(setting: &Setting) -> Option<Box<dyn Bench>> {
    match setting {
        // Both threads sleep until they are woken, in either.
        Setting::PingPong { other_cpu } | Setting::Bell { other_cpu } => Some(Box::new(PingPong(*other_cpu))),
        _ => None,
    }
}

struct PingPong(usize);

impl Bench for PingPong {
    fn round(&mut self, length: Duration) -> Result<Vec<Round>> {
        let there = EventFd::from_value_and_flags(0, EfdFlags::EFD_CLOEXEC)?;
        let back = EventFd::from_value_and_flags(0, EfdFlags::EFD_CLOEXEC)?;
        let pong = || {
            while read(&there)? != OVER {
                back.write(1)?;
            }
            Ok(())
        };
        let round = ping_pong(length, self.0, pong, |trips| {
            while trips.begin() {
                there.write(1)?;
                read(&back)?;
                trips.end()?;
            }
            there.write(OVER)?;
            Ok(())
        })?;
        Ok(vec![Round { syscalls: Some(round.ops * CALLS_PER_TRIP), ..round }])
    }
}

fn read(event: &EventFd) -> Result<u64> {
    let mut count = [0; 8];
    nix::unistd::read(event.as_fd(), &mut count)?;
    Ok(u64::from_ne_bytes(count))
}
