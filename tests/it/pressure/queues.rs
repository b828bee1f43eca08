//! Queues of a few entries under many operations (hazards C3, C4 and B8).

use std::io::{PipeWriter, Write};
use std::os::fd::OwnedFd;
use std::rc::Rc;
use std::time::Duration;

use uring::buf::IoBufMut;
use uring::fs::File;
use uring::{JoinHandle, spawn, time};

use crate::support::{builder, check_pattern, joined, on_ring, pair, pattern, peer, run, watched};

/// A file of known content that has no name any more.
fn file(bytes: usize) -> File {
    let path = std::env::temp_dir().join(format!("uring-pressure-{}-{bytes}", std::process::id()));
    std::fs::write(&path, pattern(1, 0, bytes)).unwrap();
    let file = std::fs::File::open(&path).unwrap();
    std::fs::remove_file(path).unwrap();
    File::from_std(file)
}

async fn reads_of_a_file(operations: usize, at_once: usize) {
    const BYTES: usize = 50_000;
    let file = Rc::new(file(BYTES + at_once));
    let tasks: Vec<_> = (0..at_once)
        .map(|task| {
            let file = Rc::clone(&file);
            spawn(async move {
                let mut buf = Vec::with_capacity(16);
                for round in 0..operations / at_once {
                    let offset = (round * 7919 + task * 13) % BYTES;
                    buf = file.read_exact_at(buf, offset as u64).await.into_result().unwrap().1;
                    check_pattern(1, offset, &buf);
                }
            })
        })
        .collect();
    for task in tasks {
        task.await.unwrap();
    }
}

// C3. The breaks are an entry that is forgotten when the queue is full (no `wait_for_room` in `Driver::push`), and a
// completion that is counted twice.
#[test]
fn a_completion_queue_of_four_loses_nothing_of_many_operations() {
    watched(|_| {
        run(builder().submissions(4).completions(4), async {
            let before = uring::stats();
            reads_of_a_file(100_000, 400).await;
            let after = uring::stats();
            println!("{after:?}");
            // Each has completed once.
            assert_eq!(after.completions - before.completions, 100_000);
            assert_eq!(after.submissions, after.completions + 2, "the bell, and the close of the file");
            assert_eq!((after.in_flight, after.unknown, after.cancels, after.orphaned), (1, 0, 0, 0));
        });
    });
}

// C3, with completions that nobody waits for: receives that are armed bring them by themselves.
#[test]
fn a_completion_queue_of_four_loses_no_bytes_of_many_connections() {
    watched(|_| {
        run(builder().submissions(4).completions(4), async {
            const CONNECTIONS: usize = 50;
            const BYTES: usize = 40_000;
            let mut readers = Vec::new();
            let mut clients = Vec::new();
            for id in 0..CONNECTIONS {
                let (stream, client) = pair().await;
                clients.push(client);
                readers.push(spawn(async move {
                    let mut position = 0;
                    loop {
                        let bytes = stream.recv().await.unwrap();
                        check_pattern(id as u64, position, &bytes);
                        position += bytes.len();
                        if bytes.is_empty() {
                            return position;
                        }
                    }
                }));
            }
            let sending = peer(move || {
                for position in (0..BYTES).step_by(1000) {
                    for (id, client) in clients.iter_mut().enumerate() {
                        client.write_all(&pattern(id as u64, position, 1000)).unwrap();
                    }
                }
            });
            for reader in readers {
                assert_eq!(reader.await.unwrap(), BYTES);
            }
            joined(sending).await;
        });
    });
}

/// Pipes that are read from. The last one has a byte.
struct Pipes {
    writers: Vec<PipeWriter>,
    reads: Vec<JoinHandle<usize>>,
    /// Kept, so that the tasks that end have nothing to close, and submit nothing.
    files: Vec<Rc<File>>,
}

impl Pipes {
    fn new(pipes: usize) -> Self {
        let (mut files, mut writers): (Vec<_>, Vec<_>) = (0..pipes).map(|_| silent()).unzip();
        writers.last_mut().unwrap().write_all(b"!").unwrap();
        let files: Vec<_> = files.drain(..).map(Rc::new).collect();
        let reads = files
            .iter()
            .map(Rc::clone)
            .map(|file| spawn(async move { file.read_at(vec![0; 8], 0).await.into_result().unwrap().0 }));
        Self { writers, reads: reads.collect(), files }
    }
}

// C4. The break is a core that sleeps while entries wait behind the full queue (`rest` ignored in the driver's
// `enter`): what was submitted never completes, and the entry that would is not submitted.
#[test]
fn what_waits_behind_a_full_queue_is_submitted_before_the_core_sleeps() {
    watched(|_| {
        run(builder().submissions(2), async {
            let mut pipes = Pipes::new(20);
            assert_eq!(pipes.reads.pop().unwrap().await.unwrap(), 1);
            pipes.writers.clear();
            for read in pipes.reads {
                assert_eq!(read.await.unwrap(), 0, "the end of the pipe");
            }
        });
    });
}

