//! Reading and writing: what lands where, at the ends of files and of buffers, and with each kind of buffer.

use std::fs;
use std::io::ErrorKind;
use std::os::unix::fs::FileExt;

use bytes::{Bytes, BytesMut};
use nix::libc;
use uring::buf::{BufResult, IoBuf, IoBufMut};
use uring::fs::{File, OpenOptions};
use uring::stats;

use crate::alone::on_a_core;
use crate::buffers::Mapped;
use crate::kit::{Random, Scratch, pattern};

#[test]
fn a_read_starts_at_its_offset_and_ends_with_the_file() {
    on_a_core(async {
        let scratch = Scratch::new();
        let file = File::open(scratch.file("a", "0123456789")).await.unwrap();
        let read = async |room, offset| {
            let (bytes, buf) = file.read_at(Vec::with_capacity(room), offset).await.into_result().unwrap();
            assert_eq!(bytes, buf.len());
            String::from_utf8(buf).unwrap()
        };
        assert_eq!(read(8, 0).await, "01234567");
        assert_eq!(read(8, 4).await, "456789");
        assert_eq!(read(8, 10).await, "");
        assert_eq!(read(8, 1 << 40).await, "");
        assert_eq!(read(1, 9).await, "9");
    });
}

#[test]
fn a_buffer_without_room_and_one_without_bytes_are_answered_at_once() {
    // Hazard A13. The break: no check for a full buffer in `File::read_behind`.
    on_a_core(async {
        let (reader, _writer) = std::io::pipe().unwrap();
        let empty = File::from_std(fs::File::from(std::os::fd::OwnedFd::from(reader)));
        let before = stats().submissions;
        assert_eq!(empty.read_at(Vec::new(), 0).await.0.unwrap(), 0);
        empty.read_exact_at(Vec::new(), 0).await.0.unwrap();
        assert_eq!(empty.write_at("", 0).await.0.unwrap(), 0, "not even asked whether it can be written to");
        empty.write_all_at("", 0).await.0.unwrap();
        assert_eq!(stats().submissions, before, "the kernel was not asked");
    });
}

#[test]
fn an_exact_read_that_meets_the_end_says_so_and_gives_what_it_read() {
    on_a_core(async {
        let scratch = Scratch::new();
        let file = File::open(scratch.file("a", "0123456789")).await.unwrap();
        let BufResult(result, buf) = file.read_exact_at(Vec::with_capacity(8), 5).await;
        assert_eq!(result.unwrap_err().kind(), ErrorKind::UnexpectedEof);
        assert_eq!(buf, b"56789");
        let BufResult(result, buf) = file.read_exact_at(Vec::with_capacity(8), 2).await;
        result.unwrap();
        assert_eq!(buf, b"23456789");
    });
}

#[test]
fn an_exact_read_and_a_whole_write_go_on_where_a_short_one_ended() {
    // The break: the same offset for each part in `File::read_behind`; or `buf` from its beginning in `WriteAt`.
    // A pipe gives and takes what it has, and a file in /proc gives at most a page at a time.
    on_a_core(async {
        let expected = fs::read("/proc/kallsyms").unwrap();
        let file = File::open("/proc/kallsyms").await.unwrap();
        let length = expected.len().min(100_000);
        let (first, _) = file.read_at(Vec::with_capacity(length), 0).await.into_result().unwrap();
        assert!(first < length, "it is read in parts");
        let ((), buf) = file.read_exact_at(Vec::with_capacity(length), 0).await.into_result().unwrap();
        assert!(buf == expected[..length]);

        let (reader, writer) = std::io::pipe().unwrap();
        let file = File::from_std(fs::File::from(std::os::fd::OwnedFd::from(writer)));
        let content = pattern(1, 1 << 20);
        let peer = std::thread::spawn(move || {
            let (mut reader, mut all) = (reader, Vec::new());
            std::io::Read::read_to_end(&mut reader, &mut all).unwrap();
            all
        });
        file.write_all_at(content.clone(), 0).await.0.unwrap();
        file.close().await.unwrap();
        assert!(peer.join().unwrap() == content);
    });
}

