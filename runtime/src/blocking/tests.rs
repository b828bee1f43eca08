//! A pool that several cores share, and one whose threads cannot be started.

use std::sync::atomic::{AtomicU32, Ordering};
use std::sync::mpsc;
use std::task::Waker;

use super::job::Job;
use super::*;

fn pool(threads_max: usize, queue_max: usize) -> Blocking {
    Blocking::new(BlockingConfig { threads_max, queue_max, keep_alive: Duration::from_secs(10) })
}

/// Submits a call that counts itself.
fn counted(pool: &Blocking, core: u16, count: &Arc<AtomicU32>) -> Arc<Job<()>> {
    let count = Arc::clone(count);
    let job = Arc::new(Job::new(Box::new(move || _ = count.fetch_add(1, Ordering::SeqCst))));
    pool.submit(core, Arc::clone(&job) as Arc<dyn Work>);
    job
}

fn result(job: &Job<()>) -> Option<Result<(), JoinError>> {
    match job.poll(Waker::noop()) {
        std::task::Poll::Ready(result) => Some(result),
        std::task::Poll::Pending => None,
    }
}

#[test]
fn a_core_that_ends_takes_only_its_own_calls_out_of_a_shared_pool() {
    // The break: `forget` takes all that waits, also what other cores wait for.
    let pool = pool(1, 100);
    let (release, released) = mpsc::channel::<()>();
    let busy = Arc::new(Job::new(Box::new(move || _ = released.recv())));
    pool.submit(1, Arc::clone(&busy) as Arc<dyn Work>);
    let count = Arc::new(AtomicU32::new(0));
    let first: Vec<_> = (0..10).map(|_| counted(&pool, 1, &count)).collect();
    let second: Vec<_> = (0..10).map(|_| counted(&pool, 2, &count)).collect();
    pool.forget(1);
    assert!(
        first.iter().all(|job| result(job).is_some_and(|result| result.is_err_and(|e| e.is_cancelled())))
    );
    assert!(second.iter().all(|job| !job.is_over()));
    drop(release);
    while !second.iter().all(|job| job.is_over()) {
        thread::yield_now();
    }
    assert!(second.iter().all(|job| result(job).is_some_and(|result| result.is_ok())));
    assert_eq!(count.load(Ordering::SeqCst), 10);
}

#[test]
fn calls_are_rejected_when_there_is_no_thread_and_none_can_be_started() {
    // The break: `not_started` leaves the queue, in which everything would wait for ever.
    let pool = pool(1, 100);
    // As if a thread were about to start, so that nothing is begun here.
    pool.0.lock().threads = 1;
    let count = Arc::new(AtomicU32::new(0));
    let jobs: Vec<_> = (0..3).map(|_| counted(&pool, 1, &count)).collect();
    pool.0.not_started(&io::Error::from(io::ErrorKind::WouldBlock));
    for job in jobs {
        let error = result(&job).expect("it is over").expect_err("it was rejected");
        assert!(error.is_rejected() && error.to_string().contains("no thread could be started"), "{error}");
    }
    assert_eq!((pool.usage().threads, count.load(Ordering::SeqCst)), (0, 0));
    // The next call tries again.
    let job = counted(&pool, 1, &count);
    while !job.is_over() {
        thread::yield_now();
    }
    assert_eq!(count.load(Ordering::SeqCst), 1);
}

#[test]
fn a_pool_that_nobody_holds_ends_its_threads() {
    // The break: no `notify_all` in the drop of `Blocking`: threads would sit out their keep-alive.
    let pool = pool(4, 100);
    let inner = Arc::clone(&pool.0);
    let count = Arc::new(AtomicU32::new(0));
    let jobs: Vec<_> = (0..20).map(|_| counted(&pool, 1, &count)).collect();
    while !jobs.iter().all(|job| job.is_over()) {
        thread::yield_now();
    }
    // Idle, so that only the news can end them.
    while {
        let state = inner.lock();
        state.idle < state.threads
    } {
        thread::yield_now();
    }
    drop(pool);
    let deadline = 500;
    for _ in 0..deadline {
        if inner.lock().threads == 0 {
            return;
        }
        thread::yield_now();
        thread::park_timeout(Duration::from_millis(10));
    }
    panic!("{} threads are left after five seconds", inner.lock().threads);
}
