//! Polls that take long, on virtual time: who is told, with what, and how often.

use std::fmt::{Debug, Write};
use std::future::{pending, poll_fn};
use std::sync::{Arc, Mutex};
use std::task::Poll;
use std::time::Duration;

use tracing::field::{Field, Visit};
use tracing::{Event, Metadata, Subscriber, span};
use uring_runtime::task::{Builder, JoinSet, Priority, spawn, spawn_with, yield_now};
use uring_sys_shim::{Features, Script};

use crate::support::Rig;

const LIMIT: Duration = Duration::from_millis(100);

/// Keeps the warnings of the runtime as text.
#[derive(Clone, Default)]
struct Warnings(Arc<Mutex<Vec<String>>>);

struct Text(String);

impl Visit for Text {
    fn record_debug(&mut self, field: &Field, value: &dyn Debug) {
        write!(self.0, "{}={value:?};", field.name()).expect("strings take all text");
    }
}

impl Subscriber for Warnings {
    fn enabled(&self, metadata: &Metadata<'_>) -> bool {
        *metadata.level() == tracing::Level::WARN
    }

    fn event(&self, event: &Event<'_>) {
        let mut text = Text(String::new());
        event.record(&mut text);
        self.0.lock().expect("nobody panics with it").push(text.0);
    }

    fn new_span(&self, _span: &span::Attributes<'_>) -> span::Id {
        span::Id::from_u64(1)
    }

