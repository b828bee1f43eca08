//! Sending: a write that began is finished, whole, and later ones wait behind it.

use std::cell::Cell;
use std::io::ErrorKind;
use std::rc::Rc;

use uring_runtime::buf::BufResult;
use uring_runtime::task::{JoinHandle, spawn};
use uring_sys_shim::{Script, opcode};

use crate::buffers::Counted;
use crate::support::{Random, Rig, all, only, poll, quiet, socket, take};

/// B5. The breaks: `Send::orphaned` releases the line and drops the rest; `Write::poll` keeps the place as its own, so
/// that a dropped future calls the next one while its send is in flight.
#[test]
fn a_write_that_is_dropped_midway_is_finished_before_the_next() {
    let rig = Rig::new();
    let drops = Rc::new(Cell::new(0));
    rig.run(async |script| {
        let (_receiver, sender, _peer) = socket();
        let mut first = sender.write_all(Counted::of(b"first, whole ", &drops));
        assert!(poll(&mut first).is_pending());
        quiet().await;
        let mut wire = take(script, &only(script, opcode::SEND), 3);
        quiet().await;
        assert!(poll(&mut first).is_pending(), "a short send goes on");
        quiet().await;
        drop(first);
        let mut second = sender.write_all(Counted::of(b"second", &drops));
        assert!(poll(&mut second).is_pending());
        for count in [4, 1, 5] {
            quiet().await;
            assert!(poll(&mut second).is_pending());
            assert_eq!(drops.get(), 0, "the kernel has the first buffer");
            wire.extend(take(script, &only(script, opcode::SEND), count));
        }
        quiet().await;
        assert_eq!(drops.get(), 1);
        assert!(poll(&mut second).is_pending());
        quiet().await;
        wire.extend(take(script, &only(script, opcode::SEND), 6));
        quiet().await;
        assert!(second.await.is_ok());
        assert_eq!(wire, b"first, whole second");
    });
    rig.end();
}

/// B5. The break: `Write::drop` does not leave the line.
#[test]
fn a_write_that_has_not_begun_sends_nothing_when_it_is_dropped() {
    let rig = Rig::new();
    rig.run(async |script| {
        let (_receiver, sender, _peer) = socket();
        let mut writes: Vec<_> = [b"one", b"two", b"six"].map(|word| sender.write_all(word.to_vec())).into();
        for write in &mut writes {
            assert!(poll(write).is_pending());
        }
        quiet().await;
        drop(writes.remove(1));
        let mut wire = take(script, &only(script, opcode::SEND), 3);
        quiet().await;
        assert!(poll(&mut writes[0]).is_ready());
        assert!(poll(&mut writes[1]).is_pending());
        quiet().await;
        wire.extend(take(script, &only(script, opcode::SEND), 3));
        assert_eq!(wire, b"onesix");
    });
    rig.end();
}

/// B5. The break: `Send::orphaned` does not release the line when the send failed.
#[test]
fn a_dropped_write_that_fails_lets_the_next_one_have_its_turn() {
    let rig = Rig::new();
    rig.run(async |script| {
        let (_receiver, sender, _peer) = socket();
        let mut first = sender.write_all(vec![1; 8]);
        assert!(poll(&mut first).is_pending());
        quiet().await;
        drop(first);
        let mut second = sender.write(vec![2; 8]);
        assert!(poll(&mut second).is_pending());
        script.complete(&only(script, opcode::SEND), -libc::EPIPE);
        quiet().await;
        assert!(poll(&mut second).is_pending());
        quiet().await;
        script.complete(&only(script, opcode::SEND), -libc::ECONNRESET);
        quiet().await;
        let BufResult(result, buf) = second.await;
        assert_eq!(result.map_err(|error| error.kind()), Err(ErrorKind::ConnectionReset));
        assert_eq!(buf, [2; 8], "the buffer comes back with the error");
    });
    rig.end();
}

/// A frame: its number, its length, as many bytes, and a sum over all of that.
fn frame(number: u8, bytes: u64) -> Vec<u8> {
    let mut frame = vec![number, bytes as u8];
    frame.extend((0..bytes as u8).map(|byte| byte.wrapping_mul(31) ^ number));
    let sum = frame.iter().fold(7_u8, |sum, byte| sum.rotate_left(3) ^ byte);
    frame.push(sum);
    frame
}

