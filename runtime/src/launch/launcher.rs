//! Starting the cores of a service together, and waiting for them.

use std::any::Any;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;
use std::sync::mpsc::{Receiver, Sender, channel};
use std::thread;
use std::time::Duration;

use super::agreement::Agreements;
use super::cores::Cores;
use super::error::LaunchError;
use super::serve::serve;
use super::service::{CoreId, Member, Service};
use super::signals;
use crate::builder::Settings;
use crate::panics;
use crate::remote::Handle;
use crate::{BuildError, Builder, Runtime};

/// Launches a service on many cores: see [`Builder::cores`].
#[must_use = "a launcher does nothing unless `run` is called"]
#[derive(Debug)]
pub struct Launcher {
    settings: Settings,
    cores: Cores,
    grace: Duration,
    signals: Signals,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Signals {
    ShutDown,
    Left,
}

/// What a core's thread tells the launcher.
enum Report<T, E> {
    Ready(usize, Handle),
    Ended(usize, Option<T>),
    Failed(LaunchError<E>),
}

impl Launcher {
    pub(crate) fn new(settings: Settings, cores: Cores) -> Self {
        Self { settings, cores, grace: Duration::from_secs(10), signals: Signals::ShutDown }
    }

    /// How long the cores have to finish when a signal or the failure of one of them ends the service. Default 10 s.
    pub fn grace(mut self, deadline: Duration) -> Self {
        self.grace = deadline;
        self
    }

    /// Leaves SIGINT and SIGTERM as they are. By default the first of them shuts the service down within
    /// [`grace`](Launcher::grace), and a second one ends the process as if nobody handled it.
    pub fn leave_signals(mut self) -> Self {
        self.signals = Signals::Left;
        self
    }

    /// Runs `main` once on each core, and waits until all of them have ended. Gives what they returned, by core; `None` for
    /// one that was not done when the deadline of a shutdown had passed.
    ///
    /// All cores are set up before the first `main` starts, so that [`spawn_on`](crate::spawn_on) reaches every core from
    /// the beginning. A core ends when its main has returned, and then drops the tasks that it has left, unless the service
    /// is shutting down, which waits for them.
    ///
    /// # Errors
    ///
    /// [`LaunchError`]: the first core that could not be started, has failed or has panicked. The others were shut down in
    /// order by then.
    ///
    /// # Panics
    ///
    /// Within a runtime.
    pub fn run<M, F, T, E>(self, main: M) -> Result<Vec<Option<T>>, LaunchError<E>>
    where
        M: Fn() -> F + Sync,
        F: Future<Output = Result<T, E>>,
        T: Send,
        E: Send,
    {
        self.run_with(main, |settings| Builder::from(settings).build())
    }

    /// As [`run`](Launcher::run), with what makes the runtime of a core.
    fn run_with<M, F, T, E>(
        self,
        main: M,
        build: impl Fn(Settings) -> Result<Runtime, BuildError> + Sync,
    ) -> Result<Vec<Option<T>>, LaunchError<E>>
    where
        M: Fn() -> F + Sync,
        F: Future<Output = Result<T, E>>,
        T: Send,
        E: Send,
    {
        assert!(
            !crate::is_running(),
            "uring: a runtime runs on this thread already; launch from outside of it"
        );
        let usable =
            uring_sys_shim::usable_cpus().map_err(|error| LaunchError::Thread { core: 0, cpu: 0, error })?;
        let cpus = self
            .cores
            .place(&usable, uring_sys_shim::cpu_quota())
            .map_err(|shortage| LaunchError::shortage(&shortage))?;
        let (reports, reported) = channel();
        thread::scope(|scope| {
            let mut starts = Vec::with_capacity(cpus.len());
            for (index, &cpu) in cpus.iter().enumerate() {
                let (start, started) = channel();
                // One core is enough to hear of signals.
                let grace = (index == 0 && self.signals == Signals::ShutDown).then_some(self.grace);
                let settings = self.settings.clone().of_core(index);
                let core = CoreThread { index, cpu, settings, grace, reports: reports.clone(), started };
                let (main, build) = (&main, &build);
                thread::Builder::new()
                    .name(format!("uring-core-{index}"))
                    .spawn_scoped(scope, move || core.run(main, build))
                    .map_err(|error| LaunchError::Thread { core: index, cpu, error })?;
                starts.push(start);
            }
            drop(reports);
            let service = start(&reported, &starts, &cpus)?;
            self.wait(&reported, &service.cores)
        })
    }

