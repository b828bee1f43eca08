//! An idle runtime makes no system call (hazard C18).

use std::cell::Cell;
use std::rc::Rc;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::task::Poll;
use std::thread;
use std::time::Duration;

use nix::sys::resource::{UsageWho, getrusage};
use uring::net::TcpListener;
use uring::time::sleep;
use uring::{spawn, stats};

use crate::alone::on_a_core;
use crate::storm;

/// What this thread has done: enters, polls of tasks, and waits for anything, as the kernel counts them.
fn work() -> (u64, u64, i64) {
    let waits = getrusage(UsageWho::RUSAGE_THREAD).unwrap().voluntary_context_switches();
    (stats().enters, stats().polls, waits)
}

/// Waits until another thread has slept for so long.
async fn wait_for_another_thread(time: Duration) {
    let done = Arc::new(AtomicBool::new(false));
    let started = Cell::new(false);
    std::future::poll_fn(|cx| {
        if done.load(Ordering::SeqCst) {
            return Poll::Ready(());
        }
        if !started.replace(true) {
            let (done, waker) = (Arc::clone(&done), cx.waker().clone());
            drop(thread::spawn(move || {
                thread::sleep(time);
                done.store(true, Ordering::SeqCst);
                waker.wake();
            }));
        }
        Poll::Pending
    })
    .await;
}

#[test]
fn an_idle_runtime_sleeps_in_one_system_call() {
    // The breaks: a sleep that ends every millisecond (`until` is `now` and a millisecond in `Core::sleep`); a core
    // that never falls asleep (`false` from `Inbox::fall_asleep`).
    on_a_core(async {
        if storm::adds_enters() {
            return;
        }
        // Everything that can wait: accepts, receives, tasks and timers that are far away.
        let listener = Rc::new(TcpListener::bind("127.0.0.1:0").await.unwrap());
        let (mut peers, mut waiting) = (Vec::new(), Vec::new());
        for _ in 0..3 {
            peers.push(std::net::TcpStream::connect(listener.local_addr().unwrap()).unwrap());
            let (stream, _) = listener.accept().await.unwrap();
            waiting.push(spawn(async move { drop(stream.recv().await) }));
        }
        let accepting = Rc::clone(&listener);
        waiting.push(spawn(async move { drop(accepting.accept().await) }));
        waiting.push(spawn(sleep(Duration::from_secs(3600))));
        waiting.push(spawn(std::future::pending::<()>()));
        // What is new is submitted, and what the kernel still has to say about it is heard.
        wait_for_another_thread(Duration::from_millis(50)).await;
        let before = work();
        wait_for_another_thread(Duration::from_millis(500)).await;
        let after = work();
        let (enters, polls, waits) = (after.0 - before.0, after.1 - before.1, after.2 - before.2);
        println!("half a second: {enters} enters, {polls} polls, {waits} waits");
        assert!(enters <= 2, "{enters} enters: one sleeps, and one may fetch what woke it");
        assert!(polls <= 2, "{polls} polls");
        // The start of the thread and a lock may wait, too, and each a few times.
        assert!(waits < 20, "{waits} waits in half a second");
        waiting.iter().for_each(uring::JoinHandle::abort);
    });
}
