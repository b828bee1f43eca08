//! Which branch of a `select!` is polled first: fair, and repeated by a seed (hazard C9).

use std::future::{pending, ready};
use std::thread;

use uring::macro_support::test_builder;
use uring::{Builder, Runtime, select, spawn};

/// Which of four branches that are always ready wins, in each of so many rounds.
async fn winners(rounds: usize) -> Vec<usize> {
    let mut winners = Vec::with_capacity(rounds);
    for _ in 0..rounds {
        winners.push(select! {
            () = ready(()) => 0,
            () = ready(()) => 1,
            () = ready(()) => 2,
            () = ready(()) => 3,
        });
    }
    winners
}

fn seeded(seed: u64) -> Runtime {
    test_builder().seed(seed).build().unwrap()
}

#[test]
fn branches_that_are_always_ready_win_equally_often() {
    // The breaks: `ByChance::first` gives 0; the loop begins at 0 in place of `first`; a generator that repeats itself.
    for seed in 0..20 {
        let mut wins = [0; 4];
        seeded(seed).block_on(winners(4000)).into_iter().for_each(|winner| wins[winner] += 1);
        assert!(wins.iter().all(|wins| (880..1120).contains(wins)), "seed {seed}: {wins:?}");
    }
}

#[test]
fn a_branch_that_is_always_ready_leaves_the_next_one_its_turn() {
    // The break: `ByChance::first` gives 0.
    let wins = seeded(7).block_on(async {
        let mut wins = [0; 2];
        for _ in 0..300 {
            let winner = select! {
                () = pending() => unreachable!("it is never ready"),
                () = ready(()) => 0,
                () = ready(()) => 1,
            };
            wins[winner] += 1;
        }
        wins
    });
    // The first of the two wins also where the one before it was asked first.
    assert!((150..250).contains(&wins[0]) && wins[1] > 50, "{wins:?}");
}

#[test]
fn one_seed_repeats_what_is_left_to_chance_and_another_does_not() {
    // The breaks: `build` leaves the seed out; `below` asks the thread's generator in a core.
    let run = |seed| {
        seeded(seed).block_on(async {
            let task = spawn(winners(50));
            let main = winners(50).await;
            (main, task.await.unwrap())
        })
    };
    let first = run(42);
    assert_eq!(first, run(42));
    assert_eq!(first, thread::spawn(move || run(42)).join().unwrap(), "also on another thread");
    assert_ne!(first, run(43));
    assert_ne!(first.0, first.1, "tasks of one core go on in one sequence");
}

#[test]
fn without_a_seed_and_outside_of_a_core_runs_differ() {
    // The break: `fresh_seed` gives 0.
    let run = || test_builder().build().unwrap().block_on(winners(50));
    assert_ne!(run(), run());
    let outside = || {
        // Nothing waits, so one poll is all.
        let mut winners = Box::pin(winners(50));
        match crate::kit::poll_idly(winners.as_mut()) {
            std::task::Poll::Ready(winners) => winners,
            std::task::Poll::Pending => unreachable!("all branches are ready"),
        }
    };
    assert_ne!(outside(), thread::spawn(outside).join().unwrap());
}

#[test]
fn the_cores_of_a_service_decide_differently_and_alike_in_each_run() {
    // The break: the launcher builds each core with the seed of the service as it is.
    let run = || -> Vec<Option<Vec<usize>>> {
        let service = Builder::new().seed(3).cores(2).leave_signals();
        service.run(|| async { Ok::<_, ()>(winners(50).await) }).unwrap()
    };
    let first = run();
    assert_ne!(first[0], first[1]);
    assert_eq!(first, run());
}
