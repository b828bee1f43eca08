//! What the cores of a service agree on: the address that the kernel chose for one of them, and the others share.
//!
//! The first core to ask binds, and tells the others where. Who asks for the same for the second time begins the next
//! agreement, so that several in the order of the program are told apart without names. It knows addresses, and nothing of
//! sockets.

use std::collections::BTreeSet;
use std::net::SocketAddr;
use std::sync::{Arc, Mutex, MutexGuard, OnceLock, PoisonError};
use std::{fmt, io};

use crate::core::Core;
use crate::io::ShutDown;
use crate::sync::CancellationToken;

/// Agreements at most that some core has not come to. A service has a handful of listeners; what grows is a mistake.
const OPEN_MAX: usize = 1024;

/// Those of one service that some core has not come to yet, in the order in which they were begun.
#[derive(Default)]
pub(super) struct Agreements(Mutex<Vec<Agreement>>);

struct Agreement {
    asked: Vec<SocketAddr>,
    /// The cores that have come.
    came: BTreeSet<usize>,
    decision: Arc<Decision>,
}

#[derive(Default)]
struct Decision {
    made: OnceLock<Result<SocketAddr, Refusal>>,
    /// Cancelled when it is made.
    told: CancellationToken,
}

/// What a core does about an agreement.
enum Part {
    Decide(Decider),
    Follow(Arc<Decision>),
}

impl Agreements {
    fn lock(&self) -> MutexGuard<'_, Vec<Agreement>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// The part of one of `count` cores in the first agreement about `asked` that it has not come to.
    fn join(&self, core: usize, count: usize, asked: &[SocketAddr]) -> io::Result<Part> {
        let mut open = self.lock();
        let at = open.iter().position(|one| one.asked == asked && !one.came.contains(&core));
        if let Some(at) = at {
            let decision = Arc::clone(&open[at].decision);
            open[at].came.insert(core);
            if open[at].came.len() == count {
                open.remove(at);
            }
            return Ok(Part::Follow(decision));
        }
        if open.len() == OPEN_MAX {
            return Err(io::Error::other(
                "1,024 listeners wait for the other cores of this service to bind them, too; cure: call it on each core",
            ));
        }
        let decision = Arc::new(Decision::default());
        let came = BTreeSet::from([core]);
        open.push(Agreement { asked: asked.to_vec(), came, decision: Arc::clone(&decision) });
        Ok(Part::Decide(Decider { core, decision }))
    }
}

/// The core that binds for all. Dropped, it has given up.
struct Decider {
    core: usize,
    decision: Arc<Decision>,
}

impl Decider {
    fn decide(&self, bound: Result<SocketAddr, io::Error>) {
        let made = bound.map_err(|error| Refusal { core: self.core, error: Arc::new(error) });
        // The second time is that of the drop.
        let _ = self.decision.made.set(made);
        self.decision.told.cancel();
    }
}

impl Drop for Decider {
    fn drop(&mut self) {
        self.decide(Err(io::Error::other("it has given up")));
    }
}

/// Why there is no address.
#[derive(Clone, Debug)]
struct Refusal {
    core: usize,
    error: Arc<io::Error>,
}

impl fmt::Display for Refusal {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "core {}, which was to bind for all cores, could not: {}", self.core, self.error)
    }
}

impl std::error::Error for Refusal {
    fn source(&self) -> Option<&(dyn std::error::Error + 'static)> {
        Some(&*self.error)
    }
}

impl Decision {
    /// Waits for the address, or for the core's shutdown.
    async fn wait(&self, core: &Core) -> io::Result<SocketAddr> {
        core.shutdown_token().run_until_cancelled(self.told.cancelled()).await;
        match self.made.get() {
            Some(Ok(bound)) => Ok(*bound),
            Some(Err(refusal)) => Err(io::Error::new(refusal.error.kind(), refusal.clone())),
            None => Err(io::Error::other(ShutDown)),
        }
    }
}

/// The same error for somebody else.
fn copied(error: &io::Error) -> io::Error {
    match error.raw_os_error() {
        Some(errno) => io::Error::from_raw_os_error(errno),
        None => io::Error::new(error.kind(), error.to_string()),
    }
}

