//! Servers on many cores: each core accepts from a listener of its own, all of them on one port. What an arm brings along
//! for many cores is used; the others are as many one-thread servers.

use std::net::SocketAddr;
use std::sync::atomic::{AtomicUsize, Ordering::Relaxed};
use std::thread;

use super::listen::{Port, listen_beside_others};
use super::{Announce, Arm, Site, one_thread, tokio, uring};
use crate::serve::counters;
use crate::{Result, affinity};

/// Announces the server when the last core listens.
pub(super) struct Muster<'a> {
    missing: AtomicUsize,
    announce: Announce<'a>,
}

impl<'a> Muster<'a> {
    fn of(cores: usize, announce: Announce<'a>) -> Self {
        Self { missing: AtomicUsize::new(cores), announce }
    }

    /// One more core listens.
    pub(super) fn arrive(&self, addr: SocketAddr) -> Result<()> {
        if self.missing.fetch_sub(1, Relaxed) == 1 { (self.announce)(addr) } else { Ok(()) }
    }
}

/// Echoes on a core for each processor of the site.
pub(super) fn serve_echo(arm: Arm, site: &Site<'_>) -> Result<()> {
    if arm == Arm::TokioMulti {
        return tokio::serve_echo_on_workers(site);
    }
    let port = Port::keep(site.addr)?;
    let muster = Muster::of(site.cpus.len(), site.announce);
    match uring::builder(arm) {
        Some(builder) => uring::serve_echo_on_cores(builder, site.cpus, port.addr(), &muster),
        None => serve_echo_on_threads(arm, site.cpus, port.addr(), &muster),
    }
}

/// As many servers of one thread, each on its processor. The first that fails ends the process, with all of them.
fn serve_echo_on_threads(arm: Arm, cpus: &[usize], addr: SocketAddr, muster: &Muster<'_>) -> Result<()> {
    let serve = |core: usize, cpu: usize| {
        affinity::pin(Some(cpu))?;
        let listener = listen_beside_others(addr)?;
        one_thread(arm, listener, counters(core), &|addr| muster.arrive(addr))
    };
    thread::scope(|scope| {
        let (ended, end) = std::sync::mpsc::channel();
        for (core, &cpu) in cpus.iter().enumerate() {
            let (ended, serve) = (ended.clone(), &serve);
            // The receiver is there until the process ends.
            scope.spawn(move || ended.send(serve(core, cpu)).is_ok());
        }
        let outcome = end.recv().map_err(Into::into).and_then(|outcome| outcome);
        // The others serve for ever: who waits for them would never tell.
        crate::serve::exit(outcome)
    })
}
