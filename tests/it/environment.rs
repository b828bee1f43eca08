//! Hostile surroundings: filters, limits, old kernels, signals, and programs that are executed (hazards F1, F2, F3,
//! F5, C5, C18). Each case is a process of its own.

mod idle;
mod refused;
mod scenario;
mod signals;
mod whole;

use std::fs;
use std::io::ErrorKind;
use std::os::fd::AsRawFd;
use std::process::Command;

use nix::libc;
use nix::sys::resource::{Resource, getrlimit, setrlimit};
use nix::unistd::{Uid, setuid};
use seccompiler::{BpfProgram, SeccompAction, SeccompFilter, apply_filter};
use uring::fs::File;
use uring::macro_support::test_builder;
use uring::net::{TcpListener, TcpStream};
use uring::{BuildError, Builder, Cause, Features, Runtime, Step, spawn};

use crate::alone::alone;
use crate::examples::example;
use crate::kit::{Scratch, descriptors, eventually, threads};

/// Forbids a system call to this thread, and to what it starts: it fails with this errno from here on.
fn forbid(call: i64, errno: i32) {
    let rules = [(call, Vec::new())].into_iter().collect();
    let (others, matching) = (SeccompAction::Allow, SeccompAction::Errno(errno.cast_unsigned()));
    let machine = std::env::consts::ARCH.try_into().unwrap();
    let filter = SeccompFilter::new(rules, others, matching, machine).unwrap();
    apply_filter(&BpfProgram::try_from(filter).unwrap()).unwrap();
}

/// With the call forbidden, a runtime is refused by a typed error with cause and cure, and a program by its text.
#[track_caller]
fn check_forbidden(call: i64, errno: i32, step: Step, cause: Cause) {
    forbid(call, errno);
    let before = descriptors();
    let error = Runtime::new().map(drop).unwrap_err();
    let BuildError::Ring(ring) = &error else { panic!("{error:?}") };
    assert_eq!((ring.step(), ring.cause()), (step, cause));
    let text = error.to_string();
    let name = format!("{step:?}").to_lowercase();
    assert!(text.starts_with(&format!("no ring: io_uring_{name} failed (")), "{text}");
    assert!(text.contains(&format!("os error {errno}")), "{text}");
    assert!(text.contains("; cause: ") && text.contains("; cure: "), "{text}");
    let io_error = std::io::Error::from(error);
    assert_eq!(io_error.kind(), std::io::Error::from_raw_os_error(errno).kind());
    assert_eq!(io_error.to_string(), text);
    assert_eq!(descriptors(), before, "a ring that could not be used is closed");

    let program = Command::new(example("hello")).output().unwrap();
    assert_eq!(program.status.code(), Some(1));
    assert_eq!(String::from_utf8(program.stderr).unwrap(), format!("Error: {text}\n"));
    assert_eq!(program.stdout, b"");
}

// Hazard F1. The breaks: `unwrap` for any `?` in `KernelRing::new`; no trial enter there; a `Cause` left out of
// `Cause::of`.

#[test]
fn a_filter_that_refuses_setup_with_eperm_is_named() {
    alone(|| check_forbidden(libc::SYS_io_uring_setup, libc::EPERM, Step::Setup, expected_of_eperm()));
}

/// Where the sysctl forbids io_uring anyway, it is the cause that is named.
fn expected_of_eperm() -> Cause {
    let value = fs::read_to_string("/proc/sys/kernel/io_uring_disabled").unwrap_or_default();
    match value.trim().parse() {
        Ok(value @ 1..=2) => Cause::DisabledBySysctl(value),
        _ => Cause::Blocked,
    }
}

#[test]
fn a_filter_that_refuses_setup_with_enosys_is_named() {
    alone(|| check_forbidden(libc::SYS_io_uring_setup, libc::ENOSYS, Step::Setup, Cause::Absent));
}

#[test]
fn a_filter_that_refuses_setup_with_eacces_is_named() {
    alone(|| check_forbidden(libc::SYS_io_uring_setup, libc::EACCES, Step::Setup, Cause::Forbidden));
}

#[test]
fn a_filter_that_refuses_enter_with_eperm_is_named() {
    alone(|| check_forbidden(libc::SYS_io_uring_enter, libc::EPERM, Step::Enter, Cause::Blocked));
}

#[test]
fn a_filter_that_refuses_enter_with_enosys_is_named() {
    alone(|| check_forbidden(libc::SYS_io_uring_enter, libc::ENOSYS, Step::Enter, Cause::Blocked));
}

#[test]
fn a_filter_that_refuses_enter_with_eacces_is_named() {
    alone(|| check_forbidden(libc::SYS_io_uring_enter, libc::EACCES, Step::Enter, Cause::Forbidden));
}

#[test]
fn a_filter_that_refuses_register_with_eperm_is_named() {
    alone(|| check_forbidden(libc::SYS_io_uring_register, libc::EPERM, Step::Register, Cause::Blocked));
}

#[test]
fn a_filter_that_refuses_register_with_enosys_is_named() {
    alone(|| check_forbidden(libc::SYS_io_uring_register, libc::ENOSYS, Step::Register, Cause::Blocked));
}

#[test]
fn a_filter_that_refuses_register_with_eacces_is_named() {
    alone(|| check_forbidden(libc::SYS_io_uring_register, libc::EACCES, Step::Register, Cause::Forbidden));
}

