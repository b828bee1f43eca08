//! A million operations that complete at once, on a small stack (hazard C12).

use std::io::Write;
use std::rc::Rc;
use std::thread;

use uring::fs::File;
use uring::{macro_support, spawn, task};

use crate::support::{pair, watched};

/// A core's loop, the peer and a test's body in a build without optimisation.
const STACK_BYTES: usize = 96 << 10;

// The break is a reaping that calls itself after each completion (`settle` in `settle`): the stack grows with each.
#[test]
fn a_million_immediate_completions_need_no_stack() {
    watched(|_| {
        let small = thread::Builder::new().stack_size(STACK_BYTES);
        small.spawn(|| macro_support::test(immediate())).unwrap().join().unwrap();
    });
}

async fn immediate() {
    const READS: usize = 100_000;
    many_at_once().await;
    let (stream, mut client) = pair().await;
    for _ in 0..700_000 {
        assert_eq!(stream.read(Vec::new()).await.into_result().unwrap().0, 0);
    }
    for _ in 0..200_000 {
        task::yield_now().await;
    }
    let mut buf = Vec::with_capacity(1);
    for read in 0..READS {
        if read % 1000 == 0 {
            client.write_all(&[7; 1000]).unwrap();
        }
        buf = stream.read(buf).await.into_result().unwrap().1;
        assert_eq!(buf, [7]);
    }
}

/// Completes as many operations as the completion queue holds in one turn.
async fn many_at_once() {
    let file = Rc::new(File::open("/proc/self/exe").await.unwrap());
    for _ in 0..10 {
        let reads = (0..4000).map(|_| {
            let file = Rc::clone(&file);
            spawn(async move { file.read_at(Vec::with_capacity(8), 0).await.into_result().map(drop) })
        });
        let reads: Vec<_> = reads.collect();
        for read in reads {
            read.await.unwrap().unwrap();
        }
    }
}
