//! `join!` and `try_join!`: outputs in order, fair polls, and what is dropped when.

use std::cell::{Cell, RefCell};
use std::future::{pending, poll_fn, ready};
use std::rc::Rc;
use std::task::Poll;

use uring::macro_support::test_builder;
use uring::{join, try_join, yield_now};

use crate::kit::Dropped;

fn run<F: Future>(body: F) -> F::Output {
    test_builder().build().unwrap().block_on(body)
}

async fn after<T>(polls: u32, value: T) -> T {
    for _ in 0..polls {
        yield_now().await;
    }
    value
}

/// A future that notes when it is polled, so often.
async fn noted(polled: &RefCell<Vec<u32>>, part: u32, polls: u32) {
    let mut left = polls;
    poll_fn(|cx| {
        polled.borrow_mut().push(part);
        left -= 1;
        if left == 0 {
            return Poll::Ready(());
        }
        cx.waker().wake_by_ref();
        Poll::Pending
    })
    .await;
}

#[test]
fn join_gives_what_all_gave_in_the_order_in_which_they_stand_there() {
    // The break: it is over when the last of a round has finished (`waits =` in place of `waits |=`).
    run(async {
        assert_eq!(join!(after(3, 'a'), after(1, "b"), ready(2_u8)), ('a', "b", 2));
        assert_eq!(join!(biased; after(0, 1), after(2, 2),), (1, 2));
        assert_eq!(join!(ready(1)), (1,));
        join!();
        join!(biased;);
        let text = String::from("borrowed");
        let (length, first) = join!(async { text.len() }, async { text.chars().next() });
        assert_eq!((length, first), (8, Some('b')));
    });
}

#[test]
fn each_future_of_a_join_is_first_in_its_turn() {
    // Hazard C9. The break: `ByTurns::first` does not go on.
    run(async {
        let polled = RefCell::new(Vec::new());
        join!(noted(&polled, 0, 4), noted(&polled, 1, 4), noted(&polled, 2, 4));
        assert_eq!(polled.take(), [0, 1, 2, 1, 2, 0, 2, 0, 1, 0, 1, 2]);
        join!(biased; noted(&polled, 0, 2), noted(&polled, 1, 2));
        assert_eq!(polled.take(), [0, 1, 0, 1]);
        let result: Result<_, ()> = try_join!(
            async {
                noted(&polled, 0, 2).await;
                Ok(())
            },
            async {
                noted(&polled, 1, 2).await;
                Ok(())
            }
        );
        assert_eq!((result, polled.take()), (Ok(((), ())), vec![0, 1, 1, 0]));
    });
}

#[test]
fn no_future_of_a_join_uses_up_the_budget_for_the_others() {
    // Hazard C9. The break: `join!` is biased.
    run(async {
        let counts = [Cell::new(0_u32), Cell::new(0)];
        let taking = async |count: &Cell<u32>| {
            while counts.iter().all(|count| count.get() < 1000) {
                uring::task::consume_budget().await;
                count.set(count.get() + 1);
            }
        };
        join!(taking(&counts[0]), taking(&counts[1]));
        let [first, second] = counts.map(Cell::into_inner);
        assert!(first.abs_diff(second) <= 128, "{first} and {second} results");
    });
}

#[test]
fn a_future_of_a_join_is_dropped_when_it_has_finished() {
    // The break: its place keeps it until the end.
    struct Once(Option<Dropped>);
    impl Future for Once {
        type Output = ();
        fn poll(self: std::pin::Pin<&mut Self>, _: &mut std::task::Context<'_>) -> Poll<()> {
            assert!(self.0.is_some());
            Poll::Ready(())
        }
    }
    run(async {
        let drops = Rc::new(Cell::new(0));
        let seen = Rc::clone(&drops);
        join!(Once(Some(Dropped::new(&drops))), async move {
            yield_now().await;
            assert_eq!(seen.get(), 1);
        });
        assert_eq!(drops.get(), 1);
    });
}

#[test]
fn try_join_gives_all_or_the_first_error_and_drops_the_rest_then() {
    // The break: `take_error` gives nothing, and the join waits for ever.
    run(async {
        let both: Result<_, String> = try_join!(async { Ok(after(2, 1).await) }, ready(Ok("two")));
        assert_eq!(both, Ok((1, "two")));
        let drops = Rc::new(Cell::new(0));
        let (held, given) = (Dropped::new(&drops), Dropped::new(&drops));
        let failed: Result<(Dropped, (), ()), u32> = try_join!(
            async { Ok(given) },
            async {
                let _held = held;
                pending().await
            },
            async {
                yield_now().await;
                Err(7)
            },
        );
        assert!(matches!(failed, Err(7)));
        assert_eq!(drops.get(), 2);
        assert_eq!(try_join!(), Ok::<_, ()>(()));
    });
}

#[test]
fn the_error_of_a_try_join_leaves_the_function_around() {
    async fn sum(second: Result<u32, &'static str>) -> Result<u32, &'static str> {
        let (first, second) = try_join!(biased; async { Ok(1) }, async { yield_now().await; second })?;
        Ok(first + second)
    }
    run(async {
        assert_eq!(sum(Ok(2)).await, Ok(3));
        assert_eq!(sum(Err("no second")).await, Err("no second"));
    });
}

#[test]
fn thirty_two_futures_are_as_good_as_two() {
    // The break: a name or a number in the macro's list that is there twice.
    macro_rules! all {
        ($($part:literal)+) => { join!($(after($part % 3, $part)),+) };
    }
    run(async {
        let joined =
            all!(0 1 2 3 4 5 6 7 8 9 10 11 12 13 14 15 16 17 18 19 20 21 22 23 24 25 26 27 28 29 30 31);
        assert_eq!((joined.0, joined.1, joined.15, joined.16, joined.30, joined.31), (0, 1, 15, 16, 30, 31));
    });
}
