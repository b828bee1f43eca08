//! How a runtime can be used wrongly, and what it says then (hazard C15).

use std::cell::RefCell;
use std::future::{pending, ready};
use std::pin::pin;
use std::sync::Mutex;
use std::thread;

use uring::fs::{File, OpenOptions};
use uring::macro_support::test_builder;
use uring::net::{TcpListener, TcpStream};
use uring::task::spawn_blocking;
use uring::time::{Duration, Instant, interval, sleep, sleep_until, timeout, timeout_at};
use uring::{Runtime, spawn, stats, yield_now};

use crate::alone::alone;
use crate::kit::{
    Scratch, descriptors, eventually, panic_text, pattern, poll_idly, threads, without_panic_messages,
};

const NO_RUNTIME: &str = "uring: no runtime runs on this thread; call this from within `Runtime::block_on`, \
                          `#[uring::main]` or `#[uring::test]`";
const OTHER_RUNTIME: &str =
    "uring: this belongs to another runtime than the one that runs on this thread; use it where it was made";
const NESTED: &str = "uring: a runtime runs on this thread already; `.await` the future, or `spawn` it, instead of \
                      blocking on it";

#[track_caller]
fn check(text: &str, run: impl FnOnce()) {
    assert_eq!(panic_text(run), text);
}

fn poll<F: Future>(future: F) {
    drop(poll_idly(pin!(future)));
}

#[test]
fn whatever_needs_a_runtime_says_so_outside_of_one() {
    alone(|| {
        without_panic_messages();
        check(NO_RUNTIME, || drop(spawn(ready(()))));
        check(NO_RUNTIME, || drop(spawn_blocking(|| ())));
        check(NO_RUNTIME, || drop(sleep(Duration::ZERO)));
        check(NO_RUNTIME, || drop(sleep_until(Instant::now())));
        check(NO_RUNTIME, || drop(interval(Duration::from_secs(1))));
        check(NO_RUNTIME, || drop(timeout(Duration::MAX, ready(()))));
        check(NO_RUNTIME, || drop(timeout_at(Instant::now(), ready(()))));
        check(NO_RUNTIME, || _ = stats());
        check(NO_RUNTIME, || poll(File::open("/dev/null")));
        check(NO_RUNTIME, || poll(OpenOptions::new().read(true).open("/dev/null")));
        check(NO_RUNTIME, || drop(File::from_std(std::fs::File::open("/dev/null").unwrap())));
        check(NO_RUNTIME, || poll(TcpListener::bind("127.0.0.1:0")));
        check(NO_RUNTIME, || poll(TcpStream::connect("127.0.0.1:1")));
        // What needs none does not ask for one: making a future, reading the clock, yielding.
        drop(File::open("/dev/null"));
        drop(TcpStream::connect("127.0.0.1:1"));
        assert!(Instant::now().elapsed() < Duration::from_secs(10));
        poll(yield_now());
    });
}

#[test]
fn the_panic_of_a_misuse_points_at_who_misused() {
    // The break: a closure in `Core::current` or `spawn`, which `#[track_caller]` does not reach through.
    alone(|| {
        static PLACE: Mutex<String> = Mutex::new(String::new());
        std::panic::set_hook(Box::new(|panic| {
            *PLACE.lock().unwrap() = panic.location().map_or(String::new(), |place| place.file().to_owned());
        }));
        let points_here = |run: &dyn Fn()| {
            let text = panic_text(run);
            let place = PLACE.lock().unwrap().clone();
            assert!(place.ends_with("misuse.rs"), "{text}: {place}");
        };
        points_here(&|| drop(spawn(ready(()))));
        points_here(&|| drop(spawn_blocking(|| ())));
        points_here(&|| drop(sleep(Duration::ZERO)));
        points_here(&|| drop(interval(Duration::from_secs(1))));
        points_here(&|| drop(timeout(Duration::ZERO, ready(()))));
        points_here(&|| _ = stats());
    });
}

#[test]
fn blocking_inside_of_a_runtime_is_refused_and_harms_nothing() {
    // The break: no assertion at the beginning of `Core::run`.
    alone(|| {
        without_panic_messages();
        let runtime = test_builder().build().unwrap();
        let other = test_builder().build().unwrap();
        runtime.block_on(async {
            check(NESTED, || runtime.block_on(ready(())));
            check(NESTED, || other.block_on(ready(())));
            let inside = spawn(async {
                let runtime = test_builder().build().unwrap();
                check(NESTED, || runtime.block_on(ready(())));
            });
            inside.await.unwrap();
            sleep(Duration::from_millis(1)).await;
            assert_eq!(spawn(ready(7)).await.unwrap(), 7);
        });
        other.block_on(async { sleep(Duration::from_millis(1)).await });
    });
}

