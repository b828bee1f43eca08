//! A core that looks for completions before it sleeps (`Builder::spin`).

use std::io::{Read, Write};
use std::time::Duration;

use uring::{Stats, spawn, stats, time};

use crate::support::{builder, dial, joined, listener, peer, run, watched};

/// Echoes `count` messages of a peer that asks as fast as it can, or once in `gap`.
fn echoes(limit: Duration, count: u32, gap: Duration) -> Stats {
    run(builder().spin(limit), async {
        let (listener, address) = listener().await;
        let asking = peer(move || {
            let mut stream = dial(address);
            for number in 0..count {
                stream.write_all(&number.to_le_bytes()).unwrap();
                let mut answer = [0; 4];
                stream.read_exact(&mut answer).unwrap();
                assert_eq!(u32::from_le_bytes(answer), number);
                std::thread::sleep(gap);
            }
        });
        let (stream, _) = listener.accept().await.unwrap();
        loop {
            let received = stream.recv().await.unwrap();
            if received.is_empty() {
                break;
            }
            stream.write_all(received).await.into_result().unwrap();
        }
        joined(asking).await;
        stats()
    })
}

#[test]
fn a_core_that_is_asked_again_and_again_looks_for_the_next_question_and_finds_it() {
    // The break: `Spin::slept` without `self.on = true`.
    watched(|_| {
        let stats = echoes(Duration::from_millis(5), 2000, Duration::ZERO);
        // How often depends on who else wants the processors.
        assert!(stats.spins_found > 0, "{stats:?}");
    });
}

#[test]
fn a_core_does_not_look_unless_it_was_asked_to() {
    watched(|_| assert_eq!(echoes(Duration::ZERO, 500, Duration::ZERO).spins, 0));
}

#[test]
fn a_core_whose_waits_are_long_does_not_look() {
    // The break: `Spin::nanos` gives the limit whatever came before.
    watched(|_| {
        let stats = echoes(Duration::from_micros(20), 100, Duration::from_millis(2));
        assert!(stats.spins < 40, "{stats:?}");
    });
}

#[test]
fn timers_and_wakes_from_other_threads_are_not_missed_while_it_looks() {
    // The breaks: `until` without the timer, which is late by the whole limit then; `stop` that never says so.
    watched(|_| {
        run(builder().spin(Duration::from_secs(1)), async {
            for _ in 0..300 {
                time::sleep(Duration::from_micros(50)).await;
            }
            let (asks, asked) = std::sync::mpsc::channel::<std::task::Waker>();
            let waking = peer(move || asked.iter().for_each(|waker| waker.wake()));
            for _ in 0..300 {
                let mut sent = false;
                let asks = asks.clone();
                let woken = spawn(std::future::poll_fn(move |cx| {
                    if std::mem::replace(&mut sent, true) {
                        return std::task::Poll::Ready(());
                    }
                    asks.send(cx.waker().clone()).unwrap();
                    std::task::Poll::Pending
                }));
                woken.await.unwrap();
            }
            drop(asks);
            joined(waking).await;
            let stats = stats();
            assert!(stats.spins > 300 && stats.spins_found + 10 > stats.spins, "{stats:?}");
        });
    });
}
