//! Short reads and short writes: every way in which a small message can come in pieces.

use std::io::ErrorKind;
use std::ops::Range;
use std::rc::Rc;

use uring_runtime::buf::BufResult;
use uring_runtime::fs::File;
use uring_runtime::io::{Receiver, Sender};
use uring_runtime::task::spawn;
use uring_sys_shim::{Script, Sqe};

use crate::support::{Rig, Then, answer, deliver, file, quiet, socket, take};

/// The longest message. Its splits are 2^15.
const BYTES: usize = 16;
/// Splits that share a runtime.
const CHUNK: u32 = 1 << 10;

const MESSAGE: &[u8; BYTES] = b"0123456789abcdef";

/// The pieces of a message of `bytes` bytes: a cut behind the byte i where bit i is set.
fn pieces(bytes: usize, cuts: u32) -> impl Iterator<Item = Range<usize>> {
    let mut start = 0;
    (1..=bytes).filter(move |end| *end == bytes || cuts & (1 << (end - 1)) != 0).map(move |end| {
        let piece = start..end;
        start = end;
        piece
    })
}

/// The one submission in flight besides the bell's.
fn next(script: &Script) -> Sqe {
    let in_flight = script.in_flight();
    assert_eq!(in_flight.len(), 2, "one operation at a time");
    in_flight[1]
}

/// A read brings this piece. A signal comes first at every other one: it must change nothing.
async fn bring(script: &Script, piece: Range<usize>) -> Sqe {
    quiet().await;
    if piece.start % 2 == 1 && next(script).flags & Sqe::BUFFER_SELECT == 0 {
        script.complete(&next(script), -libc::EINTR);
        quiet().await;
    }
    let sqe = next(script);
    let bytes = &MESSAGE[piece];
    if sqe.flags & Sqe::BUFFER_SELECT == 0 {
        answer(script, &sqe, bytes);
    } else {
        assert!(deliver(script, &sqe, bytes, Then::Last));
    }
    sqe
}

/// A write takes this piece, after a signal as above.
async fn fetch(script: &Script, piece: Range<usize>, wire: &mut Vec<u8>) -> Sqe {
    quiet().await;
    if piece.start % 2 == 1 {
        script.complete(&next(script), -libc::EINTR);
        quiet().await;
    }
    let sqe = next(script);
    wire.extend(take(script, &sqe, piece.len()));
    sqe
}

/// What the splits are tried on.
struct Pieces {
    file: Rc<File>,
    receiver: Rc<Receiver>,
    sender: Rc<Sender>,
}

/// Calls `check` for every split of every message of up to 8 bytes and of one of `bytes_max` bytes, whose splits begin
/// with those of all that are shorter.
fn each_split(bytes_max: usize, check: impl AsyncFn(&Script, &Pieces, usize, u32)) {
    for bytes in (1..=8).chain((bytes_max > 8).then_some(bytes_max)) {
        let splits = 1_u32 << (bytes - 1);
        for chunk in (0..splits).step_by(CHUNK as usize) {
            let rig = Rig::new();
            rig.run(async |script| {
                let (receiver, sender, _peer) = socket();
                let (receiver, sender) = (Rc::new(receiver), Rc::new(sender));
                let pieces = Pieces { file: Rc::new(file()), receiver, sender };
                for cuts in chunk..splits.min(chunk + CHUNK) {
                    check(script, &pieces, bytes, cuts).await;
                }
            });
            rig.end();
        }
    }
}

/// B9. The break: `read_exact_at` without `filled` in the offset or the address, or without its loop.
#[test]
fn read_exact_at_fills_the_buffer_whatever_pieces_come() {
    each_split(BYTES, async |script, on, bytes, cuts| {
        let file = Rc::clone(&on.file);
        let read = spawn(async move { file.read_exact_at(vec![0; bytes].into_boxed_slice(), 100).await });
        for piece in pieces(bytes, cuts) {
            let offset = 100 + piece.start as u64;
            assert_eq!(bring(script, piece).await.off, offset);
        }
        let BufResult(result, buf) = read.await.expect("no panic");
        assert!(result.is_ok(), "{cuts:b}");
        assert_eq!(&buf[..], &MESSAGE[..bytes], "{cuts:b}");
    });
}

/// B9. The break: `write_all_at` without `done` in the offset or the address, or without its loop.
#[test]
fn write_all_at_writes_the_buffer_whatever_pieces_go() {
    each_split(BYTES, async |script, on, bytes, cuts| {
        let file = Rc::clone(&on.file);
        let write = spawn(async move { file.write_all_at(&MESSAGE[..bytes], 100).await });
        let mut wire = Vec::new();
        for piece in pieces(bytes, cuts) {
            let offset = 100 + piece.start as u64;
            assert_eq!(fetch(script, piece, &mut wire).await.off, offset);
        }
        assert!(write.await.expect("no panic").is_ok(), "{cuts:b}");
        assert_eq!(wire, &MESSAGE[..bytes], "{cuts:b}");
    });
}