// C3. The break is an `attention` that does not look at the overflow flag: a core that is never idle, and that has
// nothing to submit, never fetches what the kernel has set aside.
#[test]
fn a_busy_core_fetches_the_completions_that_found_the_queue_full() {
    watched(|_| {
        run(builder().submissions(4).completions(4), async {
            let mut pipes = Pipes::new(40);
            time::sleep(Duration::from_millis(5)).await;
            for writer in &mut pipes.writers {
                writer.write_all(b"!").unwrap();
            }
            while !pipes.reads.iter().all(JoinHandle::is_finished) {
                uring::yield_now().await;
            }
            drop(pipes.files);
        });
    });
}

// C4.
#[test]
fn a_submission_queue_of_two_takes_any_number_of_operations() {
    watched(|_| {
        run(builder().submissions(2), async {
            reads_of_a_file(40_000, 1000).await;
            let stats = uring::stats();
            println!("{stats:?}");
            assert!(stats.backlogged > 10_000, "the queue was never full");
        });
    });
}

/// A pipe that nobody writes to. The end that could is kept open.
fn silent() -> (File, PipeWriter) {
    let (reader, writer) = std::io::pipe().unwrap();
    (File::from_std(std::fs::File::from(OwnedFd::from(reader))), writer)
}

// B8. Each read that is dropped wants a cancel, and all do so in one moment. The break is a cancel that is lost when
// the submission queue is full (`flush` that pushes straight to the ring and ignores its refusal).
#[test]
fn twenty_thousand_reads_with_one_deadline_all_end_in_time() {
    watched(|_| {
        // Fewer than the core drops in one turn.
        for submissions in [64, 16] {
            run(builder().submissions(submissions), reads_with_one_deadline());
        }
    });
}

async fn reads_with_one_deadline() {
    const READS: usize = 20_000;
    const DEADLINE: Duration = Duration::from_millis(300);
    let (file, writer) = silent();
    let file = Rc::new(file);
    let deadline = time::Instant::now() + DEADLINE;
    let reads: Vec<_> = (0..READS)
        .map(|_| {
            let file = Rc::clone(&file);
            spawn(async move { time::timeout_at(deadline, file.read_at(vec![0; 8], 0)).await.is_err() })
        })
        .collect();
    for read in reads {
        assert!(read.await.unwrap(), "nobody writes");
    }
    // The bell is all that is left: each cancel has reached its read.
    while uring::stats().in_flight > 1 {
        assert!(deadline.elapsed() < Duration::from_secs(20), "{:?}", uring::stats());
        time::sleep(Duration::from_millis(1)).await;
    }
    println!("all ended {:?} after the deadline", deadline.elapsed());
    let stats = uring::stats();
    assert_eq!((stats.cancels, stats.orphaned), (READS as u64, READS as u64));
    // Each read completes, and its cancel only where it finds nothing.
    assert!(stats.completions >= READS as u64 && stats.submissions >= 2 * READS as u64, "{stats:?}");
    drop((file, writer));
}

#[test]
fn a_thousand_silent_connections_are_closed_in_one_moment() {
    watched(|_| {
        run(builder().submissions(64), async {
            let deadline = time::Instant::now() + Duration::from_millis(400);
            let (mut clients, mut waits) = (Vec::new(), Vec::new());
            for number in 0..1000 {
                let (stream, client) = pair().await;
                clients.push(client);
                waits.push(spawn(async move {
                    let room = if number % 2 == 0 { 100 } else { 64 << 10 };
                    time::timeout_at(deadline, stream.read(Vec::with_capacity(room))).await.is_err()
                }));
            }
            for wait in waits {
                assert!(wait.await.unwrap(), "nobody writes");
            }
            let ends = peer(move || {
                clients.iter().map(|client| crate::support::read_to_end(client).len()).sum::<usize>()
            });
            assert_eq!(joined(ends).await, 0);
            crate::support::settles(|| uring::stats().in_flight, 1).await;
        });
    });
}

#[test]
fn operations_that_are_dropped_while_they_wait_behind_a_full_queue_are_not_lost() {
    on_ring(async |mut random| {
        let (file, mut writer) = silent();
        let file = Rc::new(file);
        for _ in 0..50 {
            let reads: Vec<_> = (0..400)
                .map(|_| {
                    let (file, time) = (Rc::clone(&file), random.micros(200));
                    spawn(
                        async move { time::timeout(time, file.read_at(vec![0; 8].slice_mut(..4), 0)).await },
                    )
                })
                .collect();
            for read in reads {
                assert!(read.await.unwrap().is_err(), "nobody writes");
            }
        }
        crate::support::settles(|| uring::stats().in_flight, 1).await;
        writer.write_all(b"done").unwrap();
        assert_eq!(file.read_at(Vec::with_capacity(8), 0).await.into_result().unwrap().1, b"done");
    });
}