    /// Waits until all cores have ended. The first failure shuts the others down.
    fn wait<T, E>(
        &self,
        reported: &Receiver<Report<T, E>>,
        handles: &[Handle],
    ) -> Result<Vec<Option<T>>, LaunchError<E>> {
        let mut outputs: Vec<Option<T>> = handles.iter().map(|_| None).collect();
        let mut failure = None;
        for report in reported {
            match report {
                Report::Ended(index, output) => outputs[index] = output,
                Report::Failed(error) => {
                    handles.iter().for_each(|handle| handle.shutdown(self.grace));
                    failure.get_or_insert(error);
                }
                Report::Ready(..) => unreachable!("invariant: all cores have started"),
            }
        }
        failure.map_or(Ok(outputs), Err)
    }
}

/// Waits until all cores are set up, and then lets all of them run. When one could not be set up the others end, because
/// nobody starts them.
fn start<T, E>(
    reported: &Receiver<Report<T, E>>,
    starts: &[Sender<Arc<Service>>],
    cpus: &[usize],
) -> Result<Arc<Service>, LaunchError<E>> {
    let mut handles: Vec<Option<Handle>> = cpus.iter().map(|_| None).collect();
    for _ in cpus {
        match reported.recv() {
            Ok(Report::Ready(index, handle)) => handles[index] = Some(handle),
            Ok(Report::Failed(error)) => return Err(error),
            _ => unreachable!("invariant: each core first says whether it is set up"),
        }
    }
    let cores = handles.into_iter().flatten().collect();
    let service = Arc::new(Service { cores, agreements: Agreements::default() });
    for start in starts {
        // A thread that is gone has reported why.
        let _ = start.send(Arc::clone(&service));
    }
    Ok(service)
}

/// What the thread of a core begins with.
struct CoreThread<T, E> {
    index: usize,
    cpu: usize,
    settings: Settings,
    /// Set on the core that hears of signals: how long the service has then.
    grace: Option<Duration>,
    reports: Sender<Report<T, E>>,
    started: Receiver<Arc<Service>>,
}

impl<T, E> CoreThread<T, E> {
    /// The whole life of the thread. However it ends, the launcher hears of it: it waits for a word of each core, and the
    /// other cores keep the channel open.
    fn run<M, F>(self, main: &M, build: impl Fn(Settings) -> Result<Runtime, BuildError>)
    where
        M: Fn() -> F,
        F: Future<Output = Result<T, E>>,
    {
        let (index, reports) = (self.index, self.reports.clone());
        if let Err(payload) = catch_unwind(AssertUnwindSafe(|| self.live(main, build))) {
            drop(reports.send(Report::Failed(panicked(index, payload))));
        }
    }

    fn live<M, F>(self, main: &M, build: impl Fn(Settings) -> Result<Runtime, BuildError>)
    where
        M: Fn() -> F,
        F: Future<Output = Result<T, E>>,
    {
        let Self { index, cpu, settings, grace, reports, started } = self;
        // The launcher reads reports until the last thread has ended, or has given up.
        let report = |report| drop(reports.send(report));
        if let Err(error) = uring_sys_shim::allow_cpus(&[cpu]) {
            return report(Report::Failed(LaunchError::Thread { core: index, cpu, error }));
        }
        let runtime = match build(settings) {
            Ok(runtime) => runtime,
            Err(error) => return report(Report::Failed(LaunchError::Build { core: index, error })),
        };
        report(Report::Ready(index, runtime.handle()));
        let Ok(service) = started.recv() else { return };
        let id = CoreId { index, count: service.cores.len(), cpu: Some(cpu) };
        runtime.core().joins(Member { id, service });
        let served = catch_unwind(AssertUnwindSafe(|| {
            runtime.block_on(async {
                let signals = grace.map(signals::watch);
                let output = serve(runtime.core(), async { main().await }).await;
                drop(signals);
                output
            })
        }));
        // Told before the runtime ends, which may take its time: the others are shut down meanwhile.
        report(match served {
            Ok(Some(Ok(output))) => Report::Ended(index, Some(output)),
            Ok(None) => Report::Ended(index, None),
            Ok(Some(Err(error))) => Report::Failed(LaunchError::Failed { core: index, error }),
            Err(payload) => Report::Failed(panicked(index, payload)),
        });
    }
}

fn panicked<E>(core: usize, payload: Box<dyn Any + Send>) -> LaunchError<E> {
    let message = panics::text(&*payload).unwrap_or_else(|| "not with a text".to_owned());
    // Its drop is the user's, and may panic: the others would never hear that this core has ended.
    panics::discard(payload);
    LaunchError::Panicked { core, message }
}

#[cfg(test)]
mod tests {
    use std::io;
    use std::sync::atomic::{AtomicUsize, Ordering};

    use super::*;

    /// The break: `self.live(main, build)` bare, without the `catch_unwind` around it. The launch waits for ever.
    #[test]
    fn a_core_that_panics_while_it_is_set_up_ends_the_launch_before_any_main_runs() {
        let (built, ran) = (AtomicUsize::new(0), AtomicUsize::new(0));
        let launcher = Builder::new().cores(Cores::Oversubscribed(3));
        let launched = launcher.run_with(
            async || {
                ran.fetch_add(1, Ordering::SeqCst);
                io::Result::Ok(())
            },
            |settings| match built.fetch_add(1, Ordering::SeqCst) {
                1 => panic!("no second one"),
                _ => Builder::from(settings).build(),
            },
        );
        let error = launched.expect_err("one has panicked");
        assert!(
            matches!(&error, LaunchError::Panicked { message, .. } if message == "no second one"),
            "{error}"
        );
        assert_eq!(ran.into_inner(), 0);
    }
}
