//! Panics stay where they belong (hazards D8 and A18).

use std::cell::Cell;
use std::future::{pending, poll_fn};
use std::io;
use std::panic::{AssertUnwindSafe, catch_unwind, panic_any};
use std::pin::pin;
use std::rc::Rc;
use std::sync::Arc;
use std::task::{Context, Poll, Wake, Waker};

use uring::fs::File;
use uring::macro_support::test_builder;
use uring::net::{TcpListener, TcpStream};
use uring::time::{Duration, sleep};
use uring::{spawn, stats, yield_now};

use crate::alone::{alone, on_a_core};
use crate::buffers::PanicsWhenDropped;
use crate::kit::{Scratch, panic_text, pattern, until, without_panic_messages};

#[test]
fn a_panic_becomes_the_join_error_of_its_task() {
    on_a_core(async {
        without_panic_messages();
        let error = spawn(async { panic!("a static text") }).await.map(|(): ()| ()).unwrap_err();
        assert!(error.is_panic() && !error.is_cancelled());
        assert_eq!(error.to_string(), "the task panicked: a static text");
        assert_eq!(format!("{error:?}"), "JoinError(the task panicked: a static text)");
        assert_eq!(*error.into_panic().downcast_ref::<&str>().unwrap(), "a static text");

        let number = 7;
        let error = spawn(async move { panic!("text {number}") }).await.map(|(): ()| ()).unwrap_err();
        assert_eq!(io::Error::from(error).to_string(), "the task panicked: text 7");

        let error = spawn(async { panic_any(7u8) }).await.map(|(): ()| ()).unwrap_err();
        assert_eq!(error.to_string(), "the task panicked");
        assert_eq!(*error.try_into_panic().unwrap().downcast_ref::<u8>().unwrap(), 7);
    });
}

#[test]
fn a_cancelled_task_has_no_panic_to_give() {
    on_a_core(async {
        without_panic_messages();
        let task = spawn(pending::<()>());
        task.abort();
        let error = task.await.unwrap_err().try_into_panic().unwrap_err();
        assert!(error.is_cancelled());
        let text = panic_text(|| drop(error.into_panic()));
        assert!(text.starts_with("the task was cancelled, it did not panic"), "{text}");
    });
}

async fn echo(listener: TcpListener) -> io::Result<()> {
    loop {
        let (stream, _) = listener.accept().await?;
        drop(spawn(async move {
            loop {
                let received = stream.recv().await?;
                if received.is_empty() {
                    return io::Result::Ok(());
                }
                stream.write_all(received).await.into_result()?;
            }
        }));
    }
}

async fn ping(address: std::net::SocketAddr, number: u64) -> io::Result<()> {
    let stream = TcpStream::connect(address).await?;
    for round in 0..20 {
        let message = pattern(number * 100 + round, 3000);
        stream.write_all(message.clone()).await.into_result()?;
        let ((), back) = stream.read_exact(Vec::with_capacity(message.len())).await.into_result()?;
        assert_eq!(back, message);
    }
    Ok(())
}

#[test]
fn a_thousand_panics_during_io_leave_every_other_task_alone() {
    // The break: no `catch_unwind` in `raw::run`.
    on_a_core(async {
        without_panic_messages();
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let server = spawn(echo(listener));
        let pings: Vec<_> = (0..50).map(|number| spawn(ping(address, number))).collect();
        let panics: Vec<_> = (0..1000)
            .map(|number| {
                spawn(async move {
                    let file = File::open("/proc/self/stat").await.unwrap();
                    if number % 2 == 0 {
                        sleep(Duration::from_micros(number * 10)).await;
                    }
                    drop(file.read_at(Vec::with_capacity(64), 0).await);
                    panic!("{number}");
                })
            })
            .collect();
        for (number, task) in panics.into_iter().enumerate() {
            let error = task.await.map(|(): ()| ()).unwrap_err();
            assert_eq!(error.to_string(), format!("the task panicked: {number}"));
        }
        for task in pings {
            task.await.unwrap().unwrap();
        }
        server.abort();
        assert!(server.await.unwrap_err().is_cancelled());
    });
}

struct PanicsInDrop;

impl Drop for PanicsInDrop {
    fn drop(&mut self) {
        panic!("in a drop");
    }
}

#[test]
fn a_panic_in_the_drop_of_a_future_or_of_its_output_stays_in_its_task() {
    // The break: no `catch_unwind` around the drop of the future in `raw::fail`.
    on_a_core(async {
        without_panic_messages();
        // An aborted future: its joiner hears of the panic, as tokio's does.
        let held = PanicsInDrop;
        let task = spawn(async move {
            pending::<()>().await;
            drop(held);
        });
        yield_now().await;
        task.abort();
        assert!(task.await.unwrap_err().is_panic());

        // A future that has finished, and panics when it is dropped.
        struct Finished(Option<PanicsInDrop>);
        impl Future for Finished {
            type Output = ();
            fn poll(self: std::pin::Pin<&mut Self>, _: &mut Context<'_>) -> Poll<()> {
                Poll::Ready(())
            }
        }
        let future = Finished(Some(PanicsInDrop));
        assert!(future.0.is_some());
        assert!(spawn(future).await.unwrap_err().is_panic());

        // An output that nobody wants.
        drop(spawn(async { PanicsInDrop }));
        yield_now().await;
        assert_eq!(stats().tasks, 0);
    });
}

