//! Tiny runs of the comparison, as a user starts it: every arm does its work, and none is refused.
#![allow(clippy::unwrap_used, reason = "tests")]

use std::process::Command;
use std::sync::{Mutex, PoisonError};
use std::thread::available_parallelism;

use serde_json::Value;

/// Runs one round of everything that is asked for and gives the cases. `None` on a machine with one processor, on which
/// nothing can be compared.
fn compare(args: &[&str]) -> Option<Vec<Value>> {
    if available_parallelism().unwrap().get() < 2 {
        return None;
    }
    // Two at a time would wait for each other's processors, and rounds are too short for that.
    static ALONE: Mutex<()> = Mutex::new(());
    let _alone = ALONE.lock().unwrap_or_else(PoisonError::into_inner);
    let tiny = ["compare", "--rounds", "1", "--seconds-per-round", "0.2", "--json", "-"];
    let output = Command::new(env!("CARGO_BIN_EXE_uring-bench")).args(tiny).args(args).output().unwrap();
    let told = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{told}");
    let document: Value = serde_json::from_slice(&output.stdout).unwrap();
    let cases = document["cases"].as_array().unwrap().clone();
    for arm in cases.iter().flat_map(|case| case["arms"].as_array().unwrap()) {
        assert_eq!(arm["refusal"], Value::Null, "{told}");
        assert!(
            arm["rounds"].as_array().unwrap().iter().all(|round| round["ops"].as_u64() > Some(0)),
            "{arm}"
        );
    }
    Some(cases)
}

/// The arms of a case, in their order.
fn arms(case: &Value) -> Vec<&str> {
    case["arms"].as_array().unwrap().iter().map(|arm| arm["arm"].as_str().unwrap()).collect()
}

#[test]
fn one_connection_is_also_served_by_those_who_look_longer_before_they_wait() {
    let Some(cases) = compare(&["--workload", "tcp-echo", "--connections", "1"]) else { return };
    assert_eq!(arms(&cases[0]), ["uring", "uring-low-latency", "epoll", "raw", "raw-spin", "tokio"]);
}

#[test]
fn arms_that_are_named_take_part_where_they_can_and_nobody_else_does() {
    let args = ["--workload", "tcp-echo,spawn", "--connections", "4", "--arms", "raw-spin,uring"];
    let Some(cases) = compare(&args) else { return };
    assert_eq!(cases.iter().map(arms).collect::<Vec<_>>(), [vec!["raw-spin", "uring"], vec!["uring"]]);
}

#[test]
fn a_server_of_many_cores_is_compared_with_the_two_ways_that_tokio_has() {
    let args = ["--workload", "tcp-echo", "--connections", "16,1", "--cores", "2"];
    let Some(cases) = compare(&args) else { return };
    assert_eq!(cases.len(), 1, "one connection has one core by chance");
    assert_eq!(arms(&cases[0]), ["uring", "epoll", "raw", "tokio", "tokio-multi"]);
    for arm in cases[0]["arms"].as_array().unwrap() {
        let round = &arm["rounds"][0];
        let has_rings = ["uring", "raw"].contains(&arm["arm"].as_str().unwrap());
        assert_eq!(round["rings"].as_u64().unwrap() >= 2, has_rings, "one for each core: {arm}");
        assert_eq!(round["ops_of_server"], round["ops"], "all cores count together");
    }
}

#[test]
fn every_node_of_a_mesh_hears_from_every_other_one() {
    let Some(cases) = compare(&["--workload", "mesh"]) else { return };
    assert_eq!(arms(&cases[0]), ["uring", "uring-mpsc", "tokio", "flume", "crossbeam"]);
}

/// The first round of each arm of a case, by one of its fields.
fn figures(case: &Value, field: &str) -> Vec<u64> {
    case["arms"].as_array().unwrap().iter().map(|arm| arm["rounds"][0][field].as_u64().unwrap()).collect()
}

/// The break: `Priority::Urgent` of `arms/uring/mod.rs` becomes `Priority::Normal`.
#[test]
fn an_urgent_task_waits_for_a_turn_of_the_others_at_most_and_a_normal_one_for_all_of_them() {
    let Some(cases) = compare(&["--workload", "urgent"]) else { return };
    assert_eq!(cases.len(), 2, "woken by a timer, and by another core");
    for case in cases {
        assert_eq!(arms(&case), ["uring", "uring-normal", "tokio"]);
        let [urgent, normal, _] = figures(&case, "p50_polls")[..] else { panic!("{case}") };
        assert!(urgent < 1000 && normal > 5000, "{urgent} and {normal} polls of 10,000 others");
    }
}

/// The break: `.without(Features::MSG_RING)` goes from `arms/uring/mod.rs`.
#[test]
fn a_sleeping_core_is_woken_by_each_of_the_two_ways_and_their_system_calls_are_counted() {
    let Some(cases) = compare(&["--workload", "bell"]) else { return };
    assert_eq!(arms(&cases[0]), ["uring", "uring-eventfd", "bare"]);
    let (calls, trips) = (figures(&cases[0], "syscalls"), figures(&cases[0], "ops"));
    // By eventfd: two enters and two writes a trip, less what found the other core awake.
    assert!(calls[1] * 2 > trips[1] * 5, "{calls:?} in {trips:?}");
}
