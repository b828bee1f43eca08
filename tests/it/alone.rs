//! Tests in a process of their own: for what counts descriptors or threads, changes limits or handlers, or might hang.
//!
//! The test binary runs itself again with only that test, and kills it when it takes too long. The name of the test is
//! that of the function that the body stands in.

use std::any::type_name;
use std::env;
use std::process::Command;
use std::sync::mpsc::{self, RecvTimeoutError};
use std::thread;
use std::time::Duration;

use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;
use uring::macro_support::test_builder;

use crate::support::nothing_is_left;

/// Set in the process that runs one test alone.
const ALONE: &str = "URING_TEST_ALONE";
/// A test that takes longer hangs. No test needs a tenth of it where nothing else runs.
const LIMIT: Duration = Duration::from_secs(90);
/// The same for a test of the long form.
const LONG_LIMIT: Duration = Duration::from_secs(1800);

/// Runs the body in a process of its own.
pub(crate) fn alone<F: FnOnce()>(body: F) {
    if env::var_os(ALONE).is_some() {
        return body();
    }
    again(name_of::<F>(), &[], LIMIT);
}

/// As [`alone`], for a test that leaks memory on purpose: a leak checker leaves it out.
pub(crate) fn alone_and_leaking<F: FnOnce()>(body: F) {
    if env::var_os(ALONE).is_some() {
        return body();
    }
    again(name_of::<F>(), &[("ASAN_OPTIONS", "detect_leaks=0")], LIMIT);
}

/// As [`alone`], for a test of the long form.
pub(crate) fn alone_for_long<F: FnOnce()>(body: F) {
    if env::var_os(ALONE).is_some() {
        return body();
    }
    again(name_of::<F>(), &[], LONG_LIMIT);
}

/// Runs the body on a runtime, in a process of its own.
pub(crate) fn on_a_core<F: Future<Output = ()>>(body: F) {
    if env::var_os(ALONE).is_some() {
        let runtime = test_builder().build().unwrap();
        runtime.block_on(body);
        return nothing_is_left(runtime);
    }
    again(name_of::<F>(), &[], LIMIT);
}

/// `it::tasks::some_test::{{closure}}` stands in the test `tasks::some_test`.
fn name_of<F>() -> &'static str {
    let path = type_name::<F>().split("::{{closure}}").next().unwrap();
    path.split_once("::").unwrap().1
}

fn again(test: &str, variables: &[(&str, &str)], limit: Duration) {
    let child = Command::new(env::current_exe().unwrap())
        .args([test, "--exact", "--include-ignored", "--nocapture", "--test-threads=1"])
        .env(ALONE, "1")
        .envs(variables.iter().copied())
        .stdin(std::process::Stdio::null())
        .stdout(std::process::Stdio::piped())
        .stderr(std::process::Stdio::piped())
        .spawn()
        .unwrap();
    let pid = Pid::from_raw(child.id().cast_signed());
    let (done, wait) = mpsc::channel::<()>();
    let watchdog = thread::spawn(move || {
        let late = wait.recv_timeout(limit) == Err(RecvTimeoutError::Timeout);
        if late {
            kill(pid, Signal::SIGKILL).unwrap();
        }
        late
    });
    let output = child.wait_with_output().unwrap();
    drop(done);
    let ending = if watchdog.join().unwrap() { "hangs" } else { "fails" };
    let text = String::from_utf8_lossy(&output.stdout);
    // A name that no test has would pass with nothing run.
    assert!(
        output.status.success() && text.contains("1 passed"),
        "{test} {ending} alone, with {}:\n{text}\n{}",
        output.status,
        String::from_utf8_lossy(&output.stderr)
    );
    // Seeds and figures.
    println!("{text}");
}
