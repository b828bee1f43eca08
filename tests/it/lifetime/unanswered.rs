//! Operations that never end, whatever is done about them: the end of a runtime does not wait for them longer than it may,
//! leaks what the kernel still has, counts it and says so once (hazards A2, C14).

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::{Duration, Instant};

use tracing::{Event, Metadata, Subscriber, span};
use uring::fs::{File, OpenOptions};
use uring::macro_support::test_builder;
use uring::time::sleep;
use uring::{spawn, stats};

use super::silent::Silent;
use crate::alone::alone_and_leaking;
use crate::kit::{poll_once, until};
use crate::storm;

const DRAIN: Duration = Duration::from_millis(300);
/// What a busy machine may add.
const LATE: Duration = Duration::from_secs(2);

/// Counts warnings.
struct Warnings(Arc<AtomicUsize>);

impl Subscriber for Warnings {
    fn enabled(&self, metadata: &Metadata<'_>) -> bool {
        *metadata.level() == tracing::Level::WARN
    }

    fn new_span(&self, _span: &span::Attributes<'_>) -> span::Id {
        span::Id::from_u64(1)
    }

    fn record(&self, _span: &span::Id, _values: &span::Record<'_>) {}

    fn record_follows_from(&self, _span: &span::Id, _follows: &span::Id) {}

    fn event(&self, _event: &Event<'_>) {
        self.0.fetch_add(1, Ordering::SeqCst);
    }

    fn enter(&self, _span: &span::Id) {}

    fn exit(&self, _span: &span::Id) {}
}

/// The file system, where it can be mounted.
fn silent() -> Option<Silent> {
    if storm::adds_enters() {
        // Interrupted again and again, a lookup was seen to wait on Linux 6.18 after its file system was gone.
        return None;
    }
    Silent::mount()
        .inspect_err(|error| println!("left out: a file system cannot be mounted here ({error})"))
        .ok()
}

#[test]
fn operations_that_never_end_are_leaked_at_the_deadline_and_reported_once() {
    // The breaks: `if left > 0 && now >= deadline` never true in `Core::drain`, which then waits for ever; `leak` without
    // its warning.
    alone_and_leaking(|| {
        let Some(silent) = silent() else { return };
        let warnings = Arc::new(AtomicUsize::new(0));
        tracing::subscriber::set_global_default(Warnings(Arc::clone(&warnings))).unwrap();
        for stuck in [1, 3] {
            let runtime = test_builder().drain_timeout(DRAIN).build().unwrap();
            let before = silent.waiting();
            runtime.block_on(async {
                for number in before..before + stuck {
                    drop(spawn(File::open(silent.path(number))));
                }
                until("the opens wait", || silent.waiting() == before + stuck).await;
            });
            let start = Instant::now();
            assert_eq!(runtime.shutdown() as u64, stuck);
            println!("{stuck} stuck: the end took {:?} with a deadline of {DRAIN:?}", start.elapsed());
            assert!(start.elapsed() >= DRAIN && start.elapsed() < DRAIN + LATE, "{:?}", start.elapsed());
        }
        assert_eq!(warnings.load(Ordering::SeqCst), 2, "each end says it once");
    });
}

#[test]
fn a_future_of_an_operation_that_never_ends_can_be_dropped_and_its_core_goes_on() {
    // The break: `Operation::ON_DROP` is waited for in `Core::abandon`.
    alone_and_leaking(|| {
        let Some(silent) = silent() else { return };
        let runtime = test_builder().drain_timeout(DRAIN).build().unwrap();
        runtime.block_on(async {
            let mut open = Box::pin(File::open(silent.path(0)));
            assert!(poll_once(&mut open).await.is_pending());
            // From here on it is the file system's, and no signal ends it.
            until("the open waits", || silent.waiting() == 1).await;
            drop(open);
            let before = stats().polls;
            sleep(Duration::from_millis(1)).await;
            assert!(stats().polls > before && stats().orphaned > 0, "{:?}", stats());
        });
        assert_eq!(runtime.audit().operations, 1);
        // The file system goes, and the kernel answers with an error: nothing is left.
        drop(silent);
        assert_eq!(runtime.shutdown(), 0);
    });
}

#[test]
fn a_shutdown_keeps_its_deadline_although_an_operation_never_ends() {
    // The break: `drain_timeout` in `farewell.rs` gives what is configured, here the default of five seconds.
    alone_and_leaking(|| {
        let Some(silent) = silent() else { return };
        let runtime = test_builder().build().unwrap();
        runtime.block_on(async {
            drop(spawn(File::open(silent.path(0))));
            until("the open waits", || silent.waiting() == 1).await;
        });
        let (start, deadline) = (Instant::now(), Duration::from_millis(200));
        assert_eq!(runtime.shutdown_within(deadline), 1, "the open is leaked and counted");
        println!("a shutdown with a deadline of {deadline:?} took {:?}", start.elapsed());
        // The promise is a hundred milliseconds; a machine that is busy gets more.
        assert!(start.elapsed() >= deadline && start.elapsed() < deadline + LATE, "{:?}", start.elapsed());
    });
}

#[test]
fn a_read_that_is_offloaded_and_never_ends_holds_neither_the_core_nor_its_end_up() {
    // The break: `sqe.flags` goes from the entry of `ReadAt`: the core waits in the enter for ever.
    alone_and_leaking(|| {
        let Some(silent) = silent() else { return };
        let runtime = test_builder().build().unwrap();
        runtime.block_on(async {
            let file = OpenOptions::new().read(true).offload(true).open(silent.found()).await.unwrap();
            assert_eq!(file.metadata().await.unwrap().len(), 65_536);
            drop(spawn(async move { file.read_at(Vec::with_capacity(4096), 0).await }));
            until("the read waits", || silent.reading() == 1).await;
            let before = stats().timers_fired;
            for _ in 0..10 {
                sleep(Duration::from_millis(1)).await;
            }
            assert!(stats().timers_fired >= before + 10, "{:?}", stats());
        });
        let (start, deadline) = (Instant::now(), Duration::from_millis(200));
        assert_eq!(runtime.shutdown_within(deadline), 1, "the read is leaked and counted");
        println!("a shutdown with a deadline of {deadline:?} took {:?}", start.elapsed());
        // The promise is a hundred milliseconds; a machine that is busy gets more.
        assert!(start.elapsed() >= deadline && start.elapsed() < deadline + LATE, "{:?}", start.elapsed());
    });
}
