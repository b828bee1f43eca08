//! What the kernel's threads do for files, and how many they are.

use std::io::{self, ErrorKind};
use std::thread;

use uring::fs::OpenOptions;
use uring::kernel_threads;

use crate::kit::Scratch;
use crate::support::{builder, run, watched};

/// How many threads the kernel has for a new core, before and after a file is read that is offloaded.
fn counts() -> io::Result<(usize, usize)> {
    run(builder(), async {
        let before = kernel_threads()?;
        let scratch = Scratch::new();
        let mut options = OpenOptions::new();
        let file = options.read(true).offload(true).open(scratch.file("a", "0123456789")).await?;
        let (_, read) = file.read_at(Vec::with_capacity(16), 0).await.into_result()?;
        assert_eq!(read, b"0123456789");
        file.close().await?;
        Ok((before, kernel_threads()?))
    })
}

#[test]
fn an_offloaded_file_is_read_by_a_thread_of_the_kernel_which_is_counted_for_its_core_alone() {
    // The breaks: `getpid()` for `gettid()` in `kernel_threads`, which is another thread; `name.starts_with("iou-wrk-")` for
    // the comparison, which counts those of all cores.
    watched(|_| {
        let first = thread::spawn(|| {
            let counts = counts();
            // The threads of the first core are there while the second one counts.
            (counts, thread::spawn(counts_of_another).join().unwrap())
        });
        let (counts, of_another) = first.join().unwrap();
        match counts {
            Err(error) if error.kind() == ErrorKind::Unsupported => println!("left out: {error}"),
            counts => {
                let (before, after) = counts.unwrap();
                assert_eq!((before, of_another.unwrap()), (0, 0));
                assert!(after > 0);
            }
        }
    });
}

fn counts_of_another() -> io::Result<usize> {
    builder().build().unwrap().kernel_threads()
}
