//! The signals that end a service: the first begins its shutdown, the second ends the process.

use std::time::Duration;

use super::service::{shutdown, shutdown_token};
use crate::signal::{ByDefault, SignalKind, signal};
use crate::sync::DropGuard;
use crate::task::spawn;

const KINDS: [SignalKind; 2] = [SignalKind::interrupt(), SignalKind::terminate()];

/// Handles the signals on the current core, until what is given is dropped: then they do what they do by default.
pub(super) fn watch(grace: Duration) -> DropGuard {
    let watching = shutdown_token().child_token();
    for kind in KINDS {
        let watching = watching.clone();
        drop(spawn(async move {
            // From the second signal on, or when this ends, it is as if nobody handled it.
            let by_default = ByDefault::later(kind);
            let signal = match signal(kind) {
                Ok(signal) => signal,
                Err(error) => return tracing::error!(%error, ?kind, "a signal cannot be handled"),
            };
            if watching.run_until_cancelled(heard(signal)).await.is_some() {
                tracing::info!(?kind, "a signal shuts the service down");
                shutdown(grace);
            }
            drop(by_default);
        }));
    }
    watching.drop_guard()
}

async fn heard(mut signal: crate::signal::Signal) {
    if let Err(error) = signal.recv().await {
        tracing::error!(%error, "signals cannot be heard any more");
        std::future::pending().await
    }
}
