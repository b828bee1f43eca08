//! A service on many cores: how it starts, what its cores know of each other, and how it ends.

use std::collections::BTreeSet;
use std::io::{self, Read};
use std::sync::Mutex;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::thread;
use std::time::Duration;

use nix::sys::resource::{Resource, UsageWho, getrusage, setrlimit};
use nix::unistd::{Pid, Uid, setuid};
use uring::net::{ShutDown, TcpListener, TcpListenerOptions, TcpStream};
use uring::{Cores, LaunchError, core, shutdown, shutdown_token, spawn, spawn_on, stats, time};

use crate::kit::{descriptors, eventually, threads, without_panic_messages};
use crate::storm;
use crate::support::{alone, builder, dial, watched};

const THREE: Cores = Cores::Oversubscribed(3);
type Nothing = Result<(), io::Error>;

#[test]
fn main_runs_once_on_each_core_and_what_it_returns_comes_back_by_core() {
    watched(|_| {
        let threads = Mutex::new(BTreeSet::new());
        let outputs = builder().cores(THREE).run(|| async {
            let name = thread::current().name().map(str::to_owned);
            threads.lock().unwrap().insert(name);
            assert_eq!(core().count, 3);
            assert!(core().cpu.is_some());
            io::Result::Ok(core().index * 10)
        });
        assert_eq!(outputs.unwrap(), [Some(0), Some(10), Some(20)]);
        // The break: `outputs[0] = output` in `Launcher::wait`.
        let names = threads.into_inner().unwrap().into_iter().flatten().collect::<Vec<_>>();
        assert_eq!(names, ["uring-core-0", "uring-core-1", "uring-core-2"]);
    });
}

#[test]
fn every_core_is_reached_from_the_first_moment_of_every_main() {
    watched(|_| {
        // The break: `let cores = handles[..1].into()` in `start`.
        let outputs = builder().cores(THREE).run(|| async {
            let mut sum = 0;
            for other in 0..core().count {
                sum += spawn_on(other, || async { core().index }).await.map_err(io::Error::from)?;
            }
            // Nobody leaves before all have been asked.
            time::sleep(Duration::from_millis(200)).await;
            io::Result::Ok(sum)
        });
        assert_eq!(outputs.unwrap(), [Some(3); 3]);
    });
}

#[test]
fn an_error_of_one_core_shuts_the_others_down_and_names_the_core() {
    watched(|_| {
        let told = AtomicUsize::new(0);
        let error = builder().cores(THREE).run(|| async {
            if core().index == 1 {
                return Err(io::Error::other("the second core has had enough"));
            }
            // The break: the loop over `handles` in `Launcher::wait` goes.
            shutdown_token().cancelled().await;
            told.fetch_add(1, Ordering::SeqCst);
            Ok(())
        });
        let error = error.unwrap_err();
        assert_eq!(error.to_string(), "core 1: the second core has had enough");
        assert!(matches!(error, LaunchError::Failed { core: 1, .. }), "{error:?}");
        assert_eq!(told.into_inner(), 2);
    });
}

#[test]
fn a_panic_of_one_core_shuts_the_others_down_and_comes_back_with_its_text() {
    without_panic_messages();
    watched(|_| {
        let error = builder().cores(THREE).run(|| async {
            assert_ne!(core().index, 2, "not this one");
            shutdown_token().cancelled().await;
            Nothing::Ok(())
        });
        // The break: `Report::Ended(index, None)` for a panic: the others wait for ever.
        let text = error.unwrap_err().to_string();
        assert!(text.starts_with("core 2 panicked:") && text.contains("not this one"), "{text}");
    });
}

#[test]
fn a_core_that_panics_with_what_panics_in_its_drop_is_reported_all_the_same() {
    struct Bomb;

    impl Drop for Bomb {
        fn drop(&mut self) {
            panic!("and again");
        }
    }

    without_panic_messages();
    watched(|_| {
        // The break: `drop(payload)` in the place of `panics::discard(payload)`: the other cores are never told.
        let error = builder().cores(THREE).run(|| async {
            if core().index == 1 {
                std::panic::panic_any(Bomb);
            }
            shutdown_token().cancelled().await;
            Nothing::Ok(())
        });
        assert!(matches!(error.unwrap_err(), LaunchError::Panicked { core: 1, .. }));
    });
}

#[test]
fn asking_for_more_cores_than_there_are_is_an_error_that_says_what_to_do() {
    watched(|_| {
        // The break: no look at `most` for `Self::Count` in `Cores::place`.
        let error = builder().cores(100_000).run(|| async { Nothing::Ok(()) }).unwrap_err();
        let text = error.to_string();
        assert!(text.contains("100000 cores were asked for") && text.contains("Oversubscribed"), "{text}");
        let error = builder().cores(0).run(|| async { Nothing::Ok(()) }).unwrap_err();
        assert!(error.to_string().contains("ask for one at least"), "{error}");
    });
}

#[test]
fn a_core_that_cannot_be_built_ends_the_launch_before_any_main_runs() {
    // Alone, because it takes every place that there is.
    alone(|_| {
        let ran = AtomicUsize::new(0);
        // No process has room for that many runtimes: the places end first. The break: `drop(error)` for a core that is
        // refused, in `start`.
        let error =
            builder().submissions(8).completions(8).recv_buffers(1).cores(Cores::Oversubscribed(1100));
        let error = error.run(|| async {
            ran.fetch_add(1, Ordering::SeqCst);
            Nothing::Ok(())
        });
        assert!(matches!(error.unwrap_err(), LaunchError::Build { .. } | LaunchError::Thread { .. }));
        assert_eq!(ran.into_inner(), 0);
    });
}

