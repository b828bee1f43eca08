//! Files: opening, facts, syncing, closing, and the errors of each.

mod content;
mod flight;
mod offloaded;

use std::fs;
use std::io::{self, ErrorKind, Write};
use std::os::fd::{AsRawFd, OwnedFd};
use std::os::unix::fs::{MetadataExt, OpenOptionsExt, PermissionsExt, symlink};
use std::path::Path;

use nix::libc;
use nix::unistd::{Uid, seteuid};
use uring::fs::{File, OpenOptions};
use uring::macro_support::test_builder;

use crate::alone::{alone, on_a_core};
use crate::kit::{Scratch, descriptors, poll_once, until};

fn errno<T>(result: io::Result<T>) -> i32 {
    result.map(drop).unwrap_err().raw_os_error().expect("an error of the kernel's")
}

/// What an open came to: the kind of its error, or what the file holds after a write of `!` at its beginning.
type Outcome = Result<(bool, Vec<u8>), (ErrorKind, Option<i32>)>;

fn outcome(path: &Path, opened: io::Result<bool>) -> Outcome {
    match opened {
        Ok(written) => Ok((written, fs::read(path).unwrap())),
        // The texts and the errno of refused combinations differ, the kind doesn't.
        Err(error) if error.kind() == ErrorKind::InvalidInput => Err((ErrorKind::InvalidInput, None)),
        Err(error) => Err((error.kind(), error.raw_os_error())),
    }
}

#[test]
fn every_combination_of_options_does_what_the_standard_library_does() {
    // The break: no `O_TRUNC`, `O_EXCL` or `O_APPEND` in `OpenOptions::flags`, any of them.
    on_a_core(async {
        let scratch = Scratch::new();
        for case in 0..128u32 {
            let [read, write, append, truncate, create, create_new, exists] =
                [0, 1, 2, 3, 4, 5, 6].map(|bit| case & 1 << bit != 0);
            let paths = ["ours", "std"].map(|name| scratch.path(&format!("{name}-{case}")));
            if exists {
                paths.iter().for_each(|path| fs::write(path, "content").unwrap());
            }
            let mut ours = OpenOptions::new();
            ours.read(read).write(write).append(append);
            ours.truncate(truncate).create(create).create_new(create_new);
            let opened = match ours.open(&paths[0]).await {
                Ok(file) => Ok(file.write_all_at("!", 0).await.is_ok()),
                Err(error) => Err(error),
            };
            let mut std = fs::OpenOptions::new();
            std.read(read).write(write).append(append);
            std.truncate(truncate).create(create).create_new(create_new);
            let expected = std.open(&paths[1]).map(|mut file| file.write_all(b"!").is_ok());
            assert_eq!(outcome(&paths[0], opened), outcome(&paths[1], expected), "{ours:?} {exists}");
        }
    });
}

#[test]
fn open_reads_and_create_writes_and_empties() {
    on_a_core(async {
        let scratch = Scratch::new();
        let path = scratch.file("a", "old content");
        let opened = File::open(&path).await.unwrap();
        assert_eq!(opened.read_at(vec![0; 3], 0).await.1, b"old");
        assert_eq!(errno(opened.write_at("x", 0).await.0), libc::EBADF);
        let created = File::create(&path).await.unwrap();
        assert_eq!(fs::read(&path).unwrap(), b"");
        assert_eq!(errno(created.read_at(vec![0; 3], 0).await.0), libc::EBADF);
        created.write_all_at("new", 0).await.0.unwrap();
        assert_eq!(opened.read_at(Vec::with_capacity(9), 0).await.1, b"new");
    });
}