#[test]
fn each_feature_can_be_missing_and_all_of_them_together() {
    // Hazard F2. The break: the absolute time where the timeout is relative, in `Enter::enter`.
    alone(|| {
        let all = Features::all();
        let one_less = all.iter().map(|(feature, name)| (all.without(feature), format!("without {name}")));
        let bare = [(Features::empty(), "without any".to_owned()), (all, "with all".to_owned())];
        for (features, what) in one_less.chain(bare) {
            println!("{what}");
            let runtime = test_builder().features(features).build().unwrap();
            assert!(features.contains(runtime.features()), "{what}: {:?}", runtime.features());
            runtime.block_on(scenario::run(20));
            assert_eq!(runtime.stats().unknown, 0, "{what}");
            assert_eq!(runtime.shutdown(), 0, "{what}");
        }
    });
}

#[test]
fn a_builder_without_a_feature_has_a_runtime_without_it() {
    alone(|| {
        for (feature, name) in Features::all().iter() {
            assert_eq!(Features::by_name(name), Some(feature));
            let runtime = Builder::new().features(Features::all().without(feature)).build().unwrap();
            assert!(!runtime.features().contains(feature), "{name}");
        }
        assert_eq!(Features::by_name("NO_SUCH_FEATURE"), None);
    });
}

#[test]
fn little_locked_memory_is_enough_or_is_named() {
    // Hazard F3. Kernels from 5.12 on account rings to the memory cgroup, so that all eight are made there; what is
    // proven is that no other error than that of memory comes.
    alone(|| {
        setrlimit(Resource::RLIMIT_MEMLOCK, 64 << 10, 64 << 10).unwrap();
        if Uid::effective().is_root() {
            // Root's rings are accounted to nobody.
            setuid(Uid::from_raw(65534)).unwrap();
        }
        let mut runtimes = Vec::new();
        for _ in 0..8 {
            match test_builder().recv_buffers_max(64).build() {
                Ok(runtime) => {
                    runtime.block_on(scenario::echoes(2));
                    runtimes.push(runtime);
                }
                Err(BuildError::Ring(error)) => assert_eq!(error.cause(), Cause::Memory, "{error}"),
                Err(BuildError::Resources(error)) => assert_eq!(error.kind(), ErrorKind::OutOfMemory),
                Err(error) => panic!("{error}"),
            }
        }
    });
}

#[test]
fn no_free_descriptor_is_named_and_a_few_are_enough() {
    // The break: `EMFILE` left out of `Cause::of`; or a descriptor that is kept when a later step fails.
    alone(|| {
        let (_, hard) = getrlimit(Resource::RLIMIT_NOFILE).unwrap();
        let used = descriptors();
        // The limit is about numbers, and those below this one are taken.
        let lowest = fs::File::open("/dev/null").unwrap().as_raw_fd().cast_unsigned();
        let mut free = 0;
        let runtime = loop {
            setrlimit(Resource::RLIMIT_NOFILE, u64::from(lowest) + free, hard).unwrap();
            let built = test_builder().build();
            setrlimit(Resource::RLIMIT_NOFILE, u64::from(lowest) + 200, hard).unwrap();
            match built {
                Ok(runtime) => break runtime,
                Err(BuildError::Ring(error)) => {
                    assert_eq!((error.cause(), error.step()), (Cause::Descriptors, Step::Setup));
                    assert!(error.to_string().contains("ulimit -n"), "{error}");
                }
                Err(BuildError::Resources(error)) => {
                    assert_eq!(error.raw_os_error(), Some(libc::EMFILE));
                    let text = BuildError::Resources(error).to_string();
                    assert!(text.contains("ulimit -n"), "{text}");
                }
                Err(error) => panic!("{error}"),
            }
            assert_eq!(descriptors(), used, "nothing is left of a runtime that could not be made");
            free += 1;
        };
        assert!((1..8).contains(&free), "{free} descriptors for a runtime");
        runtime.block_on(scenario::run(2));
    });
}

/// The descriptors that a program finds open when it is executed from here.
fn inherited() -> Vec<String> {
    let listing = Command::new("ls").arg("/proc/self/fd").output().unwrap();
    String::from_utf8(listing.stdout).unwrap().lines().map(str::to_owned).collect()
}

#[test]
fn a_program_that_is_executed_inherits_no_descriptor() {
    // Hazard F5. The break: no `O_CLOEXEC` in `Open`, no `SOCK_CLOEXEC` in `Accept` or `tcp_socket`, no `EFD_CLOEXEC`.
    alone(|| {
        let scratch = Scratch::new();
        // Whatever started the tests may have left descriptors open that are not ours.
        let before = inherited();
        assert!(["0", "1", "2"].iter().all(|number| before.iter().any(|listed| listed == number)));
        test_builder().build().unwrap().block_on(async {
            let file = File::create(scratch.path("a")).await.unwrap();
            let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
            let address = listener.local_addr().unwrap();
            let connecting = spawn(TcpStream::connect(address));
            let (accepted, _) = listener.accept().await.unwrap();
            let connected = connecting.await.unwrap().unwrap();
            assert_eq!(inherited(), before);
            drop((file, listener, accepted, connected));
        });
    });
}

#[test]
fn a_program_that_is_started_from_a_task_runs_beside_the_runtime() {
    alone(|| {
        let before = threads();
        let runtime = test_builder().build().unwrap();
        runtime.block_on(async {
            let output = Command::new("echo").arg("started").output().unwrap();
            assert_eq!(output.stdout, b"started\n");
            scenario::run(2).await;
        });
        drop(runtime);
        eventually("the kernel's threads are gone", || threads() == before);
    });
}
