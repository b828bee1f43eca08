//! Memory that the kernel can see: who owns it until when, and how much of it a submission may name.

use std::cell::Cell;
use std::io::ErrorKind;
use std::os::unix::process::ExitStatusExt;
use std::process::Command;
use std::rc::Rc;

use uring_runtime::buf::{BufResult, IoBuf, IoBufMut};
use uring_runtime::task::spawn;
use uring_sys_shim::{Script, Sqe, opcode};

use crate::buffers::{Counted, Huge};
use crate::support::{
    Random, Rig, Then, all, answer, assert_keys_are_unique, deliver, file, only, poll, post, quiet, receiver,
    socket,
};

/// Drops eight reads, and answers their cancels and the reads themselves in any order.
fn check_cancels(seed: u64) {
    let rig = Rig::new();
    let mut random = Random::new(seed);
    let drops = Rc::new(Cell::new(0));
    rig.run(async |script| {
        let file = file();
        let mut reads: Vec<_> = Vec::new();
        for _ in 0..8 {
            let mut read = Box::pin(file.read_at(Counted::new(16, &drops), 0));
            assert!(poll(&mut read).is_pending());
            reads.push(read);
        }
        quiet().await;
        drop(reads);
        quiet().await;
        let mut events: Vec<Sqe> = all(script, opcode::READ);
        events.extend(script.submitted_with(opcode::ASYNC_CANCEL));
        assert_eq!(events.len(), 16, "each read was cancelled");
        let mut ended = 0;
        while !events.is_empty() {
            let event = events.swap_remove(random.below(events.len() as u64) as usize);
            if event.opcode == opcode::READ {
                answer(script, &event, b"late bytes");
                ended += 1;
            } else {
                post(script, event.user_data, random.pick(&[0, -libc::ENOENT, -libc::EALREADY]));
            }
            quiet().await;
            assert_eq!(drops.get(), ended, "seed {seed}: a buffer lives until its read's own completion");
        }
    });
    assert_eq!(rig.stats().unknown, 0);
    rig.end();
}

/// A3. The break: `Records::abandon` hands a record in flight out as cancelled, instead of leaving it `Orphaned`.
#[test]
fn a_cancels_answer_never_retires_the_operation_that_it_names() {
    for seed in 1..=100 {
        check_cancels(seed);
    }
}

/// A11. The break: `Records::find` without the comparison of generations.
#[test]
fn a_completion_of_an_earlier_operation_in_the_same_place_is_rejected() {
    let rig = Rig::new();
    rig.run(async |script| {
        let file = Rc::new(file());
        let mut stale = Vec::new();
        for round in 1..=50_usize {
            let read = spawn({
                let file = Rc::clone(&file);
                async move { file.read_at(Vec::with_capacity(64), 0).await }
            });
            quiet().await;
            let sqe = only(script, opcode::READ);
            assert!(
                stale.iter().all(|key: &u64| *key as u32 == sqe.user_data as u32),
                "the place is used again"
            );
            for key in &stale {
                post(script, *key, 63);
            }
            quiet().await;
            assert!(!read.is_finished(), "a stale completion was delivered");
            answer(script, &sqe, &vec![7; round]);
            let BufResult(result, buf) = read.await.expect("no panic");
            assert_eq!((result.ok(), buf.len()), (Some(round), round));
            stale.push(sqe.user_data);
        }
        assert_keys_are_unique(script);
    });
    assert_eq!(rig.stats().unknown, (0..50).sum::<u64>());
    rig.end();
}

/// A11. The break: `Records::deliver` replaces the completion of a `Completed` record.
#[test]
fn the_second_of_two_last_completions_changes_nothing() {
    let rig = Rig::new();
    rig.run(async |script| {
        let file = file();
        let mut read = Box::pin(file.read_at(Vec::with_capacity(64), 0));
        assert!(poll(&mut read).is_pending());
        quiet().await;
        let sqe = only(script, opcode::READ);
        answer(script, &sqe, b"five!");
        post(script, sqe.user_data, 64);
        quiet().await;
        let BufResult(result, buf) = read.await;
        assert_eq!((result.ok(), buf.as_slice()), (Some(5), b"five!".as_slice()));
    });
    assert_eq!(rig.stats().unknown, 1);
    rig.end();
}

