//! What `select!` does with its branches: conditions, patterns, `else`, handlers, and the futures that did not win.

use std::cell::{Cell, RefCell};
use std::future::{pending, poll_fn, ready};
use std::pin::pin;
use std::rc::Rc;
use std::task::Poll;

use uring::local::mpsc;
use uring::macro_support::test_builder;
use uring::time::{Duration, sleep};
use uring::{select, spawn, yield_now};

use crate::kit::{Dropped, panic_text};

fn run<F: Future>(body: F) -> F::Output {
    test_builder().seed(1).build().unwrap().block_on(body)
}

#[test]
fn biased_branches_are_polled_as_they_stand_there() {
    // The break: `biased;` chooses `ByChance`.
    run(async {
        for _ in 0..50 {
            let polled = RefCell::new(Vec::new());
            let noted = async |branch| {
                polled.borrow_mut().push(branch);
                if branch < 2 {
                    pending::<()>().await;
                }
            };
            let winner = select! {
                biased;
                () = noted(0) => 0,
                () = noted(1) => 1,
                () = noted(2) => 2,
                () = noted(3) => 3,
            };
            assert_eq!((winner, polled.into_inner()), (2, vec![0, 1, 2]));
        }
    });
}

#[test]
fn a_branch_whose_condition_is_false_is_made_and_never_polled() {
    // The break: the condition is not looked at before the poll.
    run(async {
        for _ in 0..50 {
            let made = Cell::new(0);
            let make = || {
                made.set(made.get() + 1);
                poll_fn(|_| -> Poll<()> { unreachable!("it is disabled") })
            };
            let rounds = 3;
            select! {
                () = make(), if rounds > 3 => unreachable!("it is disabled"),
                () = yield_now(), if rounds == 3 => {}
            }
            assert_eq!(made.get(), 1);
        }
    });
}

#[test]
fn what_does_not_fit_its_pattern_disables_the_branch_and_is_dropped() {
    // The breaks: `fits` begins as true; the branch stays enabled, and a future is polled after its end.
    run(async {
        for _ in 0..50 {
            let drops = Rc::new(Cell::new(0));
            let other = Dropped::new(&drops);
            let text = select! {
                Some(text) = async { None::<String> } => text,
                Ok(text) = async { Err::<String, _>(other) } => text,
                text @ ("a" | "b") = async { yield_now().await; "b" } => text.to_owned(),
            };
            assert_eq!((text.as_str(), drops.get()), ("b", 1));
        }
    });
}

#[test]
fn patterns_bind_as_in_a_match() {
    struct Pair {
        left: String,
        right: Box<u32>,
    }
    run(async {
        let moved = select! {
            (mut text, number) = ready((String::from("a"), 1)) => {
                text.push('b');
                format!("{text}{number}")
            }
        };
        assert_eq!(moved, "ab1");
        let length = select! { Some(ref text) = ready(Some(String::from("abc"))) => text.len() };
        assert_eq!(length, 3);
        let pair = Pair { left: String::from("left"), right: Box::new(2) };
        let parts = select! {
            Pair { left, right } = ready(pair) => (left, *right),
        };
        assert_eq!(parts, (String::from("left"), 2));
        let number = 5;
        let copied = select! { Some(&copy) = ready(Some(&number)) => copy, else => 0 };
        assert_eq!(copied, 5);
        let ranged = select! { 10..=19 = ready(7) => "in the tens", else => "elsewhere" };
        assert_eq!(ranged, "elsewhere");
    });
}

#[test]
fn else_runs_when_no_branch_is_left() {
    // The break: the loop says `Pending` although nobody waits.
    run(async {
        let on = false;
        let value = select! {
            () = pending(), if on => 1,
            Some(value) = async { yield_now().await; None } => value,
            else => 3,
        };
        assert_eq!(value, 3);
        assert_eq!(select! { else => 4 }, 4);
        assert_eq!(select! { biased; else => 5 }, 5);
    });
}

#[test]
fn without_else_it_panics_when_no_branch_is_left() {
    let text = panic_text(|| {
        run(async {
            let on = false;
            select! { () = pending(), if on => {} }
        });
    });
    assert_eq!(text, "uring: all branches of a `select!` are disabled, and it has no `else` branch");
}

#[test]
fn handlers_futures_and_conditions_leave_the_function_around() {
    async fn question_mark(fails: bool) -> Result<u32, String> {
        select! {
            result = async { if fails { Err(String::from("failed")) } else { Ok(1) } } => Ok(result? + 1),
        }
    }
    async fn condition(flag: Option<bool>) -> Option<&'static str> {
        select! {
            () = ready(()), if flag? => Some("first"),
            else => Some("else"),
        }
    }
    async fn returns() -> u32 {
        let mut rounds = 0;
        'outer: loop {
            for _ in 0..3 {
                select! {
                    () = yield_now(), if rounds == 0 => { rounds += 1; continue; }
                    () = yield_now(), if rounds == 1 => { rounds += 1; continue 'outer }
                    () = yield_now(), if rounds == 2 => { rounds += 1; break }
                    () = yield_now(), if rounds == 3 => return 42,
                }
            }
        }
    }
    run(async {
        assert_eq!(question_mark(false).await, Ok(2));
        assert_eq!(question_mark(true).await, Err(String::from("failed")));
        assert_eq!(condition(Some(true)).await, Some("first"));
        assert_eq!(condition(Some(false)).await, Some("else"));
        assert_eq!(condition(None).await, None);
        assert_eq!(returns().await, 42);
    });
}

