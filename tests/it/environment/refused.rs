//! Refusals that come late or in part, and limits that are reached (hazards F1, F3): each ends in an error that names
//! cause and cure, or in a runtime that does without.

use std::process::{Command, Output};

use nix::libc;
use nix::sys::resource::{Resource, getrlimit, setrlimit};
use nix::unistd::{Uid, setuid};
use seccompiler::{
    BpfProgram, SeccompAction, SeccompCmpArgLen, SeccompCmpOp, SeccompCondition, SeccompFilter, SeccompRule,
    apply_filter,
};
use uring::macro_support::test_builder;
use uring::{BuildError, Cause, Features, Runtime, Step};

use super::scenario;
use crate::alone::alone;
use crate::examples::example;
use crate::kit::{descriptors, eventually};

/// `io_uring_register(2)`: what is registered, as the kernel numbers it.
const PROBE: u64 = 8;
const WORKERS: u64 = 19;
const RING: u64 = 20;
const BUFFERS: u64 = 22;

const ERRNOS: [i32; 3] = [libc::EPERM, libc::ENOSYS, libc::EACCES];

/// Forbids this thread to register one kind of thing.
fn forbid_register(kind: u64, errno: i32) {
    let is_kind = SeccompCondition::new(1, SeccompCmpArgLen::Dword, SeccompCmpOp::Eq, kind).unwrap();
    let rule = SeccompRule::new(vec![is_kind]).unwrap();
    let rules = [(libc::SYS_io_uring_register, vec![rule])].into_iter().collect();
    let (others, matching) = (SeccompAction::Allow, SeccompAction::Errno(errno.cast_unsigned()));
    let machine = std::env::consts::ARCH.try_into().unwrap();
    let filter = SeccompFilter::new(rules, others, matching, machine).unwrap();
    apply_filter(&BpfProgram::try_from(filter).unwrap()).unwrap();
}

/// Runs `check` on a thread of its own with the filter, once for each errno.
fn with_each_errno(kind: u64, check: impl Fn(i32) + Sync) {
    for errno in ERRNOS {
        std::thread::scope(|scope| {
            let run = scope.spawn(|| {
                forbid_register(kind, errno);
                let before = descriptors();
                check(errno);
                eventually("nothing is left", || descriptors() == before);
            });
            run.join().unwrap();
        });
    }
}

fn program_is_refused_with(text: &str) {
    let program = Command::new(example("hello")).output().unwrap();
    check_refused(&program, text);
}

#[track_caller]
fn check_refused(program: &Output, text: &str) {
    assert_eq!(String::from_utf8_lossy(&program.stderr), format!("Error: {text}\n"));
    assert_eq!(program.status.code(), Some(1));
}

#[test]
fn a_refused_probe_and_a_refused_limit_of_workers_are_named() {
    // The break: `unwrap` for the `?` behind `limit_workers` or `register_probe`.
    alone(|| {
        for kind in [PROBE, WORKERS] {
            with_each_errno(kind, |errno| {
                let error = Runtime::new().map(drop).unwrap_err();
                let text = error.to_string();
                let BuildError::Ring(ring) = error else { panic!("{text}") };
                let cause = if errno == libc::EACCES { Cause::Forbidden } else { Cause::Blocked };
                assert_eq!((ring.step(), ring.cause()), (Step::Register, cause));
                assert!(text.contains("; cause: ") && text.contains("; cure: allow io_uring"), "{text}");
                program_is_refused_with(&text);
            });
        }
    });
}

#[test]
fn a_refused_registration_of_the_ring_is_done_without() {
    // The break: `ring.enter.register()?` in `KernelRing::new`, or a feature that stays set.
    alone(|| {
        with_each_errno(RING, |_| {
            let runtime = test_builder().build().unwrap();
            assert!(!runtime.features().contains(Features::REGISTERED_RING));
            runtime.block_on(scenario::run(5));
            assert_eq!(runtime.stats().unknown, 0);
            assert_eq!(runtime.shutdown(), 0);
        });
    });
}

