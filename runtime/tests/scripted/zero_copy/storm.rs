//! Writers of both kinds on one socket, dropped at any time, with everything that a kernel may answer.

use std::cell::Cell;
use std::rc::Rc;

use uring_runtime::buf::BufResult;
use uring_runtime::task::{JoinHandle, spawn};
use uring_sys_shim::{Script, Sqe, opcode};

use super::COPIED;
use crate::buffers::Counted;
use crate::support::{Random, Rig, all, notify, queue, quiet, take};

const MESSAGES: usize = 60;

/// A message: its number, and bytes that say whose they are and where they stand.
fn message(number: usize) -> Vec<u8> {
    let rest = (1..=number * 7 % 31).map(|at| ((at * 37) ^ number) as u8);
    std::iter::once(number as u8).chain(rest).collect()
}

/// The numbers on the wire, each of whose messages must be whole.
fn numbers(mut wire: &[u8], seed: u64) -> Vec<usize> {
    let mut numbers = Vec::new();
    while let [number, ..] = *wire {
        let whole = message(usize::from(number));
        assert!(wire.starts_with(&whole), "seed {seed}: message {number} is torn");
        wire = &wire[whole.len()..];
        numbers.push(usize::from(number));
    }
    numbers
}

/// The kernel's side of the socket.
#[derive(Default)]
struct Kernel {
    wire: Vec<u8>,
    /// Sends that have had their result, and not their notification.
    held: Vec<Sqe>,
}

impl Kernel {
    /// Does one thing that a kernel may do.
    fn step(&mut self, script: &Script, random: &mut Random) {
        if !self.held.is_empty() && random.below(3) == 0 {
            let which = random.below(self.held.len() as u64) as usize;
            let sqe = self.held.swap_remove(which);
            return notify(script, &sqe, random.pick(&[0, COPIED]));
        }
        let held = &self.held;
        let mut sends = all(script, opcode::SEND_ZC);
        sends.retain(|sqe| !held.contains(sqe));
        sends.extend(all(script, opcode::SEND));
        assert!(sends.len() <= 1, "two sends without a result interleave their bytes");
        let Some(sqe) = sends.first() else { return };
        let errno = random.pick(&[libc::EINTR, libc::ECANCELED, libc::ENOMEM]);
        let count = 1 + random.below(u64::from(sqe.len)) as usize;
        match (sqe.opcode, random.below(6)) {
            (opcode::SEND_ZC, 0) => {
                script.complete_more(sqe, -errno);
                self.held.push(*sqe);
            }
            (opcode::SEND_ZC, 1) => script.complete(sqe, -errno),
            (opcode::SEND_ZC, kind) => {
                let count = if kind == 2 { count } else { sqe.len as usize };
                self.wire.extend(queue(script, sqe, count));
                self.held.push(*sqe);
            }
            (_, 0) => script.complete(sqe, -libc::EINTR),
            _ => self.wire.extend(take(script, sqe, count)),
        }
    }
}

type Writing = JoinHandle<BufResult<(), Counted>>;

fn check(seed: u64) {
    let rig = Rig::new();
    let mut random = Random::new(seed);
    let drops = Rc::new(Cell::new(0));
    rig.run(async |script| {
        let (_receiver, sender, _peer) = crate::support::socket();
        let sender = Rc::new(sender);
        let mut kernel = Kernel::default();
        let mut writing: Vec<(usize, Writing)> = Vec::new();
        for number in 0..MESSAGES {
            let (sender, bytes) = (Rc::clone(&sender), Counted::of(&message(number), &drops));
            writing.push((
                number,
                match random.below(3) {
                    0 => spawn(async move { sender.write_all(bytes).await }),
                    _ => spawn(async move { sender.write_all_zero_copy(bytes).await }),
                },
            ));
            for _ in 0..random.below(5) {
                quiet().await;
                kernel.step(script, &mut random);
            }
            if random.below(3) == 0 {
                let gone = random.below(writing.len() as u64) as usize;
                writing.remove(gone).1.abort();
            }
        }
        for _ in 0..20_000 {
            quiet().await;
            if all(script, opcode::SEND_ZC).is_empty() && all(script, opcode::SEND).is_empty() {
                break;
            }
            kernel.step(script, &mut random);
        }
        let sent = numbers(&kernel.wire, seed);
        assert!(sent.is_sorted(), "seed {seed}: in order: {sent:?}");
        for (number, write) in writing {
            assert!(sent.contains(&number), "seed {seed}: message {number} is missing");
            let BufResult(result, buf) = write.await.expect("it was not aborted");
            assert!(result.is_ok(), "seed {seed}: message {number}: {result:?}");
            drop(buf);
        }
        assert_eq!(drops.get(), MESSAGES, "seed {seed}: every buffer is back");
    });
    rig.end();
}

/// A8, B5. The breaks: `SendZeroCopy` leaves the line a second time with its last completion; the drop of its future leaves
/// it; a rest begins at the beginning.
#[test]
fn a_storm_of_writers_with_and_without_a_copy_tears_and_reorders_no_message() {
    for seed in 1..=200 {
        check(seed);
    }
}
