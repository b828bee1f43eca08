//! The life of one core of a service, as its main future: until main has returned, or the shutdown's deadline.

use std::future::poll_fn;
use std::pin::{Pin, pin};
use std::rc::Rc;
use std::task::{Context, Poll};

use crate::core::Core;
use crate::time::{Instant, Sleep, sleep_until};

/// Runs `main`. When the core is shut down meanwhile, main and the tasks have until the deadline: `None` when main was not
/// done by then.
pub(super) async fn serve<F: Future>(core: &Rc<Core>, main: F) -> Option<F::Output> {
    let output = {
        let mut main = pin!(main);
        let mut deadline = Deadline::new(core);
        poll_fn(|cx| match main.as_mut().poll(cx) {
            Poll::Ready(output) => Poll::Ready(Some(output)),
            Poll::Pending => deadline.poll(cx).map(|()| None),
        })
        .await
    };
    if core.shutdown_until().is_some() {
        finish(core).await;
    }
    output
}

/// Waits until no task is alive, or for the shutdown's deadline.
pub(crate) async fn finish(core: &Rc<Core>) {
    let mut deadline = Deadline::new(core);
    poll_fn(|cx| if core.waits_for_tasks() { deadline.poll(cx) } else { Poll::Ready(()) }).await;
}

/// The shutdown's deadline, which may not be known yet, and may become shorter. The main future is polled whenever it
/// changes.
struct Deadline<'a> {
    core: &'a Rc<Core>,
    sleep: Option<Sleep>,
}

impl<'a> Deadline<'a> {
    fn new(core: &'a Rc<Core>) -> Self {
        Self { core, sleep: None }
    }

    fn poll(&mut self, cx: &mut Context<'_>) -> Poll<()> {
        let Some(until) = self.core.shutdown_until().map(Instant::from_nanos) else { return Poll::Pending };
        let sleep = self.sleep.get_or_insert_with(|| sleep_until(until));
        if sleep.deadline() != until {
            sleep.reset(until);
        }
        Pin::new(sleep).poll(cx)
    }
}