#[test]
fn a_refused_ring_of_buffers_is_named_as_what_it_is() {
    // The break: the text about memory and descriptors for every error (no look at the errno in `BuildError`).
    alone(|| {
        if !test_builder().build().unwrap().features().contains(Features::BUF_RING) {
            println!("skipped: no ring of buffers is asked for");
            return;
        }
        with_each_errno(BUFFERS, |errno| {
            let error = test_builder().build().map(drop).unwrap_err();
            let text = error.to_string();
            let BuildError::Resources(cause) = &error else { panic!("{text}") };
            assert_eq!(cause.raw_os_error(), Some(errno));
            assert!(
                text.contains("cause: a filter or a security module refuses io_uring_register"),
                "{text}"
            );
            assert!(text.contains("cure: allow io_uring_register"), "{text}");
            assert!(!text.contains("ulimit"), "{text}");
            program_is_refused_with(&text);
            // It is only the buffers.
            let without =
                test_builder().features(Features::all().without(Features::BUF_RING)).build().unwrap();
            without.block_on(scenario::echoes(2));
        });
    });
}

#[test]
fn a_program_without_a_free_descriptor_ends_with_cause_and_cure() {
    // The break: a panic in place of the error's return in `macro_support::run`.
    alone(|| {
        // One descriptor is free, which the ring takes.
        let limited = ["-c", "ulimit -n 4 && exec \"$0\""];
        let program = Command::new("sh").args(limited).arg(example("hello")).output().unwrap();
        let text = String::from_utf8_lossy(&program.stderr);
        assert_eq!(program.status.code(), Some(1), "{text}");
        assert!(text.starts_with("Error: no r") && text.contains("os error 24"), "{text}");
        assert!(text.contains("cure: ") && text.contains("ulimit -n"), "{text}");
    });
}

#[test]
fn no_locked_memory_at_all_is_named_or_not_needed() {
    // The break: `ENOMEM` left out of `Cause::of`. Kernels from 6.14 on account rings to the limit; before, from 5.12 on,
    // they did not, and a runtime is made.
    alone(|| {
        setrlimit(Resource::RLIMIT_MEMLOCK, 0, 0).unwrap();
        if Uid::effective().is_root() {
            // Root's rings are accounted to nobody.
            setuid(Uid::from_raw(65534)).unwrap();
        }
        let before = descriptors();
        match Runtime::new() {
            Ok(runtime) => {
                println!("this kernel accounts no ring");
                runtime.block_on(scenario::echoes(2));
            }
            Err(BuildError::Ring(error)) => {
                let text = error.to_string();
                println!("{text}");
                assert_eq!((error.cause(), error.step()), (Cause::Memory, Step::Setup), "{text}");
                assert!(text.contains("; cause: memory") && text.contains("ulimit -l"), "{text}");
            }
            Err(error) => panic!("{error}"),
        }
        eventually("nothing is left", || descriptors() == before);
    });
}

#[test]
fn a_runtime_beyond_the_thousand_and_twenty_fourth_is_refused_until_one_ends() {
    // The breaks: no look at `CORES_MAX` in `Inbox::claim`; an `Inbox` that gives nothing back when it is dropped.
    alone(|| {
        let (_, hard) = getrlimit(Resource::RLIMIT_NOFILE).unwrap();
        setrlimit(Resource::RLIMIT_NOFILE, hard, hard).unwrap();
        let build = || {
            let small = test_builder().submissions(4).completions(8).recv_buffers(1).recv_buffers_max(1);
            small.recv_buffer_bytes(64).build()
        };
        let mut alive = Vec::new();
        while alive.len() < 1024 {
            match build() {
                Ok(runtime) => alive.push(runtime),
                Err(BuildError::TooManyRuntimes) => panic!("refused with {} alive", alive.len()),
                Err(error) => {
                    println!(
                        "skipped: with {} alive the limits of this system are reached: {error}",
                        alive.len()
                    );
                    return;
                }
            }
        }
        let before = descriptors();
        for _ in 0..3 {
            let error = build().map(drop).unwrap_err();
            assert!(matches!(error, BuildError::TooManyRuntimes), "{error:?}");
            let text = error.to_string();
            assert!(text.contains("1,024 are alive") && text.contains("cure: "), "{text}");
            assert_eq!(std::io::Error::from(error).to_string(), text);
            assert_eq!(descriptors(), before);
        }
        drop(alive.pop());
        alive.push(build().unwrap());
        alive[1023].block_on(scenario::echoes(1));
        assert!(matches!(build(), Err(BuildError::TooManyRuntimes)));
    });
}