#[test]
fn each_kind_of_buffer_can_be_read_into() {
    on_a_core(async {
        let scratch = Scratch::new();
        let file = File::open(scratch.file("a", "0123456789")).await.unwrap();
        // A vector is filled up to its capacity, from its beginning, and then holds what was read.
        let mut vector = b"old".to_vec();
        vector.reserve_exact(5);
        let room = vector.capacity();
        let BufResult(result, vector) = file.read_at(vector, 0).await;
        assert_eq!((result.unwrap(), &vector[..]), (room, &b"0123456789"[..room]));
        let BufResult(result, boxed) = file.read_at(vec![b'x'; 12].into_boxed_slice(), 0).await;
        assert_eq!((result.unwrap(), &boxed[..]), (10, &b"0123456789xx"[..]));
        let BufResult(result, bytes) = file.read_at(BytesMut::with_capacity(16), 4).await;
        assert_eq!((result.unwrap(), &bytes[..]), (6, &b"456789"[..]));
        let slice = vec![b'x'; 8].slice_mut(2..5);
        let BufResult(result, slice) = file.read_at(slice, 0).await;
        assert_eq!((result.unwrap(), slice.into_inner()), (3, b"xx012xxx".to_vec()));
        let slice = vec![b'x'; 4].slice_mut(1..);
        let BufResult(result, slice) = file.read_exact_at(slice, 8).await;
        assert_eq!(result.unwrap_err().kind(), ErrorKind::UnexpectedEof);
        assert_eq!(slice.into_inner(), b"x89x");
    });
}

#[test]
fn each_kind_of_buffer_can_be_written_from() {
    on_a_core(async {
        let scratch = Scratch::new();
        let file = File::create(scratch.path("a")).await.unwrap();
        file.write_all_at("str ", 0).await.0.unwrap();
        file.write_all_at(&b"bytes "[..], 4).await.0.unwrap();
        file.write_all_at(b"vec ".to_vec(), 10).await.0.unwrap();
        file.write_all_at(b"box ".to_vec().into_boxed_slice(), 14).await.0.unwrap();
        file.write_all_at(Bytes::from_static(b"Bytes "), 18).await.0.unwrap();
        file.write_all_at(BytesMut::from("BytesMut "), 24).await.0.unwrap();
        let (bytes, slice) = file.write_at("a slice of it".slice(2..7), 33).await.into_result().unwrap();
        assert_eq!((bytes, slice.into_inner()), (5, "a slice of it"));
        assert_eq!(fs::read(scratch.path("a")).unwrap(), b"str bytes vec box Bytes BytesMut slice");
    });
}

#[test]
fn appending_ignores_the_offset() {
    on_a_core(async {
        let scratch = Scratch::new();
        let path = scratch.file("a", "0123");
        let file = OpenOptions::new().append(true).read(true).open(&path).await.unwrap();
        file.write_all_at("45", 0).await.0.unwrap();
        file.write_all_at("67", 1000).await.0.unwrap();
        assert_eq!(file.read_at(Vec::with_capacity(32), 0).await.1, b"01234567");
    });
}

#[test]
fn a_write_behind_the_end_leaves_a_hole_of_zeros() {
    on_a_core(async {
        let scratch = Scratch::new();
        let path = scratch.path("a");
        let file = OpenOptions::new().read(true).write(true).create(true).open(&path).await.unwrap();
        file.write_all_at("far", 1 << 32).await.0.unwrap();
        assert_eq!(file.metadata().await.unwrap().len(), (1 << 32) + 3);
        let ((), buf) = file.read_exact_at(vec![7; 6], (1 << 32) - 3).await.into_result().unwrap();
        assert_eq!(buf, b"\0\0\0far");
    });
}

#[test]
fn reads_and_writes_at_random_agree_with_a_vector() {
    on_a_core(async {
        let mut random = Random::new();
        let scratch = Scratch::new();
        let mut options = OpenOptions::new();
        let path = scratch.path("a");
        let file = options.read(true).write(true).create(true).open(&path).await.unwrap();
        let mut model: Vec<u8> = Vec::new();
        for step in 0..2000 {
            let offset = random.below(50_000) as usize;
            let bytes = random.below(9000) as usize;
            if random.below(2) == 0 {
                let content = pattern(step, bytes);
                file.write_all_at(content.clone(), offset as u64).await.0.unwrap();
                if bytes > 0 {
                    model.resize(model.len().max(offset + bytes), 0);
                    model[offset..offset + bytes].copy_from_slice(&content);
                }
            } else {
                let BufResult(result, buf) = file.read_at(Vec::with_capacity(bytes), offset as u64).await;
                let end = model.len().min(offset + buf.capacity());
                assert_eq!(result.unwrap(), buf.len());
                assert!(buf == model[offset.min(end)..end], "step {step}: {bytes} bytes at {offset}");
            }
        }
        assert!(fs::read(&path).unwrap() == model);
    });
}