#[test]
fn the_mode_and_further_flags_reach_the_kernel() {
    // The break: `self.mode` not handed to `Open`, or `custom_flags` left out of the flags.
    on_a_core(async {
        let scratch = Scratch::new();
        for mode in [0o600, 0o640, 0o444] {
            let path = scratch.path(&format!("{mode:o}"));
            let file = OpenOptions::new().write(true).create_new(true).mode(mode).open(&path).await.unwrap();
            assert_eq!(fs::metadata(&path).unwrap().permissions().mode() & 0o777, mode);
            assert_eq!(file.metadata().await.unwrap().mode() & 0o777, mode);
        }
        let path = scratch.path("std");
        drop(fs::OpenOptions::new().write(true).create_new(true).mode(0o666).open(&path).unwrap());
        let expected = fs::metadata(&path).unwrap().mode();
        let file = File::create(scratch.path("ours")).await.unwrap();
        assert_eq!(file.metadata().await.unwrap().mode(), expected, "the umask is the same");

        symlink(&path, scratch.path("link")).unwrap();
        let mut options = OpenOptions::new();
        let opened = options.read(true).custom_flags(libc::O_NOFOLLOW).open(scratch.path("link")).await;
        assert_eq!(errno(opened), libc::ELOOP);
        let opened = options.custom_flags(libc::O_DIRECTORY).open(&path).await;
        assert_eq!(errno(opened), libc::ENOTDIR);
    });
}

#[test]
fn an_error_keeps_its_errno() {
    on_a_core(async {
        let scratch = Scratch::new();
        let path = scratch.file("a", "content");
        assert_eq!(errno(File::open(scratch.path("missing")).await), libc::ENOENT);
        assert_eq!(errno(File::open(path.join("b")).await), libc::ENOTDIR);
        assert_eq!(errno(File::create(scratch.path("")).await), libc::EISDIR);
        assert_eq!(errno(File::open(scratch.path(&"x".repeat(300))).await), libc::ENAMETOOLONG);
        let existing = OpenOptions::new().write(true).create_new(true).open(&path).await;
        assert_eq!(errno(existing), libc::EEXIST);
        let zero = File::open("a\0b").await.unwrap_err();
        assert_eq!(zero.kind(), ErrorKind::InvalidInput);
        let directory = File::open(scratch.path("")).await.unwrap();
        assert_eq!(errno(directory.read_at(vec![0; 8], 0).await.0), libc::EISDIR);
        assert!(directory.metadata().await.unwrap().is_dir());
        let full = OpenOptions::new().write(true).open("/dev/full").await.unwrap();
        assert_eq!(errno(full.write_at("x", 0).await.0), libc::ENOSPC);
        assert_eq!(errno(full.write_all_at("x", 0).await.0), libc::ENOSPC);
        assert_eq!(errno(full.sync_all().await), libc::EINVAL);
        assert_eq!(errno(full.sync_data().await), libc::EINVAL);
    });
}

#[test]
fn an_error_gives_the_buffer_back() {
    on_a_core(async {
        let full = OpenOptions::new().read(true).write(true).open("/dev/full").await.unwrap();
        let result = full.write_all_at(vec![7; 100], 0).await;
        assert!(!result.is_ok());
        assert_eq!(result.1, [7; 100]);
        let directory = File::open("/").await.unwrap();
        let result = directory.read_exact_at(vec![7; 100], 0).await;
        assert_eq!(result.1, [7; 100]);
    });
}

#[test]
fn a_file_that_others_may_not_read_is_refused() {
    alone(|| {
        if !Uid::effective().is_root() {
            return println!("skipped: only root can become somebody else");
        }
        let scratch = Scratch::new();
        let path = scratch.path("secret");
        fs::OpenOptions::new().write(true).create_new(true).mode(0o600).open(&path).unwrap();
        fs::set_permissions(scratch.path(""), fs::Permissions::from_mode(0o755)).unwrap();
        // What the kernel sees of a path that nobody may walk is the same error.
        seteuid(Uid::from_raw(65534)).unwrap();
        let error = test_builder().build().unwrap().block_on(File::open(&path)).unwrap_err();
        seteuid(Uid::from_raw(0)).unwrap();
        assert_eq!(error.raw_os_error(), Some(libc::EACCES));
        assert_eq!(error.kind(), ErrorKind::PermissionDenied);
    });
}