/// The numbers of the frames on the wire, each of which must be whole.
fn frames(mut wire: &[u8], seed: u64) -> Vec<u8> {
    let mut numbers = Vec::new();
    while let [number, bytes, ..] = *wire {
        let whole = frame(number, u64::from(bytes));
        assert!(wire.starts_with(&whole), "seed {seed}: frame {number} is torn");
        wire = &wire[whole.len()..];
        numbers.push(number);
    }
    assert!(wire.is_empty(), "seed {seed}: half a frame at the end");
    numbers
}

type Writing = JoinHandle<BufResult<(), Vec<u8>>>;

/// Takes some of the send in flight, or lets it fail as an interruption does.
fn take_some(script: &Script, random: &mut Random, wire: &mut Vec<u8>) {
    let sends = all(script, opcode::SEND);
    assert!(sends.len() <= 1, "two sends in flight interleave their bytes");
    for sqe in sends {
        if random.below(6) == 0 {
            script.complete(&sqe, -libc::EINTR);
        } else {
            let count = 1 + random.below(u64::from(sqe.len)) as usize;
            wire.extend(take(script, &sqe, count));
        }
    }
}

fn check_frames(seed: u64) {
    let rig = Rig::new();
    let mut random = Random::new(seed);
    rig.run(async |script| {
        let (_receiver, sender, _peer) = socket();
        let sender = Rc::new(sender);
        let mut wire = Vec::new();
        let mut writing: Vec<(u8, Writing)> = Vec::new();
        let mut written = Vec::new();
        for number in 0..60 {
            let (sender, bytes) = (Rc::clone(&sender), frame(number, random.below(50)));
            writing.push((number, spawn(async move { sender.write_all(bytes).await })));
            for _ in 0..random.below(4) {
                quiet().await;
                take_some(script, &mut random, &mut wire);
            }
            let (done, still) = writing.drain(..).partition(|(_, write)| write.is_finished());
            writing = still;
            let done: Vec<_> = done;
            written.extend(done.iter().map(|(number, _)| *number));
            if !writing.is_empty() && random.below(2) == 0 {
                let gone = random.below(writing.len() as u64) as usize;
                writing.remove(gone).1.abort();
            }
        }
        quiet().await;
        while !all(script, opcode::SEND).is_empty() {
            take_some(script, &mut random, &mut wire);
            quiet().await;
        }
        let sent = frames(&wire, seed);
        assert!(sent.is_sorted(), "seed {seed}: in order: {sent:?}");
        written.extend(writing.iter().map(|(number, _)| *number));
        let is_missing = |number: &&u8| !sent.contains(number);
        assert_eq!(
            written.iter().find(is_missing),
            None,
            "seed {seed}: a write that was not dropped is missing"
        );
    });
    rig.end();
}

/// B5. The breaks: as above; `Send::after` counts from the beginning after a short send or an interruption.
#[test]
fn a_storm_of_dropped_writers_tears_no_frame() {
    for seed in 1..=200 {
        check_frames(seed);
    }
}

/// B5. The break: `Sender::shutdown` does not stand in the line.
#[test]
fn a_shutdown_waits_for_the_writes_that_have_begun() {
    let rig = Rig::new();
    rig.run(async |script| {
        let (_receiver, sender, _peer) = socket();
        let mut write = sender.write_all(vec![5; 10]);
        assert!(poll(&mut write).is_pending());
        quiet().await;
        drop(write);
        let mut shutdown = Box::pin(sender.shutdown());
        for count in [4, 6] {
            assert!(poll(&mut shutdown).is_pending());
            quiet().await;
            assert!(all(script, opcode::SHUTDOWN).is_empty());
            take(script, &only(script, opcode::SEND), count);
            quiet().await;
        }
        assert!(poll(&mut shutdown).is_pending());
        quiet().await;
        script.complete(&only(script, opcode::SHUTDOWN), 0);
        quiet().await;
        assert!(shutdown.await.is_ok());
    });
    rig.end();
}