#[test]
fn the_futures_are_gone_before_a_handler_runs_and_it_may_borrow_what_they_borrowed() {
    // The break: the futures are never dropped (`ManuallyDrop`). Dropped after the handler, it would not compile.
    run(async {
        let drops = Rc::new(Cell::new(0));
        let holding = |held: Dropped| async move {
            let _held = held;
            pending::<()>().await;
        };
        let (sender, mut receiver) = mpsc::channel(4);
        sender.send(1).await.unwrap();
        select! {
            () = holding(Dropped::new(&drops)) => unreachable!(),
            value = receiver.recv() => {
                assert_eq!((value, drops.get()), (Some(1), 2), "the others are gone");
                receiver.close();
                assert_eq!(receiver.recv().await, None);
            }
            () = holding(Dropped::new(&drops)) => unreachable!(),
        }
        assert!(sender.is_closed());
    });
}

#[test]
fn what_the_losing_branches_wait_for_is_there_in_the_next_round() {
    // Cancel safety: two channels and a timer raced against each other lose no value.
    run(async {
        let (left_sender, mut left) = mpsc::channel(1);
        let (right_sender, mut right) = mpsc::channel(1);
        for (sender, first) in [(left_sender, 0), (right_sender, 1)] {
            drop(spawn(async move {
                for value in 0..200 {
                    sender.send(value * 2 + first).await.unwrap();
                    if value % 16 == 0 {
                        sleep(Duration::from_micros(50)).await;
                    }
                }
            }));
        }
        let mut taken = [Vec::new(), Vec::new()];
        loop {
            select! {
                Some(value) = left.recv() => taken[0].push(value),
                Some(value) = right.recv() => taken[1].push(value),
                () = sleep(Duration::from_micros(20)) => {}
                else => unreachable!("the timer is always there"),
            }
            if taken.iter().all(|taken| taken.len() == 200) {
                break;
            }
        }
        let [left, right] = taken;
        assert!(left.into_iter().eq((0..200).map(|value| value * 2)));
        assert!(right.into_iter().eq((0..200).map(|value| value * 2 + 1)));
    });
}

#[test]
fn a_future_by_reference_goes_on_in_the_next_round() {
    run(async {
        let mut long = pin!(async {
            for _ in 0..5 {
                yield_now().await;
            }
            "done"
        });
        let mut rounds = 0;
        let text = loop {
            select! {
                biased;
                text = &mut long => break text,
                () = ready(()) => { rounds += 1; yield_now().await }
            }
        };
        assert_eq!((text, rounds), ("done", 5));
    });
}

#[test]
fn a_loop_over_branches_that_are_always_ready_ends_its_poll_when_the_budget_is_used_up() {
    // Hazard C9. The break: `select!` does not ask for the budget, and its own branch goes on without an end.
    run(async {
        let stop = Rc::new(Cell::new(false));
        let told = Rc::clone(&stop);
        let task = spawn(async move {
            let mut rounds = 0_u32;
            while !told.get() {
                // The first counts against the budget, the second does not, and would win for ever.
                select! {
                    biased;
                    () = uring::task::consume_budget() => rounds += 1,
                    () = ready(()) => panic!("the budget was passed over after {rounds} rounds"),
                }
            }
            rounds
        });
        yield_now().await;
        yield_now().await;
        stop.set(true);
        assert!(task.await.unwrap() >= 128);
    });
}

#[test]
fn thirty_two_branches_are_as_good_as_two() {
    // The break: a number in the macro's list that is there twice.
    macro_rules! race {
        ($winner:expr, $($branch:literal)+) => {
            select! { $(value = ready($branch), if $winner == $branch => value,)+ }
        };
    }
    run(async {
        for winner in 0..32 {
            let won = race!(winner, 0 1 2 3 4 5 6 7 8 9 10 11 12 13 14 15 16 17 18 19 20 21 22 23 24 25 26 27 28 29 30 31);
            assert_eq!(won, winner);
        }
    });
}

#[test]
fn uses_nest_in_handlers_and_in_futures_and_keep_temporaries() {
    run(async {
        let value = select! {
            inner = async { select! { value = &mut Box::pin(async { yield_now().await; 3 }) => value } } => {
                select! { () = ready(()) => inner + 1, else => 0 }
            }
        };
        assert_eq!(value, 4);
    });
}