#[test]
fn a_panic_in_a_drop_while_the_runtime_ends_does_not_keep_the_others_from_being_dropped() {
    // The break: no `catch_unwind` in `raw::fail` together with no `guard` in `Core::drop_tasks`; one of them will do.
    alone(|| {
        without_panic_messages();
        let dropped = Rc::new(Cell::new(0));
        let runtime = test_builder().build().unwrap();
        runtime.block_on(async {
            for _ in 0..10 {
                let (held, counted) = (PanicsInDrop, crate::kit::Dropped::new(&dropped));
                drop(spawn(async move {
                    pending::<()>().await;
                    drop((held, counted));
                }));
            }
            yield_now().await;
        });
        assert_eq!(runtime.shutdown(), 0);
        assert_eq!(dropped.get(), 10);
    });
}

#[test]
fn a_panic_of_the_main_future_comes_through_and_the_runtime_goes_on() {
    alone(|| {
        without_panic_messages();
        let runtime = test_builder().build().unwrap();
        let task = Rc::new(Cell::new(None));
        let inside = Rc::clone(&task);
        let panic = catch_unwind(AssertUnwindSafe(|| {
            runtime.block_on(async move {
                inside.set(Some(spawn(async {
                    sleep(Duration::from_millis(1)).await;
                    7
                })));
                yield_now().await;
                panic!("the main future");
            })
        }));
        assert!(panic.is_err());
        assert_eq!(runtime.block_on(task.take().unwrap()).unwrap(), 7);
    });
}

struct PanickingWaker;

impl Wake for PanickingWaker {
    fn wake(self: Arc<Self>) {
        panic!("in a waker");
    }
}

#[test]
fn a_panicking_waker_loses_no_other_completion_and_no_timer() {
    // The break: no `guard` in `Core::settle`, or none in `Core::fire_timers`.
    on_a_core(async {
        without_panic_messages();
        let scratch = Scratch::new();
        let file = File::open(scratch.file("a", pattern(1, 4096))).await.unwrap();
        let waker = Waker::from(Arc::new(PanickingWaker));
        for _ in 0..10 {
            let mut bad = pin!(file.read_at(Vec::with_capacity(8), 0));
            let mut late = pin!(sleep(Duration::from_micros(50)));
            assert!(bad.as_mut().poll(&mut Context::from_waker(&waker)).is_pending());
            assert!(late.as_mut().poll(&mut Context::from_waker(&waker)).is_pending());
            let mut good: Vec<_> =
                (0..100).map(|at| Box::pin(file.read_at(Vec::with_capacity(8), at))).collect();
            let mut timers: Vec<_> = (0..100).map(|at| Box::pin(sleep(Duration::from_micros(at)))).collect();
            for (at, read) in good.iter_mut().enumerate() {
                let (bytes, buf) = read.as_mut().await.into_result().unwrap();
                assert_eq!((bytes, &buf[..]), (8, &pattern(1, 4096)[at..at + 8]));
            }
            for timer in &mut timers {
                timer.as_mut().await;
            }
            late.await;
            assert!(poll_fn(|cx| Poll::Ready(bad.as_mut().poll(cx))).await.is_ready());
        }
    });
}

#[test]
fn a_buffer_that_panics_when_it_is_dropped_by_the_core_stops_nothing() {
    // The break: no `guard` in `Core::settle`.
    on_a_core(async {
        without_panic_messages();
        let scratch = Scratch::new();
        let file = File::open(scratch.file("a", pattern(1, 4096))).await.unwrap();
        let before = stats().in_flight;
        for _ in 0..100 {
            let mut read = Box::pin(file.read_at(PanicsWhenDropped::new(64), 0));
            assert!(poll_fn(|cx| Poll::Ready(read.as_mut().poll(cx))).await.is_pending());
            drop(read);
        }
        until("the reads are over", || stats().in_flight == before).await;
        for _ in 0..1000 {
            assert_eq!(file.read_at(Vec::with_capacity(8), 0).await.0.unwrap(), 8);
        }
    });
}

#[test]
fn a_panicking_waker_of_who_joins_stops_neither_the_core_nor_the_task() {
    // The break: no `catch_unwind` in `Joiner::wake`.
    on_a_core(async {
        without_panic_messages();
        let waker = Waker::from(Arc::new(PanickingWaker));
        for _ in 0..100 {
            let mut task = pin!(spawn(async { 7 }));
            assert!(task.as_mut().poll(&mut Context::from_waker(&waker)).is_pending());
            yield_now().await;
            assert_eq!(task.await.unwrap(), 7);
            assert_eq!(stats().tasks, 0, "its place is free again");
        }
    });
}