#[test]
fn the_facts_of_a_file_are_those_that_the_standard_library_tells() {
    on_a_core(async {
        let scratch = Scratch::new();
        for path in [scratch.file("a", vec![7; 12345]), scratch.path(""), "/dev/null".into()] {
            let file = File::open(&path).await.unwrap();
            let (ours, std) = (file.metadata().await.unwrap(), fs::metadata(&path).unwrap());
            assert_eq!(ours.len(), std.len());
            assert_eq!(ours.mode(), std.mode());
            assert_eq!((ours.is_file(), ours.is_dir()), (std.is_file(), std.is_dir()));
            assert_eq!(ours.modified(), std.modified().unwrap());
            assert_eq!(ours.clone().len(), ours.len());
        }
        let old = fs::File::create(scratch.path("old")).unwrap();
        let before_the_epoch = std::time::UNIX_EPOCH - std::time::Duration::new(1000, 5);
        old.set_modified(before_the_epoch).unwrap();
        let file = File::from_std(old);
        assert_eq!(file.metadata().await.unwrap().modified(), before_the_epoch);
    });
}

#[test]
fn what_was_synced_is_written() {
    on_a_core(async {
        let scratch = Scratch::new();
        let file = File::create(scratch.path("a")).await.unwrap();
        file.write_all_at("durable", 0).await.0.unwrap();
        file.sync_data().await.unwrap();
        file.sync_all().await.unwrap();
        file.close().await.unwrap();
        assert_eq!(fs::read(scratch.path("a")).unwrap(), b"durable");
    });
}

#[test]
fn a_file_that_was_opened_elsewhere_is_taken_over() {
    on_a_core(async {
        let scratch = Scratch::new();
        let std = fs::File::open(scratch.file("a", "content")).unwrap();
        let raw = std.as_raw_fd();
        let file = File::from_std(std);
        assert_eq!(file.as_raw_fd(), raw);
        assert_eq!(file.read_at(Vec::with_capacity(16), 3).await.1, b"tent");
        assert!(format!("{file:?}").contains(&raw.to_string()));
    });
}

#[test]
fn a_close_gives_the_error_of_the_kernel() {
    // The break: dropping the descriptor instead of `Op::new(…, Close)` in `File::close`.
    alone(|| {
        test_builder().build().unwrap().block_on(async {
            let file = File::open("/dev/null").await.unwrap();
            // Somebody closes the descriptor behind the file's back. Nothing else runs in this process that could get
            // its number.
            nix::unistd::close(file.as_raw_fd()).unwrap();
            assert_eq!(errno(file.close().await), libc::EBADF);
            let file = File::open("/dev/null").await.unwrap();
            file.close().await.unwrap();
        });
    });
}

#[test]
fn a_dropped_file_is_closed_soon_and_once() {
    // The break: no `core.close(fd)` but a leak in the drop of the shared descriptor.
    alone(|| {
        let runtime = test_builder().build().unwrap();
        let before = descriptors();
        runtime.block_on(async {
            for _ in 0..100 {
                let files = [(); 10].map(|()| File::from_std(fs::File::open("/dev/null").unwrap()));
                drop(files);
            }
            until("all are closed", || descriptors() == before).await;
            // A close that is dropped midway closes all the same.
            for _ in 0..100 {
                let mut close = Box::pin(File::open("/dev/null").await.unwrap().close());
                assert!(poll_once(&mut close).await.is_pending());
            }
            until("all are closed", || descriptors() == before).await;
        });
        // What outlives its runtime is closed when it is dropped.
        let file = runtime.block_on(File::open("/dev/null")).unwrap();
        assert_eq!(descriptors(), before + 1);
        drop(runtime);
        let without = descriptors();
        drop(file);
        assert!(descriptors() < without);
    });
}

#[test]
fn an_owned_descriptor_of_a_pipe_is_a_file_too() {
    on_a_core(async {
        let (reader, mut writer) = io::pipe().unwrap();
        let file = File::from_std(fs::File::from(OwnedFd::from(reader)));
        writer.write_all(b"through a pipe").unwrap();
        drop(writer);
        assert_eq!(file.read_at(Vec::with_capacity(64), 0).await.1, b"through a pipe");
        assert_eq!(file.read_at(Vec::with_capacity(64), 0).await.0.unwrap(), 0);
    });
}