/// B9. The break: `append` writes over what is there.
#[test]
fn read_exact_fills_the_buffer_whatever_pieces_come() {
    each_split(BYTES, async |script, on, bytes, cuts| {
        let receiver = Rc::clone(&on.receiver);
        let read = spawn(async move { receiver.read_exact(Vec::with_capacity(bytes)).await });
        for piece in pieces(bytes, cuts) {
            bring(script, piece).await;
        }
        let BufResult(result, buf) = read.await.expect("no panic");
        assert!(result.is_ok(), "{cuts:b}");
        assert_eq!(buf, &MESSAGE[..bytes], "{cuts:b}");
    });
}

/// B9. The break: `RecvInto::entry` without `filled`.
#[test]
fn read_exact_into_a_large_buffer_fills_it_whatever_pieces_come() {
    each_split(12, async |script, on, bytes, cuts| {
        let receiver = Rc::clone(&on.receiver);
        let read = spawn(async move { receiver.read_exact(Vec::with_capacity(100 + bytes)).await });
        for piece in pieces(bytes, cuts) {
            bring(script, piece).await;
        }
        quiet().await;
        answer(script, &next(script), &[b'x'; 36]);
        quiet().await;
        // The last 64 bytes fit into a buffer of the pool: that is what they come in.
        assert!(deliver(script, &next(script), &[b'y'; 64], Then::Last));
        let BufResult(result, buf) = read.await.expect("no panic");
        assert!(result.is_ok(), "{cuts:b}");
        assert_eq!(&buf[..bytes], &MESSAGE[..bytes], "{cuts:b}");
        assert_eq!(&buf[bytes..], [[b'x'; 36].as_slice(), &[b'y'; 64]].concat(), "{cuts:b}");
    });
}

/// B9. The break: `Send::after` does not add to `done`, or ends after a short send.
#[test]
fn write_all_sends_the_buffer_whatever_pieces_go() {
    each_split(BYTES, async |script, on, bytes, cuts| {
        let sender = Rc::clone(&on.sender);
        let write = spawn(async move { sender.write_all(&MESSAGE[..bytes]).await });
        let mut wire = Vec::new();
        for piece in pieces(bytes, cuts) {
            fetch(script, piece, &mut wire).await;
        }
        assert!(write.await.expect("no panic").is_ok(), "{cuts:b}");
        assert_eq!(wire, &MESSAGE[..bytes], "{cuts:b}");
    });
}

/// B9. The break: `Ok(0)` is `Ok(())` in `read_exact_at`, or `Found::End` ends any read well.
#[test]
fn an_end_in_the_middle_is_an_unexpected_eof_that_keeps_what_came() {
    let ends = |kind: Result<(), ErrorKind>| assert_eq!(kind, Err(ErrorKind::UnexpectedEof));
    each_split(8, async |script, on, bytes, cuts| {
        let file = Rc::clone(&on.file);
        let read = spawn(async move { file.read_exact_at(Vec::with_capacity(bytes + 3), 0).await });
        for piece in pieces(bytes, cuts) {
            bring(script, piece).await;
        }
        quiet().await;
        script.complete(&next(script), 0);
        let BufResult(result, buf) = read.await.expect("no panic");
        ends(result.map_err(|error| error.kind()));
        assert_eq!(buf, &MESSAGE[..bytes]);

        // A stream ends only once, so it has a socket of its own.
        let (receiver, _sender, _peer) = socket();
        let read = spawn(async move { receiver.read_exact(Vec::with_capacity(bytes + 3)).await });
        for piece in pieces(bytes, cuts) {
            bring(script, piece).await;
        }
        quiet().await;
        script.complete(&next(script), 0);
        let BufResult(result, buf) = read.await.expect("no panic");
        ends(result.map_err(|error| error.kind()));
        assert_eq!(buf, &MESSAGE[..bytes]);
    });
}

/// B9. The break: `Ok(0)` goes round the loop again, for ever.
#[test]
fn a_write_that_takes_nothing_is_an_error() {
    let rig = Rig::new();
    rig.run(async |script| {
        let (_receiver, sender, _peer) = socket();
        let file = file();
        let write = spawn(async move { sender.write_all(vec![1, 2]).await.0 });
        let write_at = spawn(async move { file.write_all_at(vec![1, 2], 0).await.0 });
        quiet().await;
        script.in_flight()[1..].iter().for_each(|sqe| script.complete(sqe, 0));
        for write in [write, write_at] {
            let result = write.await.expect("no panic");
            assert_eq!(result.map_err(|error| error.kind()), Err(ErrorKind::WriteZero));
        }
    });
    rig.end();
}
