//! Many operations in flight, operations whose futures are dropped, and what a close waits for (hazards A16, B4, B10).

use std::fs;
use std::io::{self, Read, Write};
use std::os::fd::{AsRawFd, OwnedFd};
use std::path::Path;
use std::pin::Pin;

use nix::fcntl::{FcntlArg, OFlag, fcntl};
use nix::libc;
use uring::buf::{BufResult, IoBufMut};
use uring::fs::{File, OpenOptions};
use uring::macro_support::test_builder;
use uring::time::{Duration, sleep};
use uring::{spawn, stats, yield_now};

use crate::alone::{alone, on_a_core};
use crate::buffers::aligned;
use crate::kit::{Random, Scratch, descriptors, pattern, poll_once, until};

#[test]
fn a_thousand_reads_are_in_flight_at_once_and_each_gets_its_own_bytes() {
    on_a_core(async {
        const BYTES: usize = 4096;
        let scratch = Scratch::new();
        let content = pattern(1, 1000 * BYTES);
        let file = std::rc::Rc::new(File::open(scratch.file("a", &content)).await.unwrap());
        let before = stats().in_flight;
        let tasks: Vec<_> = (0..1000)
            .map(|number| {
                let file = std::rc::Rc::clone(&file);
                let read =
                    async move { file.read_at(Vec::with_capacity(BYTES), (number * BYTES) as u64).await };
                spawn(read)
            })
            .collect();
        let mut most = 0;
        while stats().tasks > 0 {
            most = most.max(stats().in_flight - before);
            yield_now().await;
        }
        for (number, task) in tasks.into_iter().enumerate() {
            let (bytes, buf) = task.await.unwrap().into_result().unwrap();
            assert_eq!(bytes, BYTES);
            assert!(buf == content[number * BYTES..][..BYTES], "the bytes of another place");
        }
        assert!(most >= 100, "at most {most} were in flight at once");
    });
}

/// Opens a file past the page cache, where the file system can.
async fn open_direct(path: &Path) -> Option<File> {
    match OpenOptions::new().read(true).custom_flags(libc::O_DIRECT).open(path).await {
        Ok(file) => Some(file),
        Err(error) if error.raw_os_error() == Some(libc::EINVAL) => {
            println!("skipped: this file system has no O_DIRECT");
            None
        }
        Err(error) => panic!("{error}"),
    }
}

#[test]
fn a_read_past_the_page_cache_brings_what_is_on_the_disk() {
    on_a_core(async {
        let scratch = Scratch::new();
        let content = pattern(1, 8 << 20);
        let path = scratch.file("a", &content);
        fs::File::open(&path).unwrap().sync_all().unwrap();
        let Some(file) = open_direct(&path).await else { return };
        let ((), buf) = file.read_exact_at(aligned(8 << 20), 0).await.into_result().unwrap();
        assert!(*buf == content[..]);
        let BufResult(result, _) = file.read_at(aligned(8192).into_inner().slice_mut(1..4097), 0).await;
        assert_eq!(result.unwrap_err().raw_os_error(), Some(libc::EINVAL), "a start that the disk can't use");
    });
}

#[test]
fn opens_that_are_dropped_at_any_moment_leave_no_descriptor_behind() {
    // Hazard B4. The break: `mem::forget(descriptor(cqe))` in `Open::orphaned`.
    alone(|| {
        let mut random = Random::new();
        let scratch = Scratch::new();
        let path = scratch.file("a", "content");
        let runtime = test_builder().build().unwrap();
        let before = descriptors();
        let (mut opened, mut dropped) = (0, 0);
        runtime.block_on(async {
            let busy = stats().in_flight;
            let mut waiting = Vec::new();
            for _ in 0..10_000 {
                let mut open = Box::pin(File::open(&path));
                let polls = random.below(4);
                if polls > 0 && poll_once(&mut open).await.is_ready() {
                    opened += 1;
                } else {
                    waiting.push(open);
                }
                match random.below(64) {
                    0 => yield_now().await,
                    1 => sleep(Duration::from_micros(random.below(100))).await,
                    _ => {}
                }
                // Some are polled again first, some are left until their completion waits for them.
                while waiting.len() > 100 || random.below(3) == 0 && !waiting.is_empty() {
                    let at = random.below(waiting.len() as u64) as usize;
                    let mut open = waiting.swap_remove(at);
                    if random.below(3) == 0 && poll_once(&mut open).await.is_ready() {
                        opened += 1;
                    }
                    dropped += 1;
                }
            }
            waiting.clear();
            until("nothing is in flight", || stats().in_flight == busy).await;
            until("the descriptors are closed", || descriptors() == before).await;
        });
        assert!(opened > 10 && dropped > 5000, "{opened} were opened, {dropped} dropped");
        assert!(runtime.stats().orphaned > 1000);
    });
}