/// Runs this test again as a child of its own, in which `overrun` lets the kernel lie.
fn check_abort(case: &str) {
    let test = "memory::a_completion_that_says_more_than_there_was_room_for_aborts";
    let exe = std::env::current_exe().expect("a test knows itself");
    let child = Command::new(exe).args(["--exact", test]).env("URING_OVERRUN", case).output();
    let status = child.expect("a test can be run").status;
    assert_eq!(status.signal(), Some(libc::SIGABRT), "{case}: the process aborts, not {status}");
}

/// The kernel says that it wrote one byte more than there was room for.
fn overrun(case: &str) {
    let rig = Rig::new();
    rig.run(async |script| {
        let (file, receiver) = (file(), receiver());
        let room = || Vec::with_capacity(100);
        match case {
            "file" => assert!(poll(&mut Box::pin(file.read_at(room(), 0))).is_pending()),
            "socket" => assert!(poll(&mut receiver.read(room())).is_pending()),
            _ => assert!(poll(&mut receiver.recv()).is_pending()),
        }
        quiet().await;
        // The futures are gone: the orphan step must look, too. For a file's read nobody takes the result.
        let code = if case == "file" { opcode::READ } else { opcode::RECV };
        let sqe = only(script, code);
        match case {
            "file" | "socket" => script.complete(&sqe, 101),
            "pool, last" => assert!(deliver(script, &sqe, &[0; 65], Then::Last)),
            _ => assert!(deliver(script, &sqe, &[0; 65], Then::More)),
        }
        quiet().await;
    });
    rig.end();
}

/// As `overrun`, with a future that takes the result.
fn overrun_taken(case: &str) {
    let rig = Rig::new();
    rig.run(async |script| {
        let file = file();
        let mut read = Box::pin(file.read_at(Vec::with_capacity(100), 0));
        let receiver = receiver();
        let mut receive = receiver.read(Vec::with_capacity(100));
        if case == "file, taken" {
            assert!(poll(&mut read).is_pending());
        } else {
            assert!(poll(&mut receive).is_pending());
        }
        quiet().await;
        let sqe = script.in_flight()[1];
        script.complete(&sqe, 101);
        quiet().await;
        let _ = poll(&mut read).is_ready() || poll(&mut receive).is_ready();
    });
}

/// A12. The breaks: clamping in `received`; a panic instead of the abort in `RecvPooled::bytes`.
#[test]
fn a_completion_that_says_more_than_there_was_room_for_aborts() {
    match std::env::var("URING_OVERRUN").as_deref() {
        Ok(case) if case.ends_with("taken") => overrun_taken(case),
        Ok(case) => overrun(case),
        Err(_) => {
            let cases = ["file, taken", "socket, taken", "socket", "pool, last", "pool, more"];
            cases.into_iter().for_each(check_abort);
        }
    }
}

/// A13. The break: no look at the length in `File::read_behind`, `write_behind`, `Write::poll` or `Read::is_done`.
#[test]
fn an_empty_buffer_is_answered_without_a_submission_and_is_no_end() {
    let rig = Rig::new();
    rig.run(async |script| {
        let file = file();
        let (receiver, sender, _peer) = socket();
        let vec = Vec::<u8>::new;
        assert_eq!(file.read_at(vec(), 3).await.0.ok(), Some(0));
        assert_eq!(file.read_at(vec![1, 2].slice_mut(1..1), 3).await.0.ok(), Some(0));
        assert!(file.read_exact_at(vec(), 3).await.is_ok());
        assert_eq!(file.write_at(vec(), 3).await.0.ok(), Some(0));
        // Room is not content: a write sends what is initialised.
        assert_eq!(file.write_at(Vec::with_capacity(10), 3).await.0.ok(), Some(0));
        assert!(file.write_all_at(vec![1].slice(0..0), 3).await.is_ok());
        assert_eq!(receiver.read(vec()).await.0.ok(), Some(0));
        assert!(receiver.read_exact(vec()).await.is_ok());
        assert_eq!(sender.write(vec()).await.0.ok(), Some(0));
        assert!(sender.write_all(vec()).await.is_ok());
        quiet().await;
        assert_eq!(script.submitted().len(), 1, "only the bell's read");

        let read = spawn(async move { receiver.read(Vec::with_capacity(4)).await });
        quiet().await;
        deliver(script, &only(script, opcode::RECV), b"more", Then::Last);
        let BufResult(result, buf) = read.await.expect("no panic");
        assert_eq!((result.ok(), buf.as_slice()), (Some(4), b"more".as_slice()), "the stream has not ended");
    });
    rig.end();
}

