//! What tokio-console is told: the spans of tasks, their polls, wakes and ends. A test binary of its own, because the
//! feature `console` changes what a task is.
#![allow(clippy::unwrap_used, reason = "tests")]

mod listener;

use std::future::poll_fn;
use std::task::Poll;
use std::time::Duration;

use listener::{Listener, Told};
use uring::macro_support::test_builder;
use uring::sync::oneshot;
use uring::task::Builder;
use uring::{spawn, stats, yield_now};

/// Runs a future with somebody who listens, and gives what was told of the task with this name.
fn told_of<F: Future>(name: &str, body: F) -> Vec<Told> {
    let listener = Listener::default();
    let told = listener.clone();
    tracing::subscriber::with_default(listener, || test_builder().build().unwrap().block_on(body));
    told.of(name)
}

#[test]
fn a_task_is_a_span_with_its_name_and_where_it_was_spawned() {
    // The break: `Location::caller()` stands in the span in place of what `start` was given.
    let line = line!() + 2;
    let told = told_of("named", async {
        Builder::new().name("named").spawn(async {}).await.unwrap();
    });
    let Told::Spawned(fields) = &told[0] else { panic!("{told:?}") };
    let field = |name: &str| fields.get(name).map(String::as_str).unwrap_or_default();
    assert_eq!(field("kind"), "task");
    assert!(field("loc.file").ends_with("tests/console/main.rs"), "{fields:?}");
    assert_eq!(field("loc.line"), line.to_string());
    assert!(field("loc.col").parse::<u64>().unwrap() > 1 && field("task.id").parse::<u64>().unwrap() > 0);
    assert!(field("size.bytes").parse::<u64>().is_ok());
}

#[test]
fn each_poll_enters_the_span_and_the_end_closes_it() {
    // The breaks: `Watched::poll` enters nothing; `start` keeps no mark of the task.
    use Told::{Closed, Entered, Exited, Woken};
    let told = told_of("yields", async {
        let task = Builder::new().name("yields").spawn(async {
            yield_now().await;
            yield_now().await;
        });
        task.await.unwrap();
    });
    let expected = [Entered, Woken, Exited, Entered, Woken, Exited, Entered, Exited, Closed];
    assert_eq!(told[1..], expected);
}

#[test]
fn wakes_by_timers_completions_and_other_threads_are_told_outside_of_polls() {
    // The breaks: `fire_timers` schedules without telling; so does `take_inbox`.
    use Told::{Closed, Entered, Exited, Woken};
    let expected = [Entered, Exited, Woken, Entered, Exited, Closed];
    let told = told_of("sleeps", async {
        let task = Builder::new().name("sleeps").spawn(uring::time::sleep(Duration::from_millis(1)));
        task.await.unwrap();
    });
    assert_eq!(told[1..], expected);
    let told = told_of("waits", async {
        let (sender, receiver) = oneshot::channel();
        let task = Builder::new().name("waits").spawn(receiver);
        yield_now().await;
        std::thread::spawn(move || sender.send(()).unwrap()).join().unwrap();
        task.await.unwrap().unwrap();
    });
    assert_eq!(told[1..], expected);
}

#[test]
fn a_task_that_is_aborted_or_panics_is_closed_and_the_main_future_is_a_span_too() {
    // The break: `block_on` keeps no mark of its future.
    let told = told_of("aborted", async {
        let task = Builder::new().name("aborted").spawn(std::future::pending::<()>());
        yield_now().await;
        task.abort();
        assert!(task.await.unwrap_err().is_cancelled());
    });
    use Told::{Closed, Entered, Exited, Woken};
    assert_eq!(told[1..], [Entered, Exited, Woken, Closed]);
    let told = told_of("panics", async {
        let task = Builder::new().name("panics").spawn(async { panic!("as it should") });
        let outcome: Result<(), _> = task.await;
        assert!(outcome.unwrap_err().is_panic());
    });
    assert_eq!(told[1..], [Entered, Exited, Closed]);
    let told = told_of("", async {
        let mut polled = false;
        poll_fn(|cx| {
            if std::mem::replace(&mut polled, true) {
                return Poll::Ready(());
            }
            cx.waker().wake_by_ref();
            Poll::Pending
        })
        .await;
    });
    let Told::Spawned(fields) = &told[0] else { panic!("{told:?}") };
    assert_eq!(fields["kind"], "block_on");
    assert_eq!(told[1..], [Entered, Woken, Exited, Entered, Exited, Closed]);
}

#[test]
fn who_listens_may_wake_and_spawn() {
    // The break: a wake is told while the table of tasks is borrowed.
    let listener = Listener::default();
    listener.on_wake(|| drop(spawn(async {})));
    let told = listener.clone();
    let spawned = tracing::subscriber::with_default(listener, || {
        test_builder().build().unwrap().block_on(async {
            Builder::new().name("woken").spawn(yield_now()).await.unwrap();
            stats().spawned
        })
    });
    assert!(told.of("woken").contains(&Told::Woken));
    assert!(spawned >= 2, "{spawned} tasks, and one for each wake among them");
}
