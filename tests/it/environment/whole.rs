//! The whole suite once more for each feature, as on a kernel without it (hazard F2): the long form.
//!
//! It runs this test program again, as the gate does with groups of features.

use std::env;
use std::process::Command;

use uring::Features;

/// The tests that are about text and programs, or choose their own features.
const LEFT_OUT: [&str; 4] = ["tidy", "ui", "examples", "environment"];

/// Runs the suite with this variable set.
#[track_caller]
fn suite_with(variable: &str, value: &str) {
    let mut program = Command::new(env::current_exe().unwrap());
    for name in LEFT_OUT {
        program.args(["--skip", name]);
    }
    let output = program.env(variable, value).output().unwrap();
    let text = String::from_utf8_lossy(&output.stdout);
    println!(
        "{variable}={value}: {}",
        text.lines().rfind(|line| line.starts_with("test result")).unwrap_or("")
    );
    assert!(
        output.status.success(),
        "with {variable}={value}:\n{text}\n{}",
        String::from_utf8_lossy(&output.stderr)
    );
}

#[test]
#[ignore = "long: the suite once for each feature"]
fn the_suite_passes_without_each_single_feature() {
    // The break: the absolute time where the timeout is relative, in `Enter::enter`. As a mutant it is killed sooner, by
    // `each_feature_can_be_missing_and_all_of_them_together`.
    for (_, name) in Features::all().iter() {
        suite_with("URING_TEST_WITHOUT", name);
    }
}