#[test]
fn a_runtime_can_be_made_and_dropped_inside_of_another() {
    // The break: `Entered::drop` puts nothing back.
    alone(|| {
        test_builder().build().unwrap().block_on(async {
            let file = File::open("/proc/self/stat").await.unwrap();
            drop(Runtime::new().unwrap());
            assert_eq!(Runtime::new().unwrap().shutdown(), 0);
            assert!(file.read_at(Vec::with_capacity(16), 0).await.is_ok());
            spawn(async { sleep(Duration::from_millis(1)).await }).await.unwrap();
        });
    });
}

#[test]
fn runtimes_follow_each_other_on_a_thread_and_leave_nothing_behind() {
    // The break: no way back for the place in `Inbox::drop`, so that the 1,025th runtime has none.
    alone(|| {
        let scratch = Scratch::new();
        let path = scratch.file("a", "content");
        let before = descriptors();
        for _ in 0..1100 {
            let runtime = test_builder().recv_buffers(1).recv_buffers_max(1).build().unwrap();
            runtime.block_on(async {
                let file = File::open(&path).await.unwrap();
                assert_eq!(file.read_at(Vec::with_capacity(16), 0).await.1, b"content");
            });
        }
        eventually("all descriptors are given back", || descriptors() == before);
    });
}

#[test]
fn what_belongs_to_another_runtime_is_refused_by_name() {
    alone(|| {
        without_panic_messages();
        let scratch = Scratch::new();
        let path = scratch.file("a", pattern(1, 100));
        let [first, second] = [(); 2].map(|()| test_builder().build().unwrap());
        let (file, listener) = first.block_on(async {
            (File::open(&path).await.unwrap(), TcpListener::bind("127.0.0.1:0").await.unwrap())
        });
        second.block_on(async {
            check(OTHER_RUNTIME, || poll(file.read_at(vec![0; 8], 0)));
            check(OTHER_RUNTIME, || poll(file.metadata()));
            check(OTHER_RUNTIME, || poll(listener.accept()));
        });
        check(NO_RUNTIME, || poll(file.read_at(vec![0; 8], 0)));
        first.block_on(async {
            let (bytes, buf) = file.read_at(vec![0; 8], 0).await.into_result().unwrap();
            assert_eq!((bytes, &buf[..]), (8, &pattern(1, 8)[..]));
        });
        drop(first);
        check(NO_RUNTIME, || poll(file.read_at(vec![0; 8], 0)));
        second.block_on(async {
            check(OTHER_RUNTIME, || poll(file.read_at(vec![0; 8], 0)));
            drop((file, listener));
            sleep(Duration::from_millis(1)).await;
        });
    });
}

thread_local! {
    static KEPT: RefCell<Option<Runtime>> = const { RefCell::new(None) };
}

/// Asks for the runtime when it is dropped by the end of its thread.
struct LooksAround;

impl Drop for LooksAround {
    fn drop(&mut self) {
        // Either there is a runtime or not: asking is answered by a panic with a text, not by an abort.
        if std::panic::catch_unwind(|| drop(spawn(ready(())))).is_err() {
            check(NO_RUNTIME, || drop(spawn_blocking(|| ())));
            check(NO_RUNTIME, || drop(sleep(Duration::ZERO)));
        }
    }
}

/// A runtime with a task that waits for ever, one that reads and one that accepts.
fn busy_runtime() -> Runtime {
    let runtime = test_builder().build().unwrap();
    runtime.block_on(async {
        drop(spawn(async {
            let held = LooksAround;
            let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
            let _accepted = listener.accept().await;
            drop(held);
        }));
        drop(spawn(async {
            let file = File::open("/dev/zero").await.unwrap();
            loop {
                drop(file.read_at(Vec::with_capacity(1 << 16), 0).await);
            }
        }));
        drop(spawn(pending::<()>()));
        sleep(Duration::from_millis(2)).await;
    });
    runtime
}

#[test]
fn a_runtime_can_be_ended_by_the_destructors_of_its_thread_in_either_order() {
    // The break: no `Drop` for `Runtime`, so that nothing is given back.
    alone(|| {
        without_panic_messages();
        let before = (descriptors(), threads());
        for first in [true, false] {
            let other = thread::spawn(move || {
                // Destructors run in the reverse order of first use: whatever thread-locals the runtime has are used
                // either before `KEPT` or after it.
                if first {
                    KEPT.with_borrow(|kept| assert!(kept.is_none()));
                }
                let runtime = busy_runtime();
                KEPT.set(Some(runtime));
            });
            other.join().unwrap();
            eventually("descriptors and threads are given back", || (descriptors(), threads()) == before);
        }
    });
}
