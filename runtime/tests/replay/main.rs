//! Whole runtimes on a scripted ring, driven by bytes: what the program does, and what the ring answers.
//!
//! The test here replays the files of `fuzz/corpus/driver/`, and the crate `fuzz/` lets libFuzzer drive the same check.
//! The ring answers whatever a kernel may, at the worst moment, and completions come for operations that never were. It
//! never lies about bytes, descriptors and buffers, since those are believed (docs/safety.md, S9).

#[path = "../../src/fuzz/input.rs"]
mod input;
mod kernel;
mod ledger;
mod program;
mod shared;

use std::cell::Cell;
use std::rc::Rc;
use std::sync::Once;
use std::time::Duration;

use uring_runtime::{Features, Runtime};
use uring_sys_shim::Script;

use input::Input;
use kernel::Kernel;
use program::Program;
use shared::Shared;

thread_local! {
    static PANICS: Cell<usize> = const { Cell::new(0) };
}

/// Counts the panics of this thread, also those that the runtime keeps from the loop.
fn count_panics() {
    static ONCE: Once = Once::new();
    ONCE.call_once(|| {
        let report = std::panic::take_hook();
        std::panic::set_hook(Box::new(move |info| {
            PANICS.set(PANICS.get() + 1);
            report(info);
        }));
    });
    PANICS.set(0);
}

/// Lets a runtime and its ring do what the bytes say, and compares what comes of it with what must.
///
/// # Panics
///
/// When something is lost, doubled, out of order, too early or left over.
pub fn check(bytes: &[u8]) {
    count_panics();
    let input = Rc::new(Input::new(bytes));
    let (script, runtime) = start(&input);
    let shared = Rc::new(Shared::new(script.clone()));
    let kernel = Rc::new(Kernel::new(Rc::clone(&input), Rc::clone(&shared)));
    kernel.serve(&script);
    let mut program = Program::new(input, Rc::clone(&shared));
    while runtime.block_on(program.run(&kernel)).is_some() {}
    if program.is_patient() {
        runtime.block_on(program.finish(&kernel));
        kernel.settle(&runtime.stats());
    }
    kernel.serve_the_end(&script);
    // First what is in the runtime's hands, then what is in the program's, or the other way round.
    let mut program = Some(program);
    program.take_if(|program| !program.is_last_to_go());
    assert_eq!(runtime.shutdown(), 0, "everything was completed");
    drop(program);
    kernel.look(&script);
    shared.release_all();
    shared.ledger.settle();
    // The script holds what answers for it, and that holds the script.
    script.on_enter(|_| ());
    script.on_wait(|_| ());
    assert_eq!(PANICS.get(), 0, "something panicked inside of the runtime");
}

/// A runtime of a size and with features that the bytes say.
fn start(input: &Input) -> (Script, Runtime) {
    let mut features = Features::all();
    let masks = input.byte();
    let maskable = [Features::BUF_RING, Features::RECV_MULTISHOT, Features::ACCEPT_MULTISHOT];
    for (bit, feature) in maskable.into_iter().enumerate() {
        if masks >> bit & 1 != 0 {
            features = features.without(feature);
        }
    }
    let script = Script::new(1 + input.below(16), features);
    let buffers = input.byte();
    let builder = kernel::builder(&script)
        .drain_timeout(Duration::from_secs(1))
        .recv_buffer_bytes(64)
        .recv_buffers(u16::from(buffers % 8));
    let builder = builder.recv_buffers_max(1 + u16::from(buffers >> 4) * 5);
    let builder = builder.spin(Duration::from_nanos(u64::from(masks >> 4) * 100));
    (script, builder.build().expect("a scripted ring can always be made"))
}

#[cfg(test)]
mod tests {
    use std::fs;
    use std::path::Path;

    /// The breaks: in `runtime/src/core/mod.rs`,
    /// `Abandoned::Completed(payload, cqe) => payload.orphaned(cqe),` becomes
    /// `Abandoned::Completed(payload, _) => drop(payload),`; in `runtime/src/op/send.rs`,
    /// `self.done += bytes as usize;` becomes `self.done = bytes as usize;`; in `runtime/src/op/open.rs`,
    /// `drop(descriptor(cqe));` becomes `let _ = cqe;`; in `runtime/src/op/recv.rs`, `let kept = given..` becomes
    /// `let kept = 0..`; in `runtime/src/io/receiver.rs`, `self.stash.borrow_mut().push_front(bytes);` becomes
    /// `self.stash.borrow_mut().push_back(bytes);`.
    #[test]
    fn the_corpus_of_runtimes_loses_nothing() {
        let corpus = Path::new(env!("CARGO_MANIFEST_DIR")).join("../fuzz/corpus/driver");
        let files = fs::read_dir(&corpus).expect("the corpus is where the sources are");
        let mut paths: Vec<_> = files.map(|file| file.expect("it can be listed").path()).collect();
        paths.sort();
        assert!(!paths.is_empty(), "{} is empty", corpus.display());
        for path in paths {
            // Shown when the check fails.
            println!("{}", path.display());
            super::check(&fs::read(&path).expect("it can be read"));
        }
    }
}