    fn record(&self, _span: &span::Id, _values: &span::Record<'_>) {}

    fn record_follows_from(&self, _span: &span::Id, _follows: &span::Id) {}

    fn enter(&self, _span: &span::Id) {}

    fn exit(&self, _span: &span::Id) {}
}

impl Warnings {
    fn take(&self) -> Vec<String> {
        std::mem::take(&mut self.0.lock().expect("nobody panics with it"))
    }
}

fn rig(limit: Option<Duration>) -> Rig {
    Rig::with(64, Features::all(), |builder| builder.stall_limit(limit))
}

/// Runs a test's body and gives what was told meanwhile.
fn told(rig: &Rig, body: impl AsyncFnOnce(&Script)) -> Vec<String> {
    let warnings = Warnings::default();
    tracing::subscriber::with_default(warnings.clone(), || rig.run(body));
    warnings.take()
}

fn nanos(duration: Duration) -> u64 {
    duration.as_nanos() as u64
}

/// A poll that takes so long.
async fn takes(script: &Script, duration: Duration) {
    script.advance(nanos(duration));
    yield_now().await;
}

/// The breaks: `<` at the limit; the name is looked for after the place was given back; the main future is not watched.
#[test]
fn a_poll_beyond_the_limit_is_told_with_the_name_and_the_place_of_its_task() {
    let rig = rig(Some(LIMIT));
    let told = told(&rig, async |script| {
        let (slow, just) = (script.clone(), script.clone());
        let just = Builder::new().name("just in time").spawn(async move { takes(&just, LIMIT).await });
        just.await.expect("it ends");
        let late = LIMIT + Duration::from_nanos(1);
        let slow = Builder::new().name("slow").spawn(async move { slow.advance(nanos(late)) });
        slow.await.expect("it ends");
    });
    let [text] = &told[..] else { panic!("one is told: {told:?}") };
    assert!(text.contains("task=\"slow\";"), "{text}");
    assert!(text.contains("spawned=runtime/tests/scripted/stalls.rs:"), "{text}");
    assert!(text.contains("took=100.000001ms;") && text.contains("untold=0;"), "{text}");
    let stats = rig.stats();
    assert_eq!((stats.stalls, stats.longest_poll), (1, LIMIT + Duration::from_nanos(1)));
    rig.end();
}

/// The break: no look at when the last one was told.
#[test]
fn stalls_are_told_once_a_second_and_the_others_are_counted() {
    let rig = rig(Some(LIMIT));
    let told = told(&rig, async |script| {
        // 0.2 s each: the first, the sixth and the eleventh are told.
        for _ in 0..11 {
            let script = script.clone();
            spawn(async move { script.advance(200_000_000) }).await.expect("it ends");
        }
    });
    let untold: Vec<_> = told.iter().map(|text| text.contains("untold=4;")).collect();
    assert_eq!(untold, [false, true, true], "{told:?}");
    assert!(told[0].contains("a task without a name") && told[0].contains("untold=0;"), "{told:?}");
    assert_eq!((rig.stats().stalls, rig.stats().longest_poll), (11, Duration::from_millis(200)));
    rig.end();
}

/// The break: the main future's poll is not watched when it is its last.
#[test]
fn the_main_future_is_watched_in_each_of_its_polls() {
    let rig = rig(Some(LIMIT));
    let warnings = told(&rig, async |script| takes(script, 2 * LIMIT).await);
    assert!(warnings.len() == 1 && warnings[0].contains("the main future"), "{warnings:?}");
    assert!(warnings[0].contains("spawned=runtime/tests/scripted/support.rs:"), "{warnings:?}");
    let warnings = told(&rig, async |script| script.advance(nanos(20 * LIMIT)));
    assert!(warnings.len() == 1 && warnings[0].contains("took=2s;"), "{warnings:?}");
    assert_eq!(rig.stats().stalls, 2);
    rig.end();
}

/// The break: `Tasks::after` leaves the name in the place.
#[test]
fn a_name_goes_with_its_task() {
    let rig = rig(Some(LIMIT));
    let told = told(&rig, async |script| {
        Builder::new().name("gone").spawn(async {}).await.expect("it ends");
        let script = script.clone();
        spawn(async move { script.advance(nanos(2 * LIMIT)) }).await.expect("it ends");
    });
    assert!(told.len() == 1 && told[0].contains("a task without a name"), "{told:?}");
    rig.end();
}

/// The break: `spawned` is asked for inside of a closure, or a function between has no `#[track_caller]`.
#[test]
fn each_way_to_spawn_knows_its_caller() {
    let rig = rig(Some(LIMIT));
    let mut lines = Vec::new();
    let told = told(&rig, async |script| {
        let late = || {
            let script = script.clone();
            async move { script.advance(nanos(20 * LIMIT)) }
        };
        lines.push(line!() + 1);
        spawn(late()).await.expect("it ends");
        lines.push(line!() + 1);
        spawn_with(Priority::Urgent, late()).await.expect("it ends");
        lines.push(line!() + 1);
        Builder::new().priority(Priority::Background).spawn(late()).await.expect("it ends");
        let mut set = JoinSet::new();
        lines.push(line!() + 1);
        set.spawn(late());
        set.join_next().await.expect("one is there").expect("it ends");
    });
    assert_eq!(told.len(), 4, "{told:?}");
    for (text, line) in told.iter().zip(lines) {
        assert!(
            text.contains(&format!("spawned=runtime/tests/scripted/stalls.rs:{line}:")),
            "{line}: {text}"
        );
    }
    rig.end();
}

/// The break: the limit's absence is taken for zero.
#[test]
fn without_a_limit_nobody_looks() {
    let rig = rig(None);
    let told = told(&rig, async |script| {
        let script = script.clone();
        spawn(async move { script.advance(nanos(20 * LIMIT)) }).await.expect("it ends");
    });
    assert!(told.is_empty(), "{told:?}");
    assert_eq!((rig.stats().stalls, rig.stats().longest_poll), (0, Duration::ZERO));
    rig.end();
}

/// The break: the beginning of a poll is that of the turn, so that the second of two is blamed for both.
#[test]
fn a_poll_is_not_blamed_for_those_before_it() {
    let rig = rig(Some(LIMIT));
    let told = told(&rig, async |script| {
        let half = |script: &Script| {
            let script = script.clone();
            spawn(async move { script.advance(nanos(LIMIT * 9 / 10)) })
        };
        let tasks: Vec<_> = (0..10).map(|_| half(script)).collect();
        for task in tasks {
            task.await.expect("it ends");
        }
        // Nor for the time in which the core sleeps.
        script.advance(0);
        uring_runtime::time::sleep(10 * LIMIT).await;
        let never = spawn(pending::<()>());
        poll_fn(|_| Poll::Ready(())).await;
        never.abort();
    });
    assert!(told.is_empty(), "{told:?}");
    assert_eq!(rig.stats().longest_poll, LIMIT * 9 / 10);
    rig.end();
}