#[test]
fn offsets_that_no_file_has_are_refused_with_the_buffer() {
    // The break: no check in `position`: an offset of u64::MAX is the file's own cursor to the kernel.
    on_a_core(async {
        let scratch = Scratch::new();
        let path = scratch.file("a", "0123456789");
        let file = OpenOptions::new().read(true).write(true).open(&path).await.unwrap();
        for offset in [u64::MAX, u64::MAX - 1, 1 << 63, (1 << 63) + 5] {
            let BufResult(result, buf) = file.read_at(vec![7; 4], offset).await;
            assert_eq!((result.unwrap_err().kind(), buf), (ErrorKind::InvalidInput, vec![7; 4]));
            let BufResult(result, buf) = file.read_exact_at(vec![7; 4], offset).await;
            assert_eq!((result.unwrap_err().kind(), buf), (ErrorKind::InvalidInput, vec![7; 4]));
            assert_eq!(file.write_at("x", offset).await.0.unwrap_err().kind(), ErrorKind::InvalidInput);
            assert_eq!(file.write_all_at("x", offset).await.0.unwrap_err().kind(), ErrorKind::InvalidInput);
        }
        // The last offset that there is goes to the kernel, which says what it says to everybody.
        let std = fs::File::options().read(true).write(true).open(&path).unwrap();
        let last = i64::MAX.unsigned_abs();
        let expected = std.read_at(&mut [0; 4], last).map_err(|error| error.raw_os_error());
        assert_eq!(file.read_at(vec![0; 4], last).await.0.map_err(|error| error.raw_os_error()), expected);
        let expected = std.write_at(b"x", last).map_err(|error| error.raw_os_error());
        assert_eq!(file.write_at("x", last).await.0.map_err(|error| error.raw_os_error()), expected);
        assert_eq!(fs::read(&path).unwrap(), b"0123456789");
    });
}

#[test]
fn a_buffer_longer_than_the_kernel_takes_is_used_in_parts() {
    // Hazard A14. The break: `bytes as u32` instead of `bytes.min(BYTES_MAX) as u32` in `op::clamp`: 4 GiB become
    // nothing, and a read of nothing looks like the end of the file.
    on_a_core(async {
        const GIB: usize = 1 << 30;
        /// `MAX_RW_COUNT`, see `read(2)`.
        const MOST: usize = 0x7fff_f000;
        let scratch = Scratch::new();
        let content = pattern(1, 100_000);
        let file = File::open(scratch.file("a", &content)).await.unwrap();
        for bytes in [4 * GIB, 4 * GIB + 10, 5 * GIB] {
            let BufResult(result, buf) = file.read_at(Mapped::new(bytes), 0).await;
            assert_eq!(result.unwrap(), content.len());
            assert!(buf.init_bytes()[..content.len()] == content);
            let BufResult(result, _) = file.read_exact_at(buf, 0).await;
            assert_eq!(result.unwrap_err().kind(), ErrorKind::UnexpectedEof);
        }
        // A device that takes all and keeps nothing.
        let null = OpenOptions::new().write(true).open("/dev/null").await.unwrap();
        let BufResult(result, buf) = null.write_at(Mapped::new(4 * GIB), 0).await;
        assert_eq!(result.unwrap(), MOST);
        null.write_all_at(buf, 0).await.0.unwrap();
        let BufResult(result, _) = null.write_at(Mapped::new(4 * GIB).slice(1..), 0).await;
        assert_eq!(result.unwrap(), MOST);
        let BufResult(result, _) = null.read_at(vec![0; 8], 0).await;
        assert_eq!(result.unwrap_err().raw_os_error(), Some(libc::EBADF));
    });
}