const GIB: usize = 1 << 30;
/// `MAX_RW_COUNT`, `read(2)`.
const CLAMP: usize = 0x7fff_f000;

/// Answers submissions of `code` with these counts and checks what each names.
async fn check_lengths(script: &Script, code: u8, start: u64, offset: Option<u64>, counts: &[usize]) {
    let mut done = 0;
    for count in counts {
        quiet().await;
        let sqe = only(script, code);
        assert_eq!(sqe.len as usize, (5 * GIB - done).min(CLAMP));
        assert_eq!(sqe.addr, start + done as u64);
        assert_eq!(sqe.off, offset.map_or(0, |offset| offset + done as u64));
        script.complete(&sqe, *count as i32);
        done += count;
    }
    assert_eq!(done, 5 * GIB);
    quiet().await;
}

/// How the kernel might take 5 GiB, with short counts in between.
const COUNTS: [usize; 5] = [CLAMP, 4096, GIB, CLAMP, 5 * GIB - 2 * CLAMP - GIB - 4096];

/// A14. The break: `clamp` without its `min`.
#[test]
fn five_gibibytes_of_a_file_are_read_and_written_in_clamped_pieces() {
    let rig = Rig::new();
    rig.run(async |script| {
        let file = Rc::new(file());
        let (buf, at) = (Huge::new(5 * GIB), 77_u64);
        let start = buf.address();
        let other = Rc::clone(&file);
        let read = spawn(async move { other.read_exact_at(buf, at).await });
        check_lengths(script, opcode::READ, start, Some(at), &COUNTS).await;
        let BufResult(result, buf) = read.await.expect("no panic");
        assert!(result.is_ok());
        assert_eq!(buf.init, 5 * GIB);
        let write = spawn(async move { file.write_all_at(buf, at).await });
        check_lengths(script, opcode::WRITE, start, Some(at), &COUNTS).await;
        assert!(write.await.expect("no panic").is_ok());
    });
    rig.end();
}

/// A14. The break: `Send::entry` or `RecvInto::entry` without what is done already.
#[test]
fn five_gibibytes_of_a_stream_are_received_and_sent_in_clamped_pieces() {
    let rig = Rig::new();
    rig.run(async |script| {
        let (receiver, sender, _peer) = socket();
        let buf = Huge::new(5 * GIB);
        let start = buf.address();
        let read = spawn(async move { receiver.read_exact(buf).await });
        check_lengths(script, opcode::RECV, start, None, &COUNTS).await;
        let BufResult(result, buf) = read.await.expect("no panic");
        assert_eq!((result.ok(), buf.init), (Some(()), 5 * GIB));
        let write = spawn(async move { sender.write_all(buf).await });
        check_lengths(script, opcode::SEND, start, None, &COUNTS).await;
        assert!(write.await.expect("no panic").is_ok());
    });
    rig.end();
}

/// A14. The break: `position` without its filter, which makes the last offset the file's own position.
#[test]
fn an_offset_that_no_file_has_is_refused_without_a_submission() {
    let rig = Rig::new();
    rig.run(async |script| {
        let file = file();
        for offset in [u64::MAX, 1 << 63, (1 << 63) | 5] {
            let BufResult(read, buf) = file.read_at(vec![0; 8], offset).await;
            let BufResult(write, _) = file.write_at(buf, offset).await;
            let kinds = [read, write].map(|result| result.map_err(|error| error.kind()));
            assert_eq!(kinds, [Err(ErrorKind::InvalidInput); 2]);
        }
        assert!(all(script, opcode::READ).is_empty());
    });
    rig.end();
}