#[test]
fn dropped_reads_and_writes_leave_their_file_as_it_should_be() {
    on_a_core(async {
        let mut random = Random::new();
        let scratch = Scratch::new();
        let path = scratch.file("a", pattern(1, 1 << 20));
        let file = OpenOptions::new().read(true).write(true).open(&path).await.unwrap();
        let busy = stats().in_flight;
        for _ in 0..2000 {
            let offset = random.below(1 << 20);
            let mut read = Box::pin(file.read_at(Vec::with_capacity(100), offset));
            assert!(poll_once(&mut read).await.is_pending());
            // A write that began is finished: it writes what is there already.
            let bytes = ((1 << 20) - offset).min(100) as usize;
            let content = pattern(1 + offset, bytes);
            let mut write: Pin<Box<dyn Future<Output = _>>> = Box::pin(file.write_at(content, offset));
            assert!(poll_once(&mut write).await.is_pending());
            if random.below(2) == 0 {
                yield_now().await;
            }
        }
        until("nothing is in flight", || stats().in_flight == busy).await;
        assert!(fs::read(&path).unwrap() == pattern(1, 1 << 20));
        assert_eq!(stats().unknown, 0);
    });
}

/// The writing end of a pipe that is full, as a file, and its reading end.
fn full_pipe() -> (File, io::PipeReader, usize) {
    let (reader, writer) = io::pipe().unwrap();
    fcntl(&writer, FcntlArg::F_SETFL(OFlag::O_NONBLOCK)).unwrap();
    let mut filled = 0;
    while let Ok(bytes) = (&writer).write(&[b'f'; 4096]) {
        filled += bytes;
    }
    fcntl(&writer, FcntlArg::F_SETFL(OFlag::empty())).unwrap();
    (File::from_std(fs::File::from(OwnedFd::from(writer))), reader, filled)
}

#[test]
fn a_write_that_began_is_finished_and_a_close_waits_for_it() {
    // The break: `Poll::Ready(self.0.fd.take())` whatever the count says in `Fd::poll_take`; or `OnDrop::Cancel` for
    // `WriteAt`.
    on_a_core(async {
        let (file, mut reader, filled) = full_pipe();
        let raw = file.as_raw_fd();
        let mut write = Box::pin(file.write_at("the last words", 0));
        assert!(poll_once(&mut write).await.is_pending());
        sleep(Duration::from_millis(2)).await;
        drop(write);
        let close = spawn(file.close());
        sleep(Duration::from_millis(20)).await;
        assert!(!close.is_finished(), "it waits for the write");
        assert!(fs::exists(format!("/proc/self/fd/{raw}")).unwrap());
        let peer = std::thread::spawn(move || {
            let mut all = Vec::new();
            reader.read_to_end(&mut all).unwrap();
            all
        });
        close.await.unwrap().unwrap();
        let all = peer.join().unwrap();
        assert_eq!(&all[filled..], b"the last words");
    });
}

#[test]
fn a_read_that_was_dropped_is_cancelled_and_a_close_need_not_wait_for_its_bytes() {
    // The break: `OnDrop::LetRun` for `ReadAt`.
    on_a_core(async {
        let (reader, mut writer) = io::pipe().unwrap();
        let file = File::from_std(fs::File::from(OwnedFd::from(reader)));
        let busy = stats().in_flight;
        let mut read = Box::pin(file.read_at(Vec::with_capacity(16), 0));
        assert!(poll_once(&mut read).await.is_pending());
        sleep(Duration::from_millis(2)).await;
        drop(read);
        file.close().await.unwrap();
        assert_eq!(stats().in_flight, busy);
        assert_eq!(writer.write(b"x").unwrap_err().kind(), io::ErrorKind::BrokenPipe);
    });
}

#[test]
fn a_descriptor_is_not_closed_under_an_operation_that_names_it() {
    // Hazard A16. The break: the drop of the last `Fd` but one closes the descriptor, in `Fd::drop`: a read that is
    // queued then reads another file, which has got the number meanwhile.
    on_a_core(async {
        let scratch = Scratch::new();
        let paths: Vec<_> =
            (0..16).map(|name| scratch.file(&format!("{name}"), pattern(name * 1000, 512))).collect();
        for round in 0..3000 {
            let number = round % 16;
            let file = File::from_std(fs::File::open(&paths[number]).unwrap());
            let mut read = Box::pin(file.read_at(Vec::with_capacity(512), 0));
            assert!(poll_once(&mut read).await.is_pending());
            drop(file);
            // With the file gone, the read alone holds the descriptor: this open must get another number.
            let other = fs::File::open(&paths[(number + 1) % 16]).unwrap();
            if round % 3 == 0 {
                drop(read);
                continue;
            }
            let (_, buf) = read.await.into_result().unwrap();
            assert!(buf == pattern(number as u64 * 1000, 512), "round {round}: another file's bytes");
            drop(other);
        }
    });
}
