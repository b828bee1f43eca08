//! The ordered shutdown: who is told, who is waited for, and when it is over.

use std::future::pending;
use std::io;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::{Duration, Instant};

use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;
use uring::net::ShutDown;
use uring::sync::CancellationToken;
use uring::{Cores, shutdown, shutdown_token, spawn, time};

use crate::support::{alone, builder, listener, on_ring, watched};

/// How much later than the deadline a shutdown may end. The promise is 100 ms; a machine that is busy gets more.
const LATE: Duration = Duration::from_secs(2);

#[test]
fn a_shutdown_waits_for_tasks_that_finish_and_not_for_the_deadline() {
    watched(|_| {
        let runtime = builder().build().unwrap();
        let finished = Arc::new(AtomicUsize::new(0));
        runtime.block_on(async {
            for _ in 0..10 {
                let finished = Arc::clone(&finished);
                drop(spawn(async move {
                    shutdown_token().cancelled().await;
                    time::sleep(Duration::from_millis(5)).await;
                    finished.fetch_add(1, Ordering::SeqCst);
                }));
            }
        });
        let begin = Instant::now();
        // The break: `look_for_the_last_task` goes from the loop.
        assert_eq!(runtime.shutdown_within(Duration::from_secs(50)), 0);
        assert_eq!(finished.load(Ordering::SeqCst), 10);
        assert!(begin.elapsed() < Duration::from_secs(25), "it waited for the deadline");
    });
}

#[test]
fn a_task_that_does_not_heed_the_token_is_dropped_at_the_deadline() {
    watched(|_| {
        let runtime = builder().build().unwrap();
        let held = Arc::new(());
        runtime.block_on(async {
            let held = Arc::clone(&held);
            drop(spawn(async move {
                pending::<()>().await;
                drop(held);
            }));
        });
        // The break: `finish` does not wait for the deadline.
        let deadline = Duration::from_millis(50);
        let begin = Instant::now();
        assert_eq!(runtime.shutdown_within(deadline), 0);
        assert!(begin.elapsed() >= deadline, "the task had its time");
        assert!(begin.elapsed() < deadline + LATE);
        assert_eq!(Arc::strong_count(&held), 1, "the task is left");
    });
}

#[test]
fn mains_that_do_not_end_are_cut_off_at_the_deadline_and_a_second_shutdown_shortens_it() {
    watched(|_| {
        let begin = Instant::now();
        let outputs = builder().cores(Cores::Oversubscribed(2)).run(|| async {
            if uring::core().index == 0 {
                shutdown(Duration::from_secs(3600));
                // The break: `before.min(until)` becomes `before`.
                shutdown(Duration::from_millis(50));
                shutdown(Duration::from_secs(3600));
            }
            pending::<io::Result<()>>().await
        });
        assert_eq!(outputs.unwrap(), [None, None]);
        assert!(begin.elapsed() < Duration::from_secs(30), "the first deadline counted");
    });
}

#[test]
fn the_first_signal_shuts_a_service_down_in_order() {
    alone(|_| {
        let outputs = builder().cores(Cores::Oversubscribed(2)).run(|| async {
            if uring::core().index == 0 {
                // The watcher has had a turn by then.
                time::sleep(Duration::from_millis(50)).await;
                // The break: no `shutdown(grace)` in `watch`.
                kill(Pid::this(), Signal::SIGTERM).unwrap();
            }
            shutdown_token().cancelled().await;
            io::Result::Ok(())
        });
        assert_eq!(outputs.unwrap(), [Some(()), Some(())]);
    });
}

#[test]
fn tokens_cancel_what_is_below_them_and_nothing_else() {
    on_ring(async |_| {
        let root = CancellationToken::new();
        let (left, right) = (root.child_token(), root.child_token());
        let below = left.child_token();
        let heard = spawn({
            let below = below.clone();
            async move { below.cancelled().await }
        });
        uring::yield_now().await;
        left.cancel();
        // The break: `nodes.extend(..)` goes from `cancel`.
        heard.await.unwrap();
        assert!(below.is_cancelled() && !right.is_cancelled() && !root.is_cancelled());
        assert!(left.child_token().is_cancelled(), "a child of a cancelled token is cancelled");
        assert_eq!(left.run_until_cancelled(pending::<()>()).await, None);
        assert_eq!(left.run_until_cancelled(async { 1 }).await, Some(1));
        drop(right.clone().drop_guard());
        assert!(right.is_cancelled() && !root.is_cancelled());
    });
}

#[test]
fn who_waits_for_a_connection_hears_of_a_shutdown() {
    on_ring(async |_| {
        let (waits, _) = listener().await;
        let accepting = spawn(async move { waits.accept().await.map(drop) });
        time::sleep(Duration::from_millis(5)).await;
        shutdown(Duration::from_secs(3600));
        // The break: `refuse` neither cancels nor wakes.
        let told = time::timeout(Duration::from_secs(20), accepting).await.unwrap().unwrap();
        assert!(ShutDown::is(&told.unwrap_err()));
        // A listener that comes later refuses at once.
        let late = listener().await.0;
        assert!(ShutDown::is(&late.accept().await.unwrap_err()));
    });
}