#[test]
fn a_thread_that_cannot_be_started_ends_the_launch_and_the_threads_before_it() {
    // The break: `starts` belongs to who launches (its `let` stands before `thread::scope`): those that were started wait for
    // ever.
    alone(|_| {
        if !Uid::effective().is_root() {
            println!("left out: only root can become a user who has no other threads");
            return;
        }
        // A user of this process's own, so that what counts is only what is here.
        setuid(Uid::from_raw(0x4000_0000 + std::process::id())).unwrap();
        let (started, open) = (threads(), descriptors());
        setrlimit(Resource::RLIMIT_NPROC, started as u64 + 2, started as u64 + 2).unwrap();
        let ran = AtomicUsize::new(0);
        let error = builder().cores(Cores::Oversubscribed(4)).run(|| async {
            ran.fetch_add(1, Ordering::SeqCst);
            Nothing::Ok(())
        });
        let error = error.unwrap_err();
        assert!(matches!(error, LaunchError::Thread { core: 2, .. }), "{error:?}");
        assert_eq!(ran.into_inner(), 0);
        eventually("nothing is left", || (threads(), descriptors()) == (started, open));
    });
}

#[test]
fn listeners_of_all_cores_share_a_port_and_a_shutdown_ends_them_and_lets_open_connections_see_their_end() {
    watched(|_| {
        let (port, served) = (AtomicUsize::new(0), AtomicUsize::new(0));
        let peers = Mutex::new(Vec::new());
        let outputs = builder().cores(Cores::Oversubscribed(2)).run(|| async {
            // Core 0 takes a port that is free, and the other one shares it.
            let listener = if core().index == 0 {
                let listener = TcpListenerOptions::new().reuse_port(true).bind("127.0.0.1:0").await?;
                port.store(listener.local_addr()?.port().into(), Ordering::SeqCst);
                listener
            } else {
                while port.load(Ordering::SeqCst) == 0 {
                    time::sleep(Duration::from_millis(1)).await;
                }
                let address = format!("127.0.0.1:{}", port.load(Ordering::SeqCst));
                TcpListenerOptions::new().reuse_port(true).bind(address).await?
            };
            if core().index == 1 {
                let address = listener.local_addr()?;
                let dialled = thread::spawn(move || (0..32).map(|_| dial(address)).collect::<Vec<_>>());
                while served.load(Ordering::SeqCst) < 32 {
                    accept_for(&listener, &served).await?;
                }
                peers.lock().unwrap().extend(dialled.join().unwrap());
                shutdown(Duration::from_millis(300));
            }
            loop {
                match listener.accept().await {
                    Ok((stream, _)) => serve(stream, &served),
                    Err(error) if ShutDown::is(&error) => return io::Result::Ok(()),
                    Err(error) => return Err(error),
                }
            }
        });
        assert_eq!(outputs.unwrap(), [Some(()), Some(())]);
        for mut peer in peers.into_inner().unwrap() {
            assert_eq!(peer.read(&mut [0; 8]).unwrap(), 0, "the end of the stream");
        }
    });
}

/// Accepts for a moment.
async fn accept_for(listener: &TcpListener, served: &AtomicUsize) -> io::Result<()> {
    let Ok(accepted) = time::timeout(Duration::from_millis(5), listener.accept()).await else {
        return Ok(());
    };
    serve(accepted?.0, served);
    Ok(())
}

/// Waits for bytes, for ever.
fn serve(stream: TcpStream, served: &AtomicUsize) {
    served.fetch_add(1, Ordering::SeqCst);
    drop(spawn(async move { while stream.recv().await.is_ok_and(|bytes| !bytes.is_empty()) {} }));
}

/// How often this thread has waited for anything, as the kernel counts it.
fn waits() -> i64 {
    getrusage(UsageWho::RUSAGE_THREAD).unwrap().voluntary_context_switches()
}

#[test]
fn an_idle_service_of_two_cores_makes_no_system_call() {
    watched(|_| {
        // The breaks: as in the test of one idle runtime.
        let work = builder().cores(Cores::Oversubscribed(2)).run(|| async {
            time::sleep(Duration::from_millis(100)).await;
            let before = (stats().enters, waits());
            time::sleep(Duration::from_secs(5)).await;
            io::Result::Ok((stats().enters - before.0, waits() - before.1))
        });
        for (enters, waits) in work.unwrap().into_iter().flatten() {
            println!("five seconds: {enters} enters, {waits} waits");
            // In a storm of signals a sleep is many.
            assert!(enters <= 2 || storm::adds_enters(), "{enters} enters for one sleep");
            // Whatever waits without an enter: a lock, now and then.
            assert!(waits < 20 || storm::adds_enters(), "{waits} waits for one sleep");
        }
    });
}

#[test]
fn calls_that_block_run_on_any_processor_although_their_core_is_kept_on_one() {
    watched(|_| {
        let usable = nix::sched::sched_getaffinity(Pid::from_raw(0)).unwrap();
        let allowed = builder().cores(Cores::Count(1)).run(|| async {
            let on_core = nix::sched::sched_getaffinity(Pid::from_raw(0)).unwrap();
            // The break: `Blocking::on(self.blocking, cpus)` becomes `Blocking::new(self.blocking)`, where there are several
            // processors.
            let blocking =
                uring::task::spawn_blocking(|| nix::sched::sched_getaffinity(Pid::from_raw(0)).unwrap());
            io::Result::Ok((on_core, blocking.await.map_err(io::Error::from)?))
        });
        let (on_core, blocking) = allowed.unwrap()[0].unwrap();
        let count = |set: nix::sched::CpuSet| (0..1024).filter(|&cpu| set.is_set(cpu).unwrap()).count();
        assert_eq!(count(on_core), 1);
        assert_eq!(blocking, usable);
    });
}