/// Binds on each core of a service to one and the same address. The first core to ask binds to what is `asked`, and all
/// others to where that was. `bind` says where it has bound.
///
/// Each core must ask in the same order: its first call with these addresses belongs to the first calls of the others, and
/// so on. A runtime that was not launched with others binds by itself.
///
/// # Errors
///
/// Those of `bind`. When the first core could not bind, the others get an error of the same kind, with that one as its
/// source; when the service shuts down while they wait, [`ShutDown`].
///
/// # Panics
///
/// Outside of a runtime.
///
/// # Cancel safety
///
/// Dropping the future of the core that binds is an error for the others. Dropped elsewhere, it takes no part.
pub async fn bind_together<T>(
    asked: &[SocketAddr],
    bind: impl AsyncFn(&[SocketAddr]) -> io::Result<(T, SocketAddr)>,
) -> io::Result<T> {
    let core = Core::current();
    let Some(member) = core.member().filter(|member| member.id.count > 1) else {
        return bind(asked).await.map(|(listener, _)| listener);
    };
    match member.service.agreements.join(member.id.index, member.id.count, asked)? {
        Part::Decide(decider) => {
            let bound = bind(asked).await;
            decider.decide(bound.as_ref().map(|(_, address)| *address).map_err(copied));
            bound.map(|(listener, _)| listener)
        }
        Part::Follow(decision) => {
            let address = decision.wait(&core).await?;
            bind(&[address]).await.map(|(listener, _)| listener)
        }
    }
}

#[cfg(test)]
mod tests {
    use std::future::pending;
    use std::time::Duration;

    use super::*;
    use crate::task::spawn;
    use crate::time::sleep;
    use crate::{Builder, Cores, shutdown};

    fn asked() -> [SocketAddr; 1] {
        [SocketAddr::from(([127, 0, 0, 1], 0))]
    }

    /// Waits until each core of this service has come to all agreements.
    async fn until_all_came() {
        while !Core::current().member().expect("it was launched").service.agreements.lock().is_empty() {
            sleep(Duration::from_millis(1)).await;
        }
    }

    /// C14. The break: `self.told.cancelled().await` bare in `Decision::wait`: who waits is cut off at the deadline.
    #[test]
    fn a_shutdown_ends_the_wait_for_the_core_that_binds() {
        let ended = Builder::new().cores(Cores::Oversubscribed(2)).run(async || {
            let bound: io::Result<()> = bind_together(&asked(), async |_| {
                until_all_came().await;
                shutdown(Duration::from_millis(300));
                pending().await
            })
            .await;
            io::Result::Ok(ShutDown::is(&bound.expect_err("it shuts down")))
        });
        let mut ended = ended.expect("no core fails");
        ended.sort_unstable();
        assert_eq!(ended, [None, Some(true)], "one binds for ever, and one waits");
    }

    /// C14. The break: no `decide` in the drop of `Decider`: the other cores wait for ever.
    #[test]
    fn a_core_that_gives_its_binding_up_is_an_error_for_the_others() {
        let errors = Builder::new().cores(Cores::Oversubscribed(3)).run(async || {
            let binds = spawn(async {
                let bound: io::Result<()> = bind_together(&asked(), async |_| {
                    until_all_came().await;
                    panic!("it does not bind");
                })
                .await;
                bound.expect_err("nobody binds").to_string()
            });
            io::Result::Ok(binds.await.ok())
        });
        let errors: Vec<_> = errors.expect("a panic is its task's").into_iter().flatten().flatten().collect();
        assert_eq!(errors.len(), 2, "{errors:?}");
        for error in errors {
            assert!(error.ends_with("could not: it has given up"), "{error}");
        }
    }

    /// The break: no look at `came` in `Agreements::join`: the second question gets the first answer.
    #[test]
    fn the_second_question_of_a_core_is_the_next_agreement_and_those_that_all_came_to_are_gone() {
        let agreements = Agreements::default();
        let decide = |core| match agreements.join(core, 2, &asked()).expect("there is room") {
            Part::Decide(decider) => {
                decider.decide(Ok(SocketAddr::from(([127, 0, 0, 1], 1 + core as u16))));
                None
            }
            Part::Follow(decision) => {
                decision.made.get().cloned().map(|made| made.expect("it was bound").port())
            }
        };
        assert_eq!([decide(0), decide(0), decide(1)], [None, None, Some(1)]);
        assert_eq!(agreements.lock().len(), 1);
        assert_eq!([decide(1), decide(1), decide(0)], [Some(1), None, Some(2)]);
        assert!(agreements.lock().is_empty());
    }

    /// The break: no look at `OPEN_MAX`.
    #[test]
    fn a_core_that_asks_alone_is_told_so_in_the_end() {
        let agreements = Agreements::default();
        for _ in 0..OPEN_MAX {
            assert!(agreements.join(0, 2, &asked()).is_ok());
        }
        let error = agreements.join(0, 2, &asked()).map(drop).expect_err("it is too much");
        assert!(error.to_string().contains("call it on each core"), "{error}");
    }
}
