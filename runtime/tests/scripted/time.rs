//! Timers on virtual time, to the nanosecond.

use std::cell::Cell;
use std::collections::BTreeMap;
use std::future::pending;
use std::pin::Pin;
use std::rc::Rc;
use std::time::Duration;

use uring_runtime::task::spawn;
use uring_runtime::time::{Instant, Sleep, interval, sleep, sleep_until, timeout};
use uring_sys_shim::opcode;

use crate::support::{Log, Random, Rig, Then, all, answer, deliver, file, only, poll, quiet, receiver};

const MILLI: Duration = Duration::from_millis(1);

/// A duration of any magnitude.
fn any(random: &mut Random) -> Duration {
    let bits = random.below(40);
    Duration::from_nanos(random.below(1 << bits))
}

/// Sleeps, resets and drops at random and compares each step with a map.
fn check_timers(seed: u64) {
    let rig = Rig::new();
    let mut random = Random::new(seed);
    rig.run(async |script| {
        let mut sleeps: BTreeMap<u32, Pin<Box<Sleep>>> = BTreeMap::new();
        let mut model: BTreeMap<u32, Instant> = BTreeMap::new();
        for step in 0..1500 {
            let deadline = Instant::now() + any(&mut random);
            let chosen = model.keys().nth(random.below(model.len().max(1) as u64) as usize).copied();
            match (random.below(6), chosen) {
                (0..3, _) => {
                    let mut sleep = Box::pin(sleep_until(deadline));
                    if random.below(4) > 0 {
                        let _ = poll(&mut sleep);
                    }
                    sleeps.insert(step, sleep);
                    model.insert(step, deadline);
                }
                (3, Some(key)) => {
                    sleeps.remove(&key);
                    model.remove(&key);
                }
                (4, Some(key)) => {
                    sleeps.get_mut(&key).expect("in both").reset(deadline);
                    model.insert(key, deadline);
                }
                _ => {
                    script.advance(any(&mut random).as_nanos() as u64);
                    quiet().await;
                }
            }
            quiet().await;
            let now = Instant::now();
            if step % 5 == 0 {
                for (key, sleep) in &mut sleeps {
                    let is_due = model[key] <= now;
                    assert_eq!(poll(sleep).is_ready(), is_due, "seed {seed}, step {step}, timer {key}");
                }
                sleeps.retain(|key, _| model[key] > now);
                model.retain(|_, deadline| *deadline > now);
            }
        }
    });
    rig.end();
}

/// C10. The breaks: `pop_due` compares with `<`; `reset` of a timer that has fired does not arm it.
#[test]
fn timers_agree_with_a_map_whatever_is_reset_and_dropped() {
    for seed in 1..=50 {
        check_timers(seed);
    }
}

/// C10. The break: `exchange` rounds the deadline, as a clock of milliseconds does.
#[test]
fn each_sleep_ends_at_its_very_nanosecond_and_in_order() {
    for seed in 1..=20 {
        let rig = Rig::new();
        let mut random = Random::new(seed);
        let woken: Log<Instant> = Rc::default();
        let deadlines = rig.run(async |_script| {
            let mut deadlines = Vec::new();
            for _ in 0..200 {
                let (deadline, woken) = (Instant::now() + any(&mut random), Rc::clone(&woken));
                deadlines.push(deadline);
                let _detached = spawn(async move {
                    sleep_until(deadline).await;
                    assert_eq!(Instant::now(), deadline, "seed {seed}");
                    woken.borrow_mut().push(deadline);
                });
            }
            sleep(Duration::from_secs(2000)).await;
            deadlines
        });
        let mut sorted = deadlines;
        sorted.sort();
        assert_eq!(*woken.borrow(), sorted, "seed {seed}");
        let mut exact: Vec<u64> = sorted.iter().map(|deadline| nanos(*deadline)).collect();
        exact.dedup();
        // Every wait is for the next deadline, exactly, but for the last one, which is the main future's.
        let waits: Vec<u64> = rig.script.waits().into_iter().flatten().collect();
        let (last, waits) = waits.split_last().expect("it waited");
        let first = exact.len() - waits.len();
        assert_eq!(*waits, exact[first..], "seed {seed}");
        assert_eq!(*last, 2000 * 1_000_000_000);
        rig.end();
    }
}

/// A point on the scripted clock, which begins at zero, where arithmetic with instants saturates.
fn nanos(instant: Instant) -> u64 {
    instant.duration_since(instant - Duration::MAX).as_nanos() as u64
}

/// C10. The break: `Instant::add` wraps.
#[test]
fn a_duration_without_an_end_has_none_and_nothing_overflows() {
    let rig = Rig::new();
    rig.run(async |script| {
        // At zero even a sum that wraps would be right.
        script.advance(1_000_000);
        let ended: Log<&str> = Rc::default();
        let note = |name: &'static str| {
            let ended = Rc::clone(&ended);
            move || ended.borrow_mut().push(name)
        };
        let endless = [Duration::MAX, Duration::from_secs(u64::MAX), Duration::from_nanos(u64::MAX)];
        for duration in endless {
            let end = note("sleep");
            let _detached = spawn(async move {
                sleep(duration).await;
                end();
            });
            let end = note("timeout");
            let _detached = spawn(async move {
                let _ = timeout(duration, pending::<()>()).await;
                end();
            });
            let end = note("tick");
            let _detached = spawn(async move {
                let mut interval = interval(duration);
                interval.tick().await;
                interval.tick().await;
                end();
            });
        }
        let mut reset = Box::pin(sleep(MILLI));
        assert!(poll(&mut reset).is_pending());
        reset.as_mut().reset(Instant::now() + Duration::MAX);
        for nanos in [0, 1, 1 << 32, 1 << 62] {
            script.advance(nanos);
            quiet().await;
            assert!(poll(&mut reset).is_pending());
        }
        assert!(ended.borrow().is_empty(), "{:?}", ended.borrow());
        assert_eq!(timeout(Duration::MAX, async { 7 }).await, Ok(7));
        assert!(timeout(Duration::ZERO, pending::<()>()).await.is_err());
        // The last nanosecond that comes.
        let last = Instant::now() + Duration::from_nanos(u64::MAX - 1 - nanos(Instant::now()));
        sleep_until(last).await;
        assert_eq!(Instant::now(), last);
        assert!(ended.borrow().is_empty());
    });
    rig.end_with_things_held();
}

/// C10, C18. The breaks: `Sleep::poll` arms a timer for `NEVER`; `Sleep::reset` keeps the timer when it becomes `NEVER`.
#[test]
fn a_core_that_waits_only_for_endless_timers_sleeps_without_a_deadline() {
    let rig = Rig::new();
    rig.run(async |script| {
        let _detached = spawn(sleep(Duration::MAX));
        let mut reset = Box::pin(sleep(MILLI));
        assert!(poll(&mut reset).is_pending());
        reset.as_mut().reset(Instant::now() + Duration::MAX);
        script.on_wait(|script| {
            all(script, opcode::READ).iter().for_each(|sqe| script.complete(sqe, 0));
        });
        let _ = file().read_at(Vec::with_capacity(8), 0).await;
        assert_eq!(script.waits(), [None]);
    });
    rig.end_with_things_held();
}

/// C10. The breaks: `fire_timers` fires all that is due in one turn; it fires more than a turn polls, so that the
/// queue in front of each next read doubles.
#[test]
fn a_hundred_thousand_timers_that_are_due_at_once_leave_room_for_io() {
    const TIMERS: usize = 100_000;
    let rig = Rig::new();
    rig.run(async |script| {
        let ran = Rc::new(Cell::new(0));
        let due = Instant::now() + MILLI * 1000;
        for _ in 0..TIMERS {
            let ran = Rc::clone(&ran);
            let _detached = spawn(async move {
                sleep_until(due).await;
                ran.update(|count| count + 1);
            });
        }
        let file = Rc::new(file());
        let ran_before = Rc::new(Cell::new([0; 8]));
        let reading = spawn({
            let (ran, ran_before) = (Rc::clone(&ran), Rc::clone(&ran_before));
            async move {
                for read in 0..8 {
                    let _ = file.read_at(Vec::with_capacity(8), 0).await;
                    ran_before.update(|mut counts| {
                        counts[read] = ran.get();
                        counts
                    });
                }
            }
        });
        quiet().await;
        // From the deadline on, each read completes soon after its submission.
        let serving = spawn({
            let script = script.clone();
            async move {
                sleep_until(due).await;
                for _ in 0..TIMERS {
                    for sqe in all(&script, opcode::READ) {
                        script.complete(&sqe, 0);
                    }
                    uring_runtime::task::yield_now().await;
                }
            }
        });
        answer(script, &only(script, opcode::READ), b"first");
        sleep_until(due).await;
        reading.await.expect("no panic");
        serving.abort();
        let counts = ran_before.get();
        assert!(
            counts.is_sorted() && counts[7] < 10_000,
            "timers that ran before each of the reads: {counts:?}"
        );
        quiet().await;
        assert_eq!(ran.get(), TIMERS, "and all of them fire");
    });
    rig.end();
}

/// C10. The break: `driver.now() >= timer` in `look_or_sleep` becomes `timer == until`, and a clock that only a sleep
/// moves stands still for ever.
#[test]
fn a_core_that_looks_before_it_sleeps_comes_to_a_timer_on_a_clock_that_stands_still_meanwhile() {
    let (done, wait) = std::sync::mpsc::channel();
    std::thread::spawn(move || {
        let spin = |builder: uring_runtime::Builder| builder.spin(Duration::from_micros(50));
        let rig = Rig::with(64, uring_runtime::Features::all(), spin);
        rig.run(async |_| {
            for _ in 0..100 {
                quiet().await;
            }
        });
        rig.end();
        done.send(()).expect("the test waits");
    });
    wait.recv_timeout(Duration::from_secs(60)).expect("the core looks for ever");
}

/// B3. The break: `Timeout::poll` looks at the deadline first.
#[test]
fn bytes_and_a_deadline_that_are_both_there_are_bytes() {
    let rig = Rig::new();
    rig.run(async |script| {
        let receiver = receiver();
        let mut recv = Box::pin(timeout(Duration::from_millis(1), receiver.recv()));
        assert!(poll(&mut recv).is_pending());
        quiet().await;
        deliver(script, &only(script, opcode::RECV), b"in time", Then::More);
        script.advance(2_000_000);
        quiet().await;
        let bytes = recv.await.expect("not timed out").expect("bytes");
        assert_eq!(&bytes[..], b"in time");
    });
    rig.end();
}
